# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The run ID: what a strategy in `run_id.py` has to answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zenml.models import PipelineRunResponse

    from .protocols import JobHandle, JobPlatform

# The longest run ID that ZenML can store: `PipelineRunRequest` has max_length=255.
MAX_LENGTH = 255


class RunIdStrategy:
    """Where the ID of a run comes from, and how a process of the run knows it.

    A run that is resumed keeps its ID: the engine sees to that, and asks for no new one.

    Attributes:
        variable: The environment variable that carries the ID. The engine sets it in every job
            that is submitted once the ID is known.
    """

    variable: str

    def new(self, run: PipelineRunResponse | None) -> str | None:
        """Makes the ID of an execution that is about to be submitted.

        Args:
            run: The run that ZenML has created for it; None for a schedule.

        Returns:
            The ID; None if the platform makes it, together with the job of the controller. It must
            never come from this process's environment: a run that is submitted from inside a step
            of another run is a run of its own.
        """
        raise NotImplementedError

    def of_job(self, platform: JobPlatform, handle: JobHandle) -> str | None:
        """Returns the ID that came with the run's own job, if `new` returned None.

        None if the processes of the run alone know it. Then ZenML cannot stop the run before the
        first of them has begun.
        """
        raise NotImplementedError

    def read(self, connect: Callable[[], JobPlatform]) -> str:
        """Reads the ID in a process of the run.

        Args:
            connect: Returns the platform, for a strategy that has to ask it.

        Raises:
            RuntimeError: If this process has none. An ID that is made up here would be another one
                in each step, and tear the run apart.
        """
        run_id = os.environ.get(self.variable)
        if not run_id:
            raise RuntimeError(
                f"The environment variable {self.variable} is missing or empty, so this process "
                "belongs to no run. It is set in every job that the orchestrator submits."
            )
        return run_id


def check_length(run_id: str) -> None:
    """Refuses a run ID that ZenML cannot store.

    Raises:
        ValueError: If it is empty or too long.
    """
    if not 1 <= len(run_id) <= MAX_LENGTH:
        raise ValueError(
            f"A run ID has 1 to {MAX_LENGTH} characters, this one has {len(run_id)}: '{run_id}'. "
            "It comes from the strategy in `run_id.py`."
        )
