# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What each job of a run is to do: ZenML's configuration as jobs for a platform."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zenml.config import ResourceSettings
from zenml.pipelines.dynamic.entrypoint_configuration import RUN_ID_OPTION
from zenml.utils import source_utils

from .entrypoints import (
    SOURCE_ROOT_OPTION,
    ControllerEntrypoint,
    FunctionEntrypoint,
    IsolatedStepEntrypoint,
    StepEntrypoint,
)
from .protocols import JobHandle, JobKey, JobSpec, Role
from .secret_env import split_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zenml.config.base_settings import BaseSettings
    from zenml.config.step_run_info import StepRunInfo
    from zenml.models import PipelineSnapshotResponse

# What the controller and the function are called in a job's key. No step has such a name.
CONTROLLER_STEP = "/controller"

# How ZenML's entrypoint is started on this machine or one like it, and as the first process of a
# container.
ON_HOST = (sys.executable, "-m", "zenml.entrypoints.entrypoint")
IN_CONTAINER = ("python", "-m", f"{__package__}.entrypoint")


@dataclass(frozen=True)
class JobSpecs:
    """Makes the jobs of one run.

    Attributes:
        snapshot: What is executed.
        run: The ID of the run in ZenML; None for a schedule.
        run_name: The run's name.
        entrypoint: How ZenML's entrypoint is started: a program, and its first arguments.
        settings_for: Returns the settings of the pipeline (a snapshot) or of a step.
        image_for: Returns the image of a step, or that of the pipeline (None).
        grace_seconds: Returns how long a job with these settings may take to end.
        environment: The environment of the run's own job, as ZenML wants it.
        environment_of: Returns that of a step.
        run_id: The variables that carry the run ID; none if it is not known yet.
        parent: The job of the run's controller, if it is one.
        directory: The working directory of all jobs, if they see the client's files.
        generation: Counts the jobs of the run's controller: a resumed run has several.
    """

    snapshot: PipelineSnapshotResponse
    run: str | None
    run_name: str
    entrypoint: tuple[str, ...]
    settings_for: Callable[[Any], BaseSettings]
    image_for: Callable[[str | None], str | None]
    grace_seconds: Callable[[BaseSettings], float]
    environment: Mapping[str, str] = field(repr=False)  # with ZenML's token
    environment_of: Callable[[str], Mapping[str, str]]
    run_id: Mapping[str, str] = field(default_factory=dict)
    parent: JobHandle | None = None
    directory: str | None = None
    generation: int = 1

    def job(self, name: str, attempt: int) -> JobSpec:
        """Makes what a controller submits: a step's job, or that of a dynamic pipeline itself."""
        return self.own_job() if self.snapshot.is_dynamic else self.step(name, attempt)

    def step(self, name: str, attempt: int) -> JobSpec:
        """Makes the job of one attempt of a step of a static pipeline.

        Args:
            name: The step's name.
            attempt: Which attempt it is, from 1.
        """
        step = self.snapshot.step_configurations[name]
        arguments = StepEntrypoint.get_entrypoint_arguments(
            step_name=name, snapshot_id=self.snapshot.id
        )
        if self.run and not self.run_id:
            # Without the ID in its environment, it has to know which run it is to give it to.
            arguments += [f"--{RUN_ID_OPTION}", self.run]
        job = JobSpec(
            key=self._key(name, attempt),
            role=Role.STEP,
            name=name,
            image=self.image_for(name),
            command=self._command(arguments),
            environment=self.environment_of(name),
            resources=step.config.resource_settings,
            settings=self.settings_for(step),
            labels={"step_name": name},
        )
        return self._complete(job)

    def isolated_step(self, info: StepRunInfo, image: str | None) -> JobSpec:
        """Makes the job of a step of a dynamic pipeline, in the process that submits it.

        Args:
            info: The step. If the user has given it a command, the job runs that.
            image: What the job runs in.
        """
        name, step_run = info.pipeline_step_name, str(info.step_run_id)
        arguments = IsolatedStepEntrypoint.get_entrypoint_arguments(
            step_name=name, snapshot_id=self.snapshot.id, step_run_id=step_run
        )
        job = JobSpec(
            key=self._key(step_run, 1),
            role=Role.STEP,
            name=name,
            image=image,
            command=tuple(info.config.command or self._command(arguments)),
            environment=self.environment_of(name),
            resources=info.config.resource_settings,
            settings=self.settings_for(info),
            labels={"step_name": name, "step_run_id": step_run},
        )
        return self._complete(job)

    def own_job(self) -> JobSpec:
        """Makes the job of a static pipeline's controller, or of a dynamic pipeline's function."""
        pipeline = self.snapshot.pipeline_configuration
        is_dynamic = self.snapshot.is_dynamic
        entrypoint = FunctionEntrypoint if is_dynamic else ControllerEntrypoint
        arguments = entrypoint.get_entrypoint_arguments(
            snapshot_id=self.snapshot.id, run_id=self.run
        )
        job = JobSpec(
            key=self._key(CONTROLLER_STEP, self.generation),
            role=Role.FUNCTION if is_dynamic else Role.CONTROLLER,
            name=pipeline.name,
            image=self.image_for(None),
            command=self._command(arguments),
            environment=self.environment,
            resources=pipeline.resource_settings if is_dynamic else ResourceSettings(),
            settings=self.settings_for(self.snapshot),
        )
        return self._complete(job)

    def _key(self, step: str, attempt: int) -> JobKey:
        return JobKey(self.run or str(self.snapshot.id), step, attempt)

    def _command(self, arguments: Sequence[str]) -> tuple[str, ...]:
        shared = (
            (f"--{SOURCE_ROOT_OPTION}", source_utils.get_source_root()) if self.directory else ()
        )
        return (*self.entrypoint, *arguments, *shared)

    def _complete(self, job: JobSpec) -> JobSpec:
        """Adds what all jobs of the run have, and takes the secrets out of the environment."""
        public, secrets = split_secrets(job.environment)
        labels = {
            "project_id": str(self.snapshot.project_id),
            "pipeline": self.snapshot.pipeline_configuration.name,
        }
        if self.run is not None:
            labels |= {"run_id": self.run, "run_name": self.run_name}
        return replace(
            job,
            environment={**public, **self.run_id},
            secrets=secrets,
            labels={**labels, **job.labels},
            directory=self.directory,
            grace_seconds=self.grace_seconds(job.settings),
            parent=self.parent,
        )
