# YOURS: work in a process of its own
"""Work in a process of its own, which leaves no thread behind in this one.

A process that has threads must not be forked: the fork has none of them, and waits for ever for a
lock that one of them held.
This module is imported at the start of each job, and so imports little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    Found = dict[str, str]


def apart(work: Callable[[], Found]) -> Found:
    """Does something in a fork of this process, and waits for what comes of it.

    Args:
        work: What to do.

    Returns:
        What it returns.

    Raises:
        RuntimeError: If it fails, with what its error says.
    """
    import multiprocessing  # Most jobs do nothing apart.

    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe(duplex=False)
    process = forking.Process(target=send, args=(there, work))
    process.start()
    there.close()
    try:
        found, problem = here.recv()
    except EOFError:
        found, problem = None, "its process has ended without a word"
    process.join()
    if problem is not None:
        raise RuntimeError(problem)
    return cast("Found", found)


def send(answers: Connection, work: Callable[[], Found]) -> None:
    """Does something, and sends what comes of it, or what went wrong."""
    try:
        answers.send((work(), None))
    except Exception as error:
        answers.send((None, str(error)))
