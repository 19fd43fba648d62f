# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""How a process is known to others on its machine: a number alone may be given again."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zenml.metadata.metadata_types import MetadataType


def own_process() -> dict[str, MetadataType]:
    """Returns the metadata by which others find the controller of a run: this process."""
    me = psutil.Process()
    return {
        "host": socket.gethostname(),
        "controller_pid": me.pid,
        "controller_started": me.create_time(),
    }


def process_is_alive(metadata: Mapping[str, Any]) -> bool | None:
    """Looks for the process that `own_process` described; None if it is not on this machine."""
    if metadata.get("host") != socket.gethostname():
        return None
    return is_alive(int(metadata["controller_pid"]), float(metadata["controller_started"]))


def is_alive(pid: int, started: float) -> bool:
    """Tells whether a process still runs, and is not another one with its number.

    Args:
        pid: The process ID.
        started: When it was created, in seconds since the epoch, as psutil tells it.
    """
    try:
        process = psutil.Process(pid)
        # Clocks are read in ticks of 10 ms, and a zombie has ended.
        same = abs(process.create_time() - started) < 1.0
        return bool(same and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
