# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Which steps may start now: the DAG, and nothing else."""

from __future__ import annotations

from graphlib import TopologicalSorter
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Dag:
    """The steps of one run and how far they have come."""

    def __init__(self, upstream: Mapping[str, Collection[str]]) -> None:
        """Starts with no step done.

        Args:
            upstream: For each step, the steps it waits for.

        Raises:
            graphlib.CycleError: If the steps wait for each other.
        """
        self._sorter = TopologicalSorter(upstream)
        self._sorter.prepare()
        self._ready: dict[str, None] = {}
        self._not_started = set(upstream)
        self.halted = False  # whether no further step may start

    @property
    def unstarted(self) -> Collection[str]:
        """The steps whose upstream steps have succeeded and that were not submitted."""
        self._ready |= dict.fromkeys(self._sorter.get_ready())
        return self._ready

    def ready(self, limit: int | None = None) -> list[str]:
        """Lists the unstarted steps, at most `limit`; none once it is halted."""
        return [] if self.halted else list(islice(self.unstarted, limit))

    def started(self, step: str) -> None:
        """Notes that a ready step was submitted."""
        del self._ready[step]
        self._not_started.discard(step)

    def succeeded(self, step: str) -> None:
        """Notes that a step is done, which may make others ready."""
        self._sorter.done(step)

    @property
    def skipped(self) -> list[str]:
        """Once nothing is in progress: the steps that did not run."""
        return sorted(self._not_started)
