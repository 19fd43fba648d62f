"""What submissions take, of our orchestrator for a platform and of ZenML's own for the same.

Processes that do nothing else submit, of one stack each: their CPU seconds are those of the
submissions. The platform is an emulator, which counts their requests. Jobs never start.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

STACKS = ("ours", "zenml")


class Platform(Protocol):
    """An emulator, as it is used here."""

    def requests(self) -> int:
        """Returns how many requests there were so far."""

    def forget(self) -> int:
        """Forgets the one pipeline that was submitted, and returns how many steps it has."""


@contextmanager
def submitter(program: Path, stack: str, arguments: Sequence[str]) -> Iterator[Connection]:
    """Starts a process that submits what it is asked for, and lets it end.

    Args:
        program: The program, which calls `submitting.serve`.
        stack: The stack that it uses.
        arguments: What else it has to know.
    """
    here, there = Pipe()
    command = [sys.executable, str(program), stack, str(there.fileno()), *arguments]
    with subprocess.Popen(command, pass_fds=[there.fileno()]), here:
        there.close()
        yield here


def measure(
    platform: Platform,
    program: Path,
    arguments: Sequence[str],
    rounds: int,
    submissions: Mapping[str, int],
) -> dict[str, Any]:
    """Measures the stacks in turns. One more round comes first and does not count.

    Args:
        platform: The emulator.
        program: The program that submits.
        arguments: What it has to know beside the stack.
        rounds: How many processes to start for each stack.
        submissions: What each process submits: what to call it here, and the number of steps. The
            first one is of a pipeline that is new to the platform.

    Returns:
        For each of the submissions its CPU `seconds` and its `requests`, by stack; and the CPU
        seconds that a `process` has taken when it has submitted the first one, from its start.

    Raises:
        EOFError: If a process has failed. It has printed why.
    """
    found: dict[str, Any] = {
        what: {name: {stack: [] for stack in STACKS} for name in submissions}
        for what in ("seconds", "requests")
    }
    found["process"] = {stack: [] for stack in STACKS}
    for number in range(rounds + 1):
        for stack in STACKS:
            with submitter(program, stack, arguments) as process:
                for position, (name, steps) in enumerate(submissions.items()):
                    began = platform.requests()
                    process.send((f"chain{steps}" if position else f"first{number}", steps))
                    seconds, whole = process.recv()
                    requests = platform.requests() - began
                    assert platform.forget() == steps
                    if number == 0:
                        continue
                    found["seconds"][name][stack].append(seconds)
                    found["requests"][name][stack].append(requests)
                    if position == 0:
                        found["process"][stack].append(whole)
    return found
