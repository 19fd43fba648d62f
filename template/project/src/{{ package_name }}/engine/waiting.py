# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Waiting for the end of one job: that of a run, or that of an isolated step."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from zenml.logger import get_logger

from .clock import backoff
from .protocols import Phase, Watches
from .sightings import Sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .protocols import JobHandle, JobPlatform, JobStatus

logger = get_logger(__name__)

# How long a platform may not answer before a client stops waiting, in seconds. The run goes on.
MAX_OUTAGE_SECONDS = 30 * 60.0


def wait_until_terminal(
    platform: Callable[[], JobPlatform],
    run: str,
    handle: JobHandle,
    clock: Clock,
    observe: Callable[[JobStatus], None],
) -> JobStatus:
    """Waits until a job has ended.

    Args:
        platform: Returns the platform; asked each time, since a login may expire.
        run: The ID of the run in ZenML.
        handle: The job.
        clock: Tells the time, and waits.
        observe: Is told how the job is, each time that it was asked.

    Returns:
        How it ended. A job that the platform has lost has failed, and so has one that waits for
        what cannot come, which is stopped.

    Raises:
        Exception: What the platform raises, if it does not answer for half an hour.
    """
    sighting = Sighting(clock.now(), platform().unknown_seconds)
    answered = clock.now()
    failures = 0
    watched = False
    with ExitStack() as watch:
        while True:
            current = platform()
            try:
                if isinstance(current, Watches) and not watched:
                    watch.enter_context(current.watch(run, lambda _: clock.wake()))
                    watched = True
                found = current.describe([handle]).get(handle)
                if found is not None and found.hopeless:
                    current.stop(handle)
            except current.transient as error:
                if clock.now() - answered > MAX_OUTAGE_SECONDS:
                    raise
                logger.warning("It is not known how the run is, trying again: %s", error)
                clock.wait(backoff(failures))
                failures += 1
                continue
            answered = clock.now()
            failures = 0
            status = sighting.look(found, answered)
            if status is not None:
                observe(status)
                if status.phase.is_terminal:
                    return status
                if status.hopeless:
                    return replace(status, phase=Phase.FAILED)
            clock.wait(current.poll_seconds)


def report_waiting(what: str) -> Callable[[JobStatus], None]:
    """Returns what logs why a job waits, once for each reason."""
    said = [""]

    def observe(status: JobStatus) -> None:
        if status.phase is Phase.PENDING and status.reason not in ("", said[0]):
            said[0] = status.reason
            logger.info("%s waits: %s", what, status.reason)

    return observe
