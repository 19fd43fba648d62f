# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Signs of life, where no process can be looked at: a process rewrites a mark again and again.

As a program it does so until it is ended. Its argument is the mark, as `StoredPath` writes it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

# The kit's modules are not to be found under their bare names.
if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from typing import TYPE_CHECKING

from zenml.client import Client

from kit.stored_path import mark_path

if TYPE_CHECKING:
    from kit.stored_path import StoredPath

# How often, in seconds, and for how long at most.
EVERY_SECONDS = 1.0
AT_MOST_SECONDS = 1800.0


def beat(mark: Path | StoredPath) -> None:
    """Rewrites a mark until this process is ended."""
    deadline = time.monotonic() + AT_MOST_SECONDS
    while time.monotonic() < deadline:
        mark.write_text(str(time.time_ns()))
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    Client().active_stack.artifact_store  # noqa: B018 - it makes its paths known
    beat(mark_path(sys.argv[1]))
