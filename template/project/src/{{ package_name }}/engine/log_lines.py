# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The lines of a log that a platform gives in pieces, from an offset on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How long to wait before the platform is asked for more, in seconds.
PAUSE_SECONDS = 1.0


def read_lines(read: Callable[[int], bytes], is_over: Callable[[], bool]) -> Iterator[str]:
    """Reads a log line by line, for `JobPlatform.logs`.

    Args:
        read: Returns what there is from an offset on, in bytes, or the first piece of it; nothing
            if there is no more.
        is_over: Tells whether nothing more will be written. To read what is there so far, let it
            always be true.

    Returns:
        The lines, without line ends. The last one may be one that has no end yet.
    """
    offset, rest = 0, b""
    while True:
        over = is_over()  # Asked first: what is written before the end is read then.
        while data := read(offset):
            offset += len(data)
            *lines, rest = (rest + data).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if over:
            break
        time.sleep(PAUSE_SECONDS)
    if rest:
        yield rest.decode(errors="replace")
