# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What each job of a run is to do: ZenML's configuration as jobs for a platform."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zenml.config import ResourceSettings
from zenml.orchestrators.utils import get_step_entrypoint_command
from zenml.pipelines.dynamic.entrypoint_configuration import RUN_ID_OPTION

from .protocols import JobHandle, JobKey, JobSpec, Role
from .secret_env import split_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zenml.config.base_settings import BaseSettings
    from zenml.config.step_run_info import StepRunInfo
    from zenml.models import PipelineSnapshotResponse

    from .entrypoints import Entrypoints

# What the controller and the function are called in a job's key. No step has such a name.
CONTROLLER_STEP = "/controller"


@dataclass(frozen=True)
class JobSpecs:
    """Makes the jobs of one run.

    Attributes:
        snapshot: What is executed.
        run: The ID of the run in ZenML; None for a schedule.
        run_name: The run's name.
        entrypoints: How the processes of jobs are started.
        settings_for: Returns the settings of the pipeline (a snapshot) or of a step.
        image_for: Returns the image of a step, or that of the pipeline (None).
        grace_seconds: Returns how long a job with these settings may take to end.
        run_id: The variables that carry the run ID; none if it is not known yet.
        parent: The job of the run's controller, if it is one.
        directory: The working directory of all jobs.
        generation: Counts the jobs of the run's controller: a resumed run has several.
    """

    snapshot: PipelineSnapshotResponse
    run: str | None
    run_name: str
    entrypoints: Entrypoints
    settings_for: Callable[[Any], BaseSettings]
    image_for: Callable[[str | None], str | None]
    grace_seconds: Callable[[BaseSettings], float]
    run_id: Mapping[str, str] = field(default_factory=dict)
    parent: JobHandle | None = None
    directory: str | None = None
    generation: int = 1

    def step(self, name: str, attempt: int, environment: Mapping[str, str]) -> JobSpec:
        """Makes the job of one attempt of a step of a static pipeline.

        Args:
            name: The step's name.
            attempt: Which attempt it is, from 1.
            environment: The environment, as ZenML wants it.
        """
        step = self.snapshot.step_configurations[name]
        # Without the ID in its environment, a step has to know which run it is to give it to.
        claimed = {} if self.run_id else {RUN_ID_OPTION: self.run}
        arguments = self.entrypoints.step.get_entrypoint_arguments(
            step_name=name, snapshot_id=self.snapshot.id, **claimed
        )
        return self._complete(
            JobSpec(
                key=self._key(name, attempt),
                role=Role.STEP,
                name=name,
                image=self.image_for(name),
                command=(*self.entrypoints.command, *arguments),
                environment=environment,
                resources=step.config.resource_settings,
                settings=self.settings_for(step),
                labels={"step_name": name},
            )
        )

    def isolated_step(
        self, info: StepRunInfo, image: str | None, environment: Mapping[str, str]
    ) -> JobSpec:
        """Makes the job of a step of a dynamic pipeline, in the process that submits it."""
        command, arguments = get_step_entrypoint_command(
            invocation_id=info.pipeline_step_name,
            config=info.config,
            entrypoint_config_class=self.entrypoints.isolated_step,
            snapshot_id=info.snapshot.id,
            step_run_id=str(info.step_run_id),
        )
        if arguments:  # Without, it is a command that the user has given.
            command = [*self.entrypoints.command, *arguments]
        labels = {"step_name": info.pipeline_step_name, "step_run_id": str(info.step_run_id)}
        return self._complete(
            JobSpec(
                key=self._key(labels["step_run_id"], 1),
                role=Role.STEP,
                name=info.pipeline_step_name,
                image=image,
                command=tuple(command),
                environment=environment,
                resources=info.config.resource_settings,
                settings=self.settings_for(info),
                labels=labels,
            )
        )

    def function(self, environment: Mapping[str, str]) -> JobSpec:
        """Makes the job of a dynamic pipeline's function, with the environment that ZenML wants."""
        arguments = self.entrypoints.function.get_entrypoint_arguments(
            snapshot_id=self.snapshot.id, run_id=self.run
        )
        return self.own_job(
            Role.FUNCTION,
            (*self.entrypoints.command, *arguments),
            environment,
            self.snapshot.pipeline_configuration.resource_settings,
        )

    def controller(self, environment: Mapping[str, str]) -> JobSpec:
        """Makes the job of a static pipeline's controller, with the environment it needs."""
        arguments = self.entrypoints.controller.get_entrypoint_arguments(
            snapshot_id=self.snapshot.id, run_id=self.run
        )
        command = (*self.entrypoints.command, *arguments)
        return self.own_job(Role.CONTROLLER, command, environment, ResourceSettings())

    def own_job(
        self,
        role: Role,
        command: Sequence[str],
        environment: Mapping[str, str],
        resources: ResourceSettings,
    ) -> JobSpec:
        """Makes the job of a run's controller or function, or of what takes its place."""
        return self._complete(
            JobSpec(
                key=self._key(CONTROLLER_STEP, self.generation),
                role=role,
                name=self.snapshot.pipeline_configuration.name,
                image=self.image_for(None),
                command=tuple(command),
                environment=environment,
                resources=resources,
                settings=self.settings_for(self.snapshot),
            )
        )

    def _key(self, step: str, attempt: int) -> JobKey:
        return JobKey(self.run or str(self.snapshot.id), step, attempt)

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
