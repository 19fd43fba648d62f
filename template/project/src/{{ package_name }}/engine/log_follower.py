# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Shows the log of a job while it is written."""

from __future__ import annotations

import re
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenml.logger import get_logger

from .clock import backoff
from .texts import shorten

if TYPE_CHECKING:
    from .protocols import JobHandle, JobPlatform

logger = get_logger(__name__)

# How ZenML's logs colour a terminal.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# How many of a failed job's last lines are told.
LAST_LINES = 20

# How long the last lines may take to come after the job has ended, in seconds.
LAST_LINES_SECONDS = 2.0


@dataclass(eq=False, repr=False)
class LogFollower:
    """Prints the log of a job, in a thread of its own, and opens it again when it breaks off.

    Attributes:
        platform: Where it runs.
        handle: The job.
    """

    platform: JobPlatform
    handle: JobHandle

    def __post_init__(self) -> None:
        """Prints nothing yet."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"log-{self.handle}")

    def start(self) -> None:
        """Begins to print."""
        if not self._thread.is_alive():
            self._thread.start()

    def finish(self) -> None:
        """Waits a moment for the last lines of a job that has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(LAST_LINES_SECONDS)

    def _follow(self) -> None:
        shown = failures = 0
        while True:
            is_last, before, trouble = self._ended.is_set(), shown, None
            try:
                lines = self.platform.logs(self.handle, follow=True)
                for number, line in enumerate(lines, start=1):
                    if number > shown:
                        show(line)
                        shown = number
            except self.platform.transient as error:
                logger.debug("The log of %s breaks off: %s", self.handle, error)
                trouble = error
            failures = 0 if shown > before else failures + 1
            # What broke off just before the job's end is read once more.
            if is_last or (self._ended.wait(backoff(failures, trouble)) and not trouble):
                return


def show(line: str) -> None:
    """Prints a line. That nobody reads it any more must not end a run."""
    with suppress(OSError, ValueError):
        print(line, flush=True)


def with_last_lines(platform: JobPlatform, handle: JobHandle, cause: str) -> str:
    """Adds the last lines of a job's log to the cause of its failure, if they can be had."""
    try:
        lines = deque((shorten(line) for line in platform.logs(handle)), LAST_LINES)
    except platform.transient as error:  # The cause is worth telling without.
        logger.debug("The log of %s cannot be read: %s", handle, error)
        return cause
    text = COLOURS.sub("", "\n".join(lines)).strip()
    return f"{cause}\nThe last lines of its log:\n{shorten(text)}" if text else cause
