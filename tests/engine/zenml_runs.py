"""Runs in a real ZenML that no job belongs to: a test says how they are, and how their jobs are.

They need neither processes nor a platform, so what the engine tells ZenML can be seen in a second.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast
from unittest import mock
from uuid import uuid4

from engine.orchestrator import JobOrchestrator
from engine.protocols import JobKey, JobRefused, JobStatus, Phase
from engine.run_ids import RunIdStrategy
from engine.settings import JobConfig, JobSettings
from zenml import pipeline, step
from zenml.client import Client
from zenml.config.compiler import Compiler
from zenml.enums import ExecutionStatus, StackComponentType
from zenml.models import PipelineRunUpdate, StepRunRequest, StepRunUpdate
from zenml.orchestrators.publish_utils import publish_pipeline_run_metadata
from zenml.pipelines.run_utils import create_placeholder_run
from zenml.utils.time_utils import utc_now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Literal
    from uuid import UUID

    from engine.protocols import JobHandle, JobPlatform, JobSpec
    from zenml.models import (
        ExceptionInfo,
        PipelineRunResponse,
        PipelineSnapshotResponse,
        StepRunResponse,
    )


@step
def first() -> int:
    return 1


@step
def last(number: int) -> int:
    return number


@pipeline(enable_cache=False)
def static() -> None:
    last(first())


@pipeline(enable_cache=False, dynamic=True)
def dynamic() -> None:
    last(first())


PIPELINES = {"static": static, "dynamic": dynamic}

RUNNING = JobStatus(Phase.RUNNING)
ENDED = JobStatus(Phase.FAILED, "the machine is gone")


class NotedJobs:
    """A platform (`JobPlatform`) whose jobs are as the test says."""

    transient: tuple[type[Exception], ...] = ()
    unknown_seconds = 0.0
    poll_seconds = 1.0

    def __init__(self) -> None:
        """Has no jobs yet."""
        self.jobs: dict[JobHandle, JobStatus] = {}
        self.keys: dict[JobKey, JobHandle] = {}
        self.stopped: list[JobHandle] = []
        self.lines: list[str] = []
        self.deleted_schedules: list[str] = []
        self.refusal: Exception | None = None
        self.unstoppable: set[JobHandle] = set()

    def add(self, key: JobKey, status: JobStatus) -> JobHandle:
        """Adds a job."""
        handle = self.keys[key] = f"job-{len(self.keys)}"
        self.jobs[handle] = status
        return handle

    def validate(self, job: JobSpec) -> None: ...

    def submit(self, job: JobSpec) -> JobHandle:
        if self.refusal is not None:
            raise self.refusal
        return self.add(job.key, RUNNING)

    def current_job(self) -> JobHandle | None:
        return None

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        return {handle: self.jobs[handle] for handle in handles if handle in self.jobs}

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        return {key: handle for key, handle in self.keys.items() if key.run == run}

    def stop(self, handle: JobHandle) -> None:
        if handle in self.unstoppable:
            raise JobRefused(f"you may not stop {handle}")
        self.stopped.append(handle)

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        return iter(self.lines)

    # Schedules

    def create_schedule(self, schedule: Any, job: Any) -> str:
        return "schedule"

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None: ...

    def delete_schedule(self, handle: str) -> None:
        self.deleted_schedules.append(handle)


class Injected(RunIdStrategy):
    """A strategy with nothing but a variable."""

    variable = "WHICH_RUN"


class InJob(JobOrchestrator):
    """An orchestrator whose controller is a job."""

    settings_type = JobSettings
    run_id = Injected()
    distribution = "zenml"
    controller: Literal["client", "job"] = "job"  # type: ignore[misc]
    jobs: NotedJobs

    @property
    def platform(self) -> JobPlatform:
        """The jobs that the test knows."""
        return cast("JobPlatform", self.jobs)


class InClient(InJob):
    """An orchestrator whose controller is in the client."""

    controller = "client"


def orchestrator_id() -> UUID:
    """Returns the ID of ZenML's own orchestrator, by which ZenML knows ours."""
    return Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0].id


def orchestrator(cls: type[InJob]) -> InJob:
    """Makes an orchestrator, without jobs."""
    made = cls(
        name="test",
        id=orchestrator_id(),
        config=JobConfig(),
        flavor="test",
        type=StackComponentType.ORCHESTRATOR,
        user=None,
        created=utc_now(),
        updated=utc_now(),
    )
    made.jobs = NotedJobs()
    return made


def new_snapshot(kind: str) -> PipelineSnapshotResponse:
    """Compiles a pipeline, with heartbeats as on any orchestrator but ZenML's `local`."""
    with mock.patch.object(Compiler, "_get_heartbeat_flag", return_value=True):
        return PIPELINES[kind].create_snapshot(str(uuid4()))


# What was compiled before.
snapshot_of = cache(new_snapshot)


def new_run(
    kind: str,
    status: ExecutionStatus = ExecutionStatus.RUNNING,
    *,
    metadata: Mapping[str, Any] | None = None,
    parent: PipelineRunResponse | None = None,
) -> PipelineRunResponse:
    """Creates a run.

    Args:
        kind: `static` or `dynamic`.
        status: Its status. Of a static run, ZenML makes it of its steps' statuses later.
        metadata: Its metadata.
        parent: The run whose child it is.
    """
    run = create_placeholder_run(
        # A child has its parent's run ID, which is unique for a snapshot.
        snapshot=new_snapshot(kind) if parent else snapshot_of(kind),
        orchestrator_run_id=str(uuid4()) if parent is None else parent.orchestrator_run_id,
        parent_run_id=parent and parent.id,
        child_key=parent and str(uuid4()),
    )
    if metadata:
        publish_pipeline_run_metadata(run.id, {orchestrator_id(): dict(metadata)})
    return set_status(run, status)


def set_status(run: PipelineRunResponse, status: ExecutionStatus) -> PipelineRunResponse:
    """Changes the status of a run."""
    if status is not ExecutionStatus.INITIALIZING:
        Client().zen_store.update_run(run.id, PipelineRunUpdate(status=status))
    return now(run)


def now(run: PipelineRunResponse) -> PipelineRunResponse:
    """Reads a run again."""
    return Client().get_pipeline_run(run.id)


def new_step(
    run: PipelineRunResponse,
    status: ExecutionStatus = ExecutionStatus.RUNNING,
    exception: ExceptionInfo | None = None,
    name: str = "first",
) -> StepRunResponse:
    """Creates a step run.

    Args:
        run: Its run.
        status: Its status.
        exception: What it has failed with.
        name: The step.
    """
    config = snapshot_of("static").step_configurations["first"]
    assert run.snapshot is not None
    request = StepRunRequest(
        name=name,
        pipeline_run_id=run.id,
        status=ExecutionStatus.RUNNING,
        start_time=utc_now(),
        project=run.project_id,
        dynamic_config=config if run.snapshot.is_dynamic else None,
    )
    created = Client().zen_store.create_run_step(request)
    if status is not ExecutionStatus.RUNNING:
        update = StepRunUpdate(status=status, exception_info=exception)
        Client().zen_store.update_run_step(created.id, update)
    return created
