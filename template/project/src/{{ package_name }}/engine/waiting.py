# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Waiting for the end of one job: that of a run, or that of an isolated step."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zenml.logger import get_logger

from .clock import Clock, Result, call_with_retries
from .protocols import JobHandle, JobPlatform, JobStatus, Phase, Watches
from .run_store import TRANSIENT
from .sightings import Sighting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = get_logger(__name__)

# How long a platform may not answer before a client stops waiting, in seconds. The run goes on.
MAX_OUTAGE_SECONDS = 30 * 60.0


def ask(
    platform: JobPlatform,
    call: Callable[[], Result],
    *,
    seconds: float = MAX_OUTAGE_SECONDS,
    clock: Clock | None = None,
) -> Result:
    """Asks the platform, or ZenML, again and again until there is an answer."""
    return call_with_retries(call, (*platform.transient, *TRANSIENT), seconds=seconds, clock=clock)


def look(
    platform: JobPlatform, handle: JobHandle, sighting: Sighting, clock: Clock
) -> JobStatus | None:
    """Asks how a job is, once.

    Args:
        platform: Where it runs.
        handle: The job.
        sighting: What was seen of it so far.
        clock: Tells the time.

    Returns:
        Its status; None if it may still appear. A job that the platform has lost has failed, and so
        has one that waits for what cannot come, which is stopped.
    """
    status = sighting.look(platform.describe([handle]).get(handle), clock.now())
    if status is not None and status.hopeless:
        platform.stop(handle)
        return replace(status, phase=Phase.FAILED)
    return status


def watch_job(
    platform: JobPlatform,
    handle: JobHandle,
    clock: Clock,
    *,
    run: str | None = None,
    seconds: float = MAX_OUTAGE_SECONDS,
) -> Iterator[JobStatus]:
    """Yields how a job is: at first, whenever that has changed, and how it has ended; see `look`.

    Args:
        platform: Where it runs.
        handle: The job.
        clock: Tells the time, and waits.
        run: The ID of its run in ZenML, whose changes the platform reports, if it can; None to ask
            for no reports.
        seconds: How long the platform may not answer.

    Raises:
        Exception: What the platform raises, if it does not answer for so long.
    """
    sighting = Sighting(clock.now(), platform.unknown_seconds)
    known: JobStatus | None = None
    answer_to = partial(ask, platform, seconds=seconds, clock=clock)
    with ExitStack() as watch:
        if run is not None and isinstance(platform, Watches):
            answer_to(lambda: watch.enter_context(platform.watch(run, lambda _: clock.wake())))
        while True:
            status = answer_to(lambda: look(platform, handle, sighting, clock))
            if status is not None and status != known:
                yield (known := status)
                if status.phase.is_terminal:
                    return
            clock.wait(platform.poll_seconds)
