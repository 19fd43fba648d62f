# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Which steps may start now: the DAG and the execution mode, and nothing else."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import islice
from typing import TYPE_CHECKING

from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Dag:
    """The steps of one run and how far they have come."""

    def __init__(self, upstream: Mapping[str, Collection[str]], mode: ExecutionMode) -> None:
        """Starts with no step done.

        Args:
            upstream: For each step, the steps it waits for.
            mode: What a failed step means for the others.

        Raises:
            graphlib.CycleError: If the steps wait for each other.
        """
        self._sorter = TopologicalSorter(upstream)
        self._sorter.prepare()
        self._mode = mode
        self._ready: dict[str, None] = {}
        self._not_done = set(upstream)
        self.halted = False

    @property
    def has_ready(self) -> bool:
        """Whether a step may start."""
        self._ready |= dict.fromkeys(self._sorter.get_ready())
        return bool(self._ready) and not self.halted

    def ready(self, limit: int | None = None) -> list[str]:
        """Lists steps whose upstream steps have succeeded and that may start, at most `limit`."""
        return list(islice(self._ready, limit)) if self.has_ready else []

    def started(self, step: str) -> None:
        """Notes that a ready step was submitted."""
        del self._ready[step]

    def succeeded(self, step: str) -> None:
        """Notes that a step is done, which may make others ready."""
        self._not_done.discard(step)
        self._sorter.done(step)

    def failed(self, step: str) -> None:
        """Notes that a step failed: the steps below it never become ready."""
        self._not_done.discard(step)
        if self._mode is not ExecutionMode.CONTINUE_ON_FAILURE:
            self.halt()

    def halt(self) -> None:
        """Lets no further step start."""
        self.halted = True

    @property
    def unstarted(self) -> set[str]:
        """The steps whose upstream steps have succeeded and that were not submitted."""
        self._ready |= dict.fromkeys(self._sorter.get_ready())
        return set(self._ready)

    @property
    def skipped(self) -> list[str]:
        """Once nothing is in progress: the steps that did not run."""
        return sorted(self._not_done)
