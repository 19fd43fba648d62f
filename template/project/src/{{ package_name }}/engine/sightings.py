# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""When a job that the platform does not know is lost: the one rule for everybody who looks."""

from __future__ import annotations

from .exit_codes import describe_exit
from .protocols import JobStatus, Phase
from .texts import shorten

LOST = "its job was deleted, or the platform has lost it"
NO_REASON = "it does not say why"


class Sighting:
    """What was seen of one job so far."""

    def __init__(self, since: float, patience: float) -> None:
        """Begins to look.

        Args:
            since: When the job was submitted, or found, by the clock that `look` gets.
            patience: How long it may stay unknown from then on: the platform's `unknown_seconds`.
        """
        self._unknown_until = since + patience
        self._seen = False

    def look(self, status: JobStatus | None, now: float) -> JobStatus | None:
        """Judges what the platform says.

        Args:
            status: How the job is; None if the platform does not know it.
            now: The time.

        Returns:
            The same, or a failure if the job is lost. None if it may still appear.
        """
        if status is not None:
            self._seen = True
            return status
        if self._seen or now >= self._unknown_until:
            return JobStatus(Phase.FAILED, LOST)
        return None


def describe_end(status: JobStatus) -> str:
    """Says in words why a job has ended, or waits."""
    if status.reason:
        return shorten(status.reason)
    if status.exit_code is not None:
        return describe_exit(status.exit_code)
    return "it was stopped" if status.phase is Phase.STOPPED else NO_REASON
