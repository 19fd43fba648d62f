# YOURS: what Vertex AI's states mean
"""How pipeline jobs, their tasks and custom jobs are, as Vertex AI tells it, in the engine's words.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/PipelineState
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/JobState
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs#State
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..engine.protocols import JobStatus, Phase
from ..engine.services.supervisor import NOT_RESTORED

if TYPE_CHECKING:
    from .google_cloud import Object

# Any other word is one of something that goes on: there may be new ones.
PHASES = {
    "UNSPECIFIED": Phase.PENDING,
    "QUEUED": Phase.PENDING,
    "PENDING": Phase.PENDING,
    "CANCELLED": Phase.STOPPED,
    "NOT_TRIGGERED": Phase.STOPPED,
    "SKIPPED": Phase.SUCCEEDED,
    "SUCCEEDED": Phase.SUCCEEDED,
    "PARTIALLY_SUCCEEDED": Phase.FAILED,
    "FAILED": Phase.FAILED,
    "EXPIRED": Phase.FAILED,
}
ENDING = ("CANCELLING", "CANCEL_PENDING")

# What pipelines and jobs have before the words above.
PREFIXES = ("PIPELINE_STATE_", "JOB_STATE_", "STATE_")

# Vertex AI's reason if the program in the container has failed. ZenML knows better why.
PROGRAM_FAILED = re.compile(r"exited with a non-zero status of (\d+)")
OUT_OF_MEMORY = "ran out of memory"

UNREADABLE = (
    "it could not read its secret in Secret Manager: see its log; its service account needs "
    "roles/secretmanager.secretAccessor"
)


def word_of(found: Object) -> str:
    """Returns the word for the state of a job or a task."""
    word = str(found.get("state", "UNSPECIFIED"))
    for prefix in PREFIXES:
        word = word.removeprefix(prefix)
    return word


def status_of(found: Object) -> JobStatus:
    """Reads how a job or a task is."""
    phase = PHASES.get(word_of(found), Phase.RUNNING)
    if phase is Phase.SUCCEEDED:
        return JobStatus(phase, exit_code=0)
    reason = str(found.get("error", {}).get("message", "")).strip().rstrip(".")
    failed = PROGRAM_FAILED.search(reason)
    exit_code = int(failed[1]) if failed else None
    if exit_code == NOT_RESTORED:
        return JobStatus(phase, UNREADABLE, exit_code)
    if failed and OUT_OF_MEMORY not in reason:
        reason = ""
    return JobStatus(phase, reason, exit_code)


def is_ending(found: Object) -> bool:
    """Tells whether something has ended, or has been told to."""
    return word_of(found) in ENDING or status_of(found).phase.is_terminal
