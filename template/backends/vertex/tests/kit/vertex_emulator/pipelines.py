# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Pipeline jobs.

https://cloud.google.com/vertex-ai/docs/pipelines/introduction

A task starts when all tasks that it depends on have succeeded, as a custom job of its own. When
one fails, those below it never start. The others go on (FAIL_SLOW), or those that have not been
started never are (FAIL_FAST).
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1
from google.protobuf import empty_pb2, json_format
from ..emulated_service import later
from .api import ApiError, refuse_if
from .checks import MAX_NAME, check_display_name, check_labels, check_workload
from .jobs import CANCELLED, CustomJob, Job, Jobs, JobState, ended_text
from .resources import Operations, new_number, page, problem, set_times, timestamp
from .spec import Spec, Task, launched, parse

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from .checks import Checks

Object = dict[str, Any]
# To a type checker, the members of these enumerations are no members.
PipelineState: Any = aiplatform_v1.PipelineState
PipelineTaskDetail: Any = aiplatform_v1.PipelineTaskDetail
TaskState: Any = PipelineTaskDetail.State
FAIL_FAST = aiplatform_v1.PipelineFailurePolicy.PIPELINE_FAILURE_POLICY_FAIL_FAST
PipelineJob = aiplatform_v1.PipelineJob.pb()

ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
FAILED_PRECONDITION = 9
ENDED = (
    PipelineState.PIPELINE_STATE_SUCCEEDED,
    PipelineState.PIPELINE_STATE_FAILED,
    PipelineState.PIPELINE_STATE_CANCELLED,
)
ACTIVE = (TaskState.PENDING, TaskState.RUNNING, TaskState.CANCEL_PENDING, TaskState.CANCELLING)
# "vertex-ai-pipelines-run-billing-id, user set value will get overrided", in PipelineJob.labels.
BILLING_LABEL = "vertex-ai-pipelines-run-billing-id"
FILTERED = ("pipeline_name", "display_name", "pipeline_job_user_id", "state", "schedule_name")


@dataclass(eq=False)
class TaskRun:
    """A task of a pipeline job.

    Attributes:
        name: Its name.
        state: How far it is, a `PipelineTaskDetail.State`.
        error: Why it has not succeeded, a `google.rpc.Status`; None if it has, or might.
        attempts: Its jobs, in order. There is more than one if it was tried again.
    """

    name: str
    state: Any = TaskState.PENDING
    error: Any = None
    attempts: list[Job] = field(default_factory=list)
    id: str = field(default_factory=new_number)
    launched: bool = False
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    history: list[Any] = field(default_factory=list, repr=False)

    def move_to(self, state: Any, error: Any = None) -> None:
        """Notes a transition."""
        self.state, now = state, time.time()
        status = PipelineTaskDetail.PipelineTaskStatus.pb()(state=int(state))
        status.update_time.CopyFrom(timestamp(now))
        if error is not None:
            status.error.CopyFrom(error)
        self.history.append(status)
        if state == TaskState.RUNNING:
            self.started = self.started or now
        elif state not in ACTIVE:
            self.ended, self.error = now, error

    def describe(self) -> Any:
        """Returns the task as the API does."""
        found = PipelineTaskDetail.pb()(
            task_id=int(self.id),
            task_name=self.name,
            state=int(self.state),
            pipeline_task_status=self.history,
        )
        set_times(found, self)
        if self.error is not None:
            found.error.CopyFrom(self.error)
        names = [job.name for job in self.attempts]
        if names and self.launched:
            found.executor_detail.custom_job_detail.job = names[-1]
            found.executor_detail.custom_job_detail.failed_jobs.extend(names[:-1])
        elif names:
            found.executor_detail.container_detail.main_job = names[-1]
            found.executor_detail.container_detail.failed_main_jobs.extend(names[:-1])
        return found


@dataclass(eq=False)
class PipelineRun:
    """A pipeline job.

    Attributes:
        name: Its resource name.
        id: The last part of it.
        request: The PipelineJob as it was created.
        spec: The pipeline's spec.
        state: How far it is, a `PipelineState`.
        error: Why it has not succeeded, a `google.rpc.Status`; None if it has, or might.
        tasks: Its tasks by name.
        schedule_name: The schedule that it comes from.
    """

    name: str
    message: Any = field(repr=False)
    parsed: Spec = field(repr=False)
    tasks: dict[str, TaskRun]
    schedule_name: str | None = None
    state: Any = PipelineState.PIPELINE_STATE_PENDING
    error: Any = None
    number: str = field(default_factory=new_number)
    root_id: str = field(default_factory=new_number)
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    updated: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @cached_property
    def request(self) -> Any:
        """The PipelineJob as it was created."""
        return aiplatform_v1.PipelineJob(self.message)

    @property
    def spec(self) -> Object:
        """The pipeline's spec."""
        return self.parsed.content

    def move_to(self, state: Any, error: Any = None) -> None:
        """Notes a transition."""
        self.state, self.error, self.updated = state, error, time.time()
        if state == PipelineState.PIPELINE_STATE_RUNNING:
            self.started = self.updated
        if state in ENDED:
            self.ended = self.updated

    def describe(self, *, details: bool = True) -> Any:
        """Returns the pipeline job as the API does.

        Args:
            details: Whether to say how its tasks are. Lists do not.
        """
        found = PipelineJob()
        found.CopyFrom(self.message)
        found.name, found.state = self.name, int(self.state)
        found.labels[BILLING_LABEL] = self.number
        found.schedule_name = self.schedule_name or ""
        set_times(found, self)
        if self.error is not None:
            found.error.CopyFrom(self.error)
        if details:
            tasks = (task.describe() for task in self.tasks.values())
            found.job_detail.task_details.extend((self._root(), *tasks))
        return found

    def _root(self) -> Any:
        """Returns the root of the graph, which the service counts among the tasks."""
        root = TaskRun(self.id, id=self.root_id, created=self.created)
        root.started, root.ended, root.error = self.started, self.ended, self.error
        root.state = getattr(TaskState, self.state.name.removeprefix("PIPELINE_STATE_"))
        return root.describe()

    def placeholders(self, project_id: str, task: TaskRun) -> dict[str, str]:
        """Returns what the service puts in, by name.

        https://cloud.google.com/vertex-ai/docs/pipelines/build-own-components
        https://kubeflow-pipelines.readthedocs.io/en/stable/source/dsl.html

        Args:
            project_id: The project's ID.
            task: The task.
        """
        moment = datetime.fromtimestamp(self.created, timezone.utc)
        created = moment.isoformat().replace("+00:00", "Z")
        scheduled = {"pipeline_job_schedule_time_utc": created} if self.schedule_name else {}
        return {
            **scheduled,
            "pipeline_job_name": self.id,
            "pipeline_job_resource_name": self.name,
            "pipeline_job_uuid": self.number,
            "pipeline_task_name": task.name,
            "pipeline_task_uuid": task.id,
            "pipeline_google_cloud_project_id": project_id,
            "pipeline_google_cloud_location": self.name.split("/")[3],
            "pipeline_job_create_time_utc": created,
            "pipeline_root": self.message.runtime_config.gcs_output_directory,
            # "if the PipelineJob doesn't set Persistent Resource as the job level runtime, the
            # placedholder will be resolved to an empty string", says the custom job component.
            "pipeline_persistent_resource_id": "",
        }


class Pipelines:
    """The pipeline jobs of a project in a region, and the methods for them."""

    def __init__(
        self,
        lock: threading.RLock,
        checks: Checks,
        jobs: Jobs,
        operations: Operations,
        project_id: str,
    ) -> None:
        """Starts with none.

        Args:
            lock: Held while anything changes.
            checks: What requests are held against.
            jobs: Runs the tasks.
            operations: Where the operations are that delete pipeline jobs.
            project_id: The project's ID.
        """
        self.runs: dict[str, PipelineRun] = {}
        self._lock, self._checks, self._jobs, self._operations = lock, checks, jobs, operations
        self._project_id = project_id

    def functions(self) -> dict[str, Callable[[Any], Any]]:
        """Returns what carries out the methods, by their names."""
        return {
            "CreatePipelineJob": self._create,
            "GetPipelineJob": lambda request: self.find(request.name).describe(),
            "ListPipelineJobs": self._list,
            "CancelPipelineJob": self._cancel,
            "DeletePipelineJob": self._delete,
        }

    # ---- Executing ---------------------------------------------------------------------------

    def _advance(self, run: PipelineRun) -> None:
        """Starts what can start; ends the pipeline job if nothing runs."""
        fast = run.message.runtime_config.failure_policy == FAIL_FAST
        closed = fast and any(task.state == TaskState.FAILED for task in run.tasks.values())
        for name, task in run.parsed.tasks.items():
            before = [run.tasks[each].state for each in task.after]
            mine = run.tasks[name]
            if mine.state != TaskState.PENDING or mine.attempts:
                continue
            if closed or any(state not in (*ACTIVE, TaskState.SUCCEEDED) for state in before):
                mine.move_to(TaskState.NOT_TRIGGERED)
            elif all(state == TaskState.SUCCEEDED for state in before):
                self._start(run, task, mine)
                closed = fast and mine.state == TaskState.FAILED
        if any(task.state in ACTIVE for task in run.tasks.values()):
            return
        failed = [task for task in run.tasks.values() if task.state == TaskState.FAILED]
        if failed:
            run.move_to(PipelineState.PIPELINE_STATE_FAILED, self._why_failed(run, failed))
        else:
            run.move_to(PipelineState.PIPELINE_STATE_SUCCEEDED)

    def _why_failed(self, run: PipelineRun, failed: list[TaskRun]) -> Any:
        names = ", ".join(task.name for task in failed)
        job = f"(project_id = {self._project_id}, job_id = {run.number})"
        text = (
            f"The DAG failed because some tasks failed. The failed tasks are: [{names}].; "
            f"Job {job} is failed due to the above error."
        )
        return problem(FAILED_PRECONDITION, text)

    def _start(self, run: PipelineRun, task: Task, mine: TaskRun) -> None:
        """Creates a task's job, for the first time or again."""
        container = task.resolved(run.placeholders(self._project_id, mine))
        billing = {BILLING_LABEL: run.number}
        belongs = (run.name, task.name)

        def ended(job: Job) -> None:
            self._job_ended(run, task, mine, job)

        mine.move_to(TaskState.RUNNING)
        try:
            launch = launched(container)
            if launch is not None:
                mine.launched = True
                message = json_format.ParseDict(launch["job"], CustomJob())
                for name, value in {**billing, **run.message.labels}.items():
                    message.labels.setdefault(name, value)
                job = self._jobs.create_custom(launch["parent"], message, belongs, ended)
            else:
                message = as_custom_job(run, task, container, billing)
                self._checks.custom_job(message)
                job = self._jobs.create(message, container=container, task=belongs, on_end=ended)
        except (ApiError, json_format.ParseError) as error:
            mine.move_to(TaskState.FAILED, self._why_not_created(run, mine, error))
            return
        mine.attempts.append(job)

    def _why_not_created(self, run: PipelineRun, mine: TaskRun, error: Exception) -> Any:
        code, _, message = str(error).partition(": ")
        number = self._checks.parent.split("/")[1]
        # https://github.com/kubeflow/pipelines/issues/10111
        text = (
            "com.google.cloud.ai.platform.common.errors.AiPlatformException: "
            f"code={code}, message={message}, cause=null; "
            "Failed to create custom job for the task. Task: "
            f"Project number: {number}, Job id: {run.number}, Task id: {mine.id}, "
            f"Task name: {mine.name}, Task state: DRIVER_SUCCEEDED"
        )
        return problem(FAILED_PRECONDITION, text)

    def _job_ended(self, run: PipelineRun, task: Task, mine: TaskRun, job: Job) -> None:
        """Makes of a job's end the task's. The lock is held."""
        if job.state == JobState.JOB_STATE_SUCCEEDED:
            mine.move_to(TaskState.SUCCEEDED)
        elif job.state == JobState.JOB_STATE_CANCELLED and mine.state == TaskState.CANCELLING:
            mine.move_to(TaskState.CANCELLED, job.error)
        elif (seconds := seconds_to_retry(run, task, mine)) is not None:
            mine.move_to(TaskState.PENDING, job.error)
            later(seconds, lambda: self._retry(run, task, mine))
        else:
            mine.move_to(TaskState.FAILED, job.error)
        self._go_on(run)

    def _retry(self, run: PipelineRun, task: Task, mine: TaskRun) -> None:
        with self._lock:
            # It may have been cancelled meanwhile.
            if mine.state == TaskState.PENDING and run.name in self.runs:
                self._start(run, task, mine)
                self._go_on(run)

    def _go_on(self, run: PipelineRun) -> None:
        if run.state == PipelineState.PIPELINE_STATE_RUNNING:
            self._advance(run)
        elif run.state == PipelineState.PIPELINE_STATE_CANCELLING:
            self._end_cancelled(run)

    def create(self, request: Any, schedule_name: str | None = None) -> PipelineRun:
        """Creates a pipeline job and starts it.

        Args:
            request: A CreatePipelineJobRequest.
            schedule_name: The schedule that it comes from.

        Raises:
            ApiError: It is not valid.
        """
        spec = self.check(request)
        name = spec.name[:80].rstrip("-")
        moment = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S%f")
        # A name may begin with a digit, an ID may not.
        ending = f"{name if name[0].isalpha() else 'p-' + name}-{moment}"
        job_id = request.pipeline_job_id or ending
        refuse_if(ID.fullmatch(job_id) is None, f"Invalid pipeline_job_id: {job_id!r}")
        message = PipelineJob()
        message.CopyFrom(request.pipeline_job)
        full = f"{self._checks.parent}/pipelineJobs/{job_id}"
        with self._lock:
            if full in self.runs:
                text = "Pipeline job with the specified ID already exists."
                raise ApiError("ALREADY_EXISTS", text)
            tasks = {name: TaskRun(name) for name in spec.tasks}
            run = PipelineRun(full, message, spec, tasks, schedule_name)
            self.runs[full] = run
        later(0, lambda: self._begin(run))
        return run

    def _begin(self, run: PipelineRun) -> None:
        with self._lock:
            if run.state == PipelineState.PIPELINE_STATE_PENDING:
                run.move_to(PipelineState.PIPELINE_STATE_RUNNING)
                self._advance(run)

    def check(self, request: Any) -> Spec:
        """Checks what is asked for, but for the ID.

        Args:
            request: A CreatePipelineJobRequest.

        Raises:
            ApiError: The service would refuse it.
        """
        self._checks.place(request.parent)
        job, config = request.pipeline_job, request.pipeline_job.runtime_config
        if job.display_name:
            check_display_name(job.display_name)
        check_labels(job.labels)
        check_workload(job)
        self._checks.encryption(job)
        refuse_if(job.template_uri, "The emulator has no templates")
        refuse_if(config.parameters, "runtime_config.parameters belong to older schemas")
        refuse_if(config.input_artifacts, "The emulator has no artifacts")
        directory = config.gcs_output_directory
        refuse_if(not directory, "runtime_config.gcs_output_directory is required")
        self._checks.gcs(directory, "runtime_config.gcs_output_directory")
        given = {
            name: json_format.MessageToDict(value)
            for name, value in config.parameter_values.items()
        }
        return parse(json_format.MessageToDict(job.pipeline_spec), given)

    def forget(self, run: PipelineRun) -> None:
        """Ends a pipeline job and its jobs at once, and forgets them."""
        with self._lock:
            run.move_to(PipelineState.PIPELINE_STATE_CANCELLED)
            del self.runs[run.name]
            for job in [*self._jobs.all]:
                if job.pipeline_job == run.name:
                    self._jobs.forget(job)

    # ---- Methods -----------------------------------------------------------------------------

    def find(self, name: str) -> PipelineRun:
        """Returns a pipeline job.

        Raises:
            ApiError: There is none of this name.
        """
        name = self._checks.place(name)
        if name not in self.runs:
            raise ApiError("NOT_FOUND", f"PipelineJob {name} is not found.")
        return self.runs[name]

    def _create(self, request: Any) -> Any:
        with self._lock:  # The answer says PENDING, as the service's does.
            return self.create(request).describe()

    def _list(self, request: Any) -> Any:
        self._checks.place(request.parent)
        described = [run.describe(details=False) for run in [*self.runs.values()]]
        answer = aiplatform_v1.ListPipelineJobsResponse.pb()()
        found, answer.next_page_token = page(described, request, FILTERED, request.order_by)
        answer.pipeline_jobs.extend(found)
        return answer

    def _cancel(self, request: Any) -> Any:
        with self._lock:
            run = self.find(request.name)
            if run.state in ENDED:
                text = ended_text("PipelineJob", run.name, run.state)
                raise ApiError("FAILED_PRECONDITION", text)
            if run.state != PipelineState.PIPELINE_STATE_CANCELLING:
                run.move_to(PipelineState.PIPELINE_STATE_CANCELLING)
                for task in run.tasks.values():
                    if task.state == TaskState.RUNNING:
                        task.move_to(TaskState.CANCELLING)
                        self._jobs.cancel(task.attempts[-1])
                    elif task.state == TaskState.PENDING:
                        waited = TaskState.CANCELLED if task.attempts else TaskState.NOT_TRIGGERED
                        task.move_to(waited)
                self._end_cancelled(run)
            return empty_pb2.Empty()

    def _end_cancelled(self, run: PipelineRun) -> None:
        waiting = any(task.state in ACTIVE for task in run.tasks.values())
        if not waiting and run.state == PipelineState.PIPELINE_STATE_CANCELLING:
            error = problem(CANCELLED, "The pipeline job is cancelled by the user.")
            run.move_to(PipelineState.PIPELINE_STATE_CANCELLED, error)

    def _delete(self, request: Any) -> Any:
        with self._lock:
            run = self.find(request.name)
            if run.state not in ENDED:
                text = f"PipelineJob {run.name} is in state {run.state.name}, cancel it first."
                raise ApiError("FAILED_PRECONDITION", text)
            del self.runs[run.name]
        return self._operations.begin()


def as_custom_job(run: PipelineRun, task: Task, container: Object, labels: Object) -> Any:
    """Returns the CustomJob that the service makes of a task.

    Args:
        run: The pipeline job.
        task: The task.
        container: What it runs, with placeholders replaced.
        labels: What the service adds to labels.
    """
    merged = {**run.message.labels, **labels}
    environment = {"VERTEX_AI_PIPELINES_RUN_LABELS": json.dumps(merged), **container["env"]}
    found = CustomJob(display_name=f"{run.id}-{task.name}"[:MAX_NAME], labels=merged)
    spec = found.job_spec
    spec.service_account, spec.network = run.message.service_account, run.message.network
    if run.message.HasField("psc_interface_config"):
        spec.psc_interface_config.CopyFrom(run.message.psc_interface_config)
    # What it does not do for other custom jobs.
    spec.scheduling.disable_retries = True
    pool = spec.worker_pool_specs.add(replica_count=1)
    # "By default, the component will run on as a Vertex AI CustomJob using an e2-standard-4
    # machine". What others it chooses for limits is its own business.
    # https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
    pool.machine_spec.machine_type = "e2-standard-4"
    pool.disk_spec.boot_disk_type, pool.disk_spec.boot_disk_size_gb = "pd-ssd", 100
    pool.container_spec.image_uri = container["image"]
    pool.container_spec.command.extend(container["command"])
    pool.container_spec.args.extend(container["args"])
    for name, value in environment.items():
        pool.container_spec.env.add(name=name, value=value)
    return found


def seconds_to_retry(run: PipelineRun, task: Task, mine: TaskRun) -> float | None:
    """Returns how long a task waits for its next attempt; None if it gets none.

    https://cloud.google.com/vertex-ai/docs/pipelines/configure-retries
    """
    policy, tried = task.retry, len(mine.attempts)
    cancelling = run.state != PipelineState.PIPELINE_STATE_RUNNING
    if cancelling or tried > policy.max_retry_count:
        return None
    first = policy.backoff_duration.ToTimedelta().total_seconds()
    wait = first * (policy.backoff_factor or 2.0) ** (tried - 1)
    most = policy.backoff_max_duration.ToTimedelta().total_seconds() or 3600
    return float(min(wait, most))
