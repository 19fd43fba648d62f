# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What runs in a job's process: ZenML's own entrypoints, and what we add to them."""

from __future__ import annotations

import sys
from math import inf
from typing import ClassVar

from zenml.config.source import Source
from zenml.entrypoints.base_entrypoint_configuration import BaseEntrypointConfiguration
from zenml.entrypoints.step_entrypoint_configuration import StepEntrypointConfiguration
from zenml.pipelines.dynamic.entrypoint_configuration import (
    RUN_ID_OPTION,
    DynamicPipelineEntrypointConfiguration,
)
from zenml.step_operators.step_operator_entrypoint_configuration import (
    StepOperatorEntrypointConfiguration,
)
from zenml.utils import source_utils

from .exit_codes import RUN_FAILED
from .patience import wait_for_zenml
from .run_store import ZENML_OUTAGE_SECONDS, active_orchestrator, is_unexplained

SOURCE_ROOT_OPTION = "source_root"


class EngineEntrypoint(BaseEntrypointConfiguration):
    """An entrypoint of the engine, which an installed package has.

    In a container ZenML changes to `/app` and downloads the user's code. Where jobs see the
    client's files, the code is where it was when the run was submitted: below the source root, as
    the command says. The user's working directory is the right one then.

    Attributes:
        first_answer_seconds: How long ZenML may be away at first, in seconds. After its first
            answer it is waited for without a limit. Steps have none at all: whoever has submitted
            them had an answer just before.
    """

    first_answer_seconds: ClassVar[float] = inf

    def __init__(self, arguments: list[str]) -> None:
        """Lets this process wait for ZenML from now on, and find the client's modules."""
        wait_for_zenml(self.first_answer_seconds)
        super().__init__(arguments)
        if root := self.entrypoint_args[SOURCE_ROOT_OPTION]:
            source_utils.set_custom_source_root(root)
            if root not in sys.path:
                sys.path.insert(0, root)

    def __init_subclass__(cls) -> None:
        """Tells ZenML to name the class in commands as it is imported.

        ZenML would name it from the source root, which may be a folder above the package. And of an
        installed package it would look through the metadata of all others, for each command.
        """
        super().__init_subclass__()
        source = Source.from_import_path(f"{cls.__module__}.{cls.__name__}")
        setattr(cls, source_utils.ZENML_SOURCE_ATTRIBUTE_NAME, source)

    @classmethod
    def get_entrypoint_options(cls) -> dict[str, bool]:
        """Adds what our commands may say beside ZenML's own options."""
        return super().get_entrypoint_options() | {SOURCE_ROOT_OPTION: False, RUN_ID_OPTION: False}

    def prepare_code_environment(self) -> None:
        """Fetches the user's code, if it is not here already."""
        if not self.entrypoint_args[SOURCE_ROOT_OPTION]:
            super().prepare_code_environment()


class StepEntrypoint(EngineEntrypoint, StepEntrypointConfiguration):
    """Runs a step of a static pipeline.

    If the platform alone knows the run ID, the step claims its run first. ZenML would take any run
    of the snapshot that has no ID yet, also that of another execution.
    """

    def run(self) -> None:
        """Claims the run, if that is left to the step, and runs the step."""
        if run := self.entrypoint_args[RUN_ID_OPTION]:
            active_orchestrator().claim_from_job(self.snapshot, run)
        super().run()


class IsolatedStepEntrypoint(EngineEntrypoint, StepOperatorEntrypointConfiguration):
    """Runs a step of a dynamic pipeline in a job of its own."""


class FunctionEntrypoint(EngineEntrypoint, DynamicPipelineEntrypointConfiguration):
    """Runs a dynamic pipeline: its function, and the steps that need no job. It claims its run.

    ZenML does not publish metadata for dynamic runs, and a scheduled run exists only from here on:
    without this, the run's job could not be found again, nor stopped.
    """

    first_answer_seconds = ZENML_OUTAGE_SECONDS

    def run(self) -> None:
        """Claims the run, and runs the pipeline."""
        orchestrator, submitted = active_orchestrator(), self.entrypoint_args[RUN_ID_OPTION]
        if orchestrator.controller == "job":  # A client that is the controller has claimed it.
            run = orchestrator.claim_from_job(self.snapshot, submitted)
            self.entrypoint_args[RUN_ID_OPTION] = str(run.id)
        super().run()


class ControllerEntrypoint(EngineEntrypoint, DynamicPipelineEntrypointConfiguration):
    """Runs the controller of a static pipeline, which needs nothing of the user's code."""

    first_answer_seconds = ZENML_OUTAGE_SECONDS

    def run(self) -> None:
        """Takes the run to its end. The exit code says if it has failed."""
        orchestrator = active_orchestrator()
        run = orchestrator.claim_from_job(self.snapshot, self.entrypoint_args[RUN_ID_OPTION])
        if run.status.is_finished and not is_unexplained(run):
            # This job was lost between the run's end and its own.
            succeeded = not run.status.is_failed
        else:
            succeeded = orchestrator.controller_of(self.snapshot, run).run()
        if not succeeded:
            sys.exit(RUN_FAILED)
