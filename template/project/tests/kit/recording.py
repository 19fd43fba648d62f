# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Notes each job that is passed to `JobPlatform.submit`, in whichever process.

Two environment variables say where, and of which class. `kit.pipelines` installs it in the
processes of jobs that have them. No ZenML is needed here.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from pathlib import Path
from typing import Any

FOLDER = "TEST_RECORDED_JOBS"
CLASS = "TEST_RECORDED_PLATFORM"


def install() -> None:
    """Lets the platform class note its jobs from now on, if the variables are set."""
    if FOLDER not in os.environ or CLASS not in os.environ:
        return
    module, _, name = os.environ[CLASS].partition(":")
    platform_class = getattr(importlib.import_module(module), name)
    submit = platform_class.submit
    if hasattr(submit, "__wrapped__"):
        return

    @functools.wraps(submit)
    def submit_and_note(self: Any, job: Any) -> str:
        handle: str = submit(self, job)
        write(job, handle)
        return handle

    platform_class.submit = submit_and_note


def write(job: Any, handle: str) -> None:
    """Notes a job.

    Args:
        job: The engine's `JobSpec`.
        handle: What the platform calls it.
    """
    line = json.dumps(note_of(job, handle)) + "\n"
    # One write to a file opened for appending: processes do not get into each other's lines.
    descriptor = os.open(
        Path(os.environ[FOLDER], job.key.run), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
    )
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def note_of(job: Any, handle: str) -> dict[str, Any]:
    """Returns what is noted of a `JobSpec`."""
    return {
        "key": str(job.key),
        "role": job.role.value,
        "name": job.name,
        "command": list(job.command),
        "environment": {**job.environment, **job.secrets},
        "secrets": sorted(job.secrets),
        "resources": job.resources.model_dump(mode="json", exclude_none=True),
        "labels": dict(job.labels),
        "handle": handle,
    }


def read(run: str) -> list[dict[str, Any]]:
    """Returns what was noted of a run, in the order of submission.

    Args:
        run: The run's ID in ZenML.
    """
    file = Path(os.environ[FOLDER], run)
    if not file.exists():
        return []
    notes = [json.loads(line) for line in file.read_text().splitlines()]
    # A job that is submitted again is the same job.
    return list({note["key"]: note for note in notes}.values())
