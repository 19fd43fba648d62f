# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The orchestrator of a pipeline service, which walks the DAG of a static pipeline itself.

An execution there is the run's own job, as the controller's job is on other platforms. So all that
an orchestrator does with that job, it does with the execution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from zenml.metadata.metadata_types import MetadataType, Uri

from .. import run_store
from ..orchestrator import ContainerJobOrchestrator
from ..run_store import is_dynamic
from .protocols import PipelineSpec
from .supervisor import supervised_arguments

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.models import PipelineRunResponse

    from ..job_specs import JobSpecs
    from ..protocols import JobHandle, JobSpec, JobStatus
    from .protocols import PipelineService


class ServiceOrchestrator(ContainerJobOrchestrator):
    """An orchestrator of a service that runs the DAG. What a project sets comes first.

    Attributes:
        container: The module that each container runs, which calls `supervisor.supervise`.
    """

    container: ClassVar[str]

    def connect(self) -> PipelineService:
        """Makes the service. It is asked once in a process; no request has to be made yet."""
        raise NotImplementedError

    @property
    def service(self) -> PipelineService:
        """Where pipelines and jobs run."""
        return cast("PipelineService", self.platform)

    def get_pipeline_run_metadata(self, run_id: UUID) -> dict[str, MetadataType]:
        """Returns what a person needs to find a run that a schedule has started."""
        known = super().get_pipeline_run_metadata(run_id)
        if own := self.service.current_job():
            known |= {self.controller_metadata: own, **self._links(own)}
        return known

    def stop_others(self, run: PipelineRunResponse) -> None:
        """Stops, in a job of a run that has failed, what nobody else would stop, or not at once.

        These are the other steps of an execution, or what a dynamic pipeline's function has left.
        """
        own = self.service.current_job()
        if is_dynamic(run):
            self._stop_jobs(run, spared=own)
        elif own is not None:
            self._ask(lambda: self.service.stop(own))

    def _entrypoint(self) -> tuple[str, ...]:
        """Returns how each container begins: with the supervisor, as its first process."""
        return ("python", "-m", self.container)

    def _jobs(self, specs: JobSpecs) -> list[JobSpec]:
        """Makes the one job of a static pipeline, or those of a dynamic one."""
        return super()._jobs(specs) if specs.snapshot.is_dynamic else [pipeline_spec(specs)]

    def _publish(self, run: PipelineRunResponse, place: dict[str, MetadataType]) -> None:
        """Lets a run be found again, by its handle and by a person."""
        handle = str(place[self.controller_metadata])
        super()._publish(run, {**place, **self._links(handle)})

    def _links(self, handle: JobHandle) -> dict[str, MetadataType]:
        return {name: Uri(url) for name, url in self.service.links(handle).items()}

    def _stop_run(self, run: PipelineRunResponse, graceful: bool = False) -> None:
        """Stops a run, and cleans up if that has ended it."""
        super()._stop_run(run, graceful)
        if not graceful and (own := self._own_job(run)):
            self._ask(lambda: self.service.clean_up(own))

    def _stop_leftovers(self, run: PipelineRunResponse, end: JobStatus) -> None:
        """Stops what a run's own job has left, and cleans up: somebody sees that it has ended."""
        super()._stop_leftovers(run, end)
        if own := self._own_job(run):
            self._ask(lambda: self.service.clean_up(own))

    def _own_job(self, run: PipelineRunResponse) -> JobHandle | None:
        """Returns a run's execution, or the job of its function; None if it is not known."""
        # It may have been read before that was noted.
        now = run if self.controller_metadata in run.run_metadata else run_store.get_run(run.id)
        return super()._own_job(now)

    def _jobs_of_steps(self, run: PipelineRunResponse) -> dict[str, JobStatus]:
        """Tells how the steps are, as far as the service knows it."""
        own = self._own_job(run)
        if is_dynamic(run) or own is None:
            return super()._jobs_of_steps(run)
        return dict(self._ask(lambda: self.service.describe_steps(own)))


def pipeline_spec(specs: JobSpecs) -> PipelineSpec:
    """Makes the one job of a static pipeline."""
    mode = specs.snapshot.pipeline_configuration.execution_mode
    configured = specs.snapshot.step_configurations
    steps = []
    for name, step in configured.items():
        job = specs.step(name, 1)
        more = supervised_arguments(step.config.retry, mode)
        steps.append(replace(job, command=(*job.command, *more)))
    own = replace(specs.own_job(), command=())
    upstream = {name: step.spec.upstream_steps for name, step in configured.items()}
    return PipelineSpec(**vars(own), steps=steps, upstream=upstream, mode=mode)
