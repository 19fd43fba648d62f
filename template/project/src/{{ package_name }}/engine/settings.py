# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the engine reads of a project's settings and config."""

from __future__ import annotations

from pydantic import ConfigDict, PositiveInt
from zenml.config.base_settings import BaseSettings
from zenml.orchestrators import BaseOrchestratorConfig


class JobSettings(BaseSettings):
    """The settings that every orchestrator on the engine has, read from the pipeline."""

    # A text below a field describes it, also in what ZenML shows of it.
    model_config = ConfigDict(use_attribute_docstrings=True)

    synchronous: bool = True
    """Whether `pipeline()` returns when the run has finished. If not, it returns as soon as the run
    was submitted.
    """

    max_parallelism: PositiveInt | None = None
    """How many steps of the run may be in progress at the same time."""


class JobConfig(BaseOrchestratorConfig):
    """What ZenML asks every config on the engine."""

    @property
    def handles_step_retries(self) -> bool:
        """A retry is a new job, so that a step that was killed is retried too."""
        return True
