# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""One setting for all time limits of the tests.

`TEST_TIMEOUT_FACTOR` is an environment variable: by how much every limit is multiplied. On a busy
or slow machine, set it to 3. The default is 1.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "TEST_TIMEOUT_FACTOR"


def scaled(seconds: float) -> float:
    """Returns a time limit, in seconds, as this machine needs it.

    Args:
        seconds: The limit on a quiet machine with two cores.

    Raises:
        ValueError: If `TEST_TIMEOUT_FACTOR` is not a positive number.
    """
    factor = float(os.environ.get(VARIABLE) or 1)
    if factor <= 0:
        raise ValueError(f"{VARIABLE} must be a positive number, and is {factor}.")
    return seconds * factor


# How long to sleep at most between two looks at a busy server, in seconds.
LONGEST_PAUSE = 0.5


def wait_until(
    condition: Callable[[], object], seconds: float, *, what: str, pause: float = 0.02
) -> None:
    """Waits until a condition holds.

    Args:
        condition: Is called again and again, until what it returns is true; less often if that
            takes long, as it asks a server.
        seconds: How long to wait at most; it is scaled.
        what: What is waited for, for the error.
        pause: How long to sleep between two calls, in seconds.

    Raises:
        TimeoutError: If the condition does not come to hold in time.
    """
    limit = scaled(seconds)
    deadline = time.monotonic() + limit
    while True:
        asked = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"{what}: not within {limit:g} seconds.")
        time.sleep(max(pause, min(2 * (now - asked), LONGEST_PAUSE)))
