# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Time, and the one way to wait: a test can give the engine a clock of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from zenml.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

logger = get_logger(__name__)

Result = TypeVar("Result")

# How long to wait before a platform or ZenML is asked again that did not answer, in seconds: at
# first, and at most. The pauses double.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0

# The longest pause that a platform can ask for, in seconds: a stop has to be noticed meanwhile.
LONGEST_ASKED_PAUSE = 60.0


class Clock:
    """The clock of this machine. A test has another, with the same functions."""

    def __init__(self) -> None:
        """Starts with nobody woken."""
        self._woken = threading.Event()

    def now(self) -> float:
        """Returns seconds that only grow, from any beginning."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Returns after so many seconds, or as soon as `wake` was called since the last wait."""
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        """Ends the present wait, or the next. It may be called from any thread."""
        self._woken.set()


def backoff(failures: int, error: Exception | None = None) -> float:
    """Returns how long to wait before the next try, in seconds.

    Args:
        failures: How many failures in a row there were before the last.
        error: The last one. Its `retry_after`, if it has one, is what the platform asks for.
    """
    asked = min(LONGEST_ASKED_PAUSE, getattr(error, "retry_after", None) or 0)
    return float(max(asked, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 10))))


def call_with_retries(
    call: Callable[[], Result],
    transient: tuple[type[Exception], ...],
    *,
    seconds: float,
    clock: Clock | None = None,
) -> Result:
    """Calls something again and again until it answers.

    Args:
        call: What to call.
        transient: The errors after which it is called again.
        seconds: How long to go on. After that, the error is raised.
        clock: Tells the time.
    """
    clock = clock or Clock()
    end = clock.now() + seconds
    failures = 0
    while True:
        try:
            return call()
        except transient as error:
            if clock.now() >= end:
                raise
            logger.warning("No answer, trying again: %s", error)
            clock.wait(backoff(failures, error))
        failures += 1
