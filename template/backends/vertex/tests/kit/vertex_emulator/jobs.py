# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Custom jobs: each is a container, which runs as a process.

https://cloud.google.com/vertex-ai/docs/training/create-custom-job
https://cloud.google.com/vertex-ai/docs/training/code-requirements
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from google.cloud import aiplatform_v1
from google.protobuf import empty_pb2, json_format
from .api import ApiError
from ..containers import Container, Containers, Request
from ..emulated_service import EmulatedJobs, later
from .resources import (
    Operations,
    new_number,
    page,
    problem,
    set_times,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .checks import Checks

Object = dict[str, Any]

logger = logging.getLogger(__name__)

# To a type checker, the members of these enumerations are no members.
JobState: Any = aiplatform_v1.JobState
ENDED = (
    JobState.JOB_STATE_SUCCEEDED,
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
)
# The codes of errors that a job ends with.
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
CANCELLED, INVALID_ARGUMENT, INTERNAL = 1, 3, 13
# "If Vertex AI has an internal error, it attempts to restart a job twice (three attempts in
# total). If the restart attempts also fail, Vertex AI returns an internal error with the message".
# "If the job encountered exit codes that could be transient, Vertex AI tries to restart the job
# up to three times": SIGABRT, SIGSEGV. All this unless it has `disable_retries`.
# https://cloud.google.com/vertex-ai/docs/training/understanding-training-service#errors
INTERNAL_ERROR = "Internal error occurred for the current attempt"
INTERNAL_RETRIES = 2
TRANSIENT, TRANSIENT_RETRIES = (134, 139), 3
REFERENCE = re.compile(r"\$(\$)?\(([A-Za-z_][A-Za-z0-9_]*)\)")

CustomJob = aiplatform_v1.CustomJob.pb()


@dataclass(eq=False)
class Job:
    """A job, which has a container.

    Attributes:
        kind: `task` for a container of a pipeline, `custom` for the rest.
        name: The resource name. The service makes a CustomJob of each task as well.
        task_name: The task's name, if it belongs to a pipeline.
        pipeline_job: The resource name of its pipeline job, if it belongs to one.
        request: What was asked for: of a task its container, with placeholders replaced; of a
            custom job the message, with the names that fields have in Python.
        labels: Its labels.
        environment: All variables that the container's process gets.
        log: Where its output goes.
        state: How far it is, a `JobState`.
        error: Why it has not succeeded, a `google.rpc.Status`; None if it has, or might.
        pid: The number of the container's process, while it runs and after that.
    """

    kind: str
    name: str
    request: Object
    labels: dict[str, str]
    environment: dict[str, str]
    log: Path
    task_name: str | None = None
    pipeline_job: str | None = None
    state: Any = JobState.JOB_STATE_PENDING
    error: Any = None
    pid: int | None = None
    message: Any = field(default=None, repr=False)
    folder: Path = field(kw_only=True, repr=False)
    command: list[str] = field(kw_only=True, repr=False)
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    updated: float = field(default_factory=time.time)
    held: bool = field(default=False, repr=False)
    host_crashed: bool = field(default=False, repr=False)
    out_of_memory: bool = field(default=False, repr=False)
    attempts: int = field(default=0, repr=False)
    # What it shall end with, once its container has ended.
    why_stopped: tuple[Any, Any] | None = field(default=None, repr=False)
    container: Container | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @property
    def display_name(self) -> str:
        """The name that is shown."""
        return str(self.message.display_name)

    def move_to(self, state: Any) -> None:
        """Notes a transition."""
        self.state, self.updated = state, time.time()
        if state == JobState.JOB_STATE_RUNNING and self.started is None:
            self.started = self.updated
        if state in ENDED:
            self.ended = self.updated

    def describe(self) -> Any:
        """Returns the job as the API does."""
        found = CustomJob()
        found.CopyFrom(self.message)
        found.name, found.state = self.name, int(self.state)
        set_times(found, self)
        if self.error is not None:
            found.error.CopyFrom(self.error)
        return found


class Machines(NamedTuple):
    """Where containers run.

    Attributes:
        containers: Starts them.
        folder: Where their files go.
        variables: What each container's environment has.
        project_number: The number of the project, as they are told.
    """

    containers: Containers
    folder: Path
    variables: Mapping[str, str]
    project_number: str


class Jobs(EmulatedJobs[Job]):
    """The custom jobs of a project in a region, and the methods for them."""

    def __init__(
        self, lock: threading.RLock, checks: Checks, machines: Machines, operations: Operations
    ) -> None:
        """Starts with none.

        Args:
            lock: Held while anything changes.
            checks: What requests are held against.
            machines: Where containers run.
            operations: Where the operations are that delete jobs.
        """
        super().__init__(lock, stop_seconds=30.0)
        self._checks, self._machines = checks, machines
        self._operations = operations
        self._on_end: dict[str, Callable[[Job], None]] = {}

    def functions(self) -> dict[str, Callable[[Any], Any]]:
        """Returns what carries out the methods, by their names."""
        return {
            "CreateCustomJob": self._create,
            "GetCustomJob": lambda request: self._find(request).describe(),
            "ListCustomJobs": self._list,
            "CancelCustomJob": self._cancel,
            "DeleteCustomJob": self._delete,
        }

    # ---- Running -----------------------------------------------------------------------------

    def create(
        self,
        message: Any,
        *,
        container: Object | None = None,
        task: tuple[str, str] | None = None,
        on_end: Callable[[Job], None] | None = None,
    ) -> Job:
        """Creates a job and lets it run.

        Args:
            message: A CustomJob that has been checked.
            container: What the container of a task is; None for a custom job.
            task: The pipeline job and the task that it belongs to.
            on_end: Called when it has ended. The lock is held then.
        """
        name = f"{self._checks.parent}/customJobs/{new_number()}"
        spec = message.job_spec.worker_pool_specs[0].container_spec
        folder = self._machines.folder / name.rpartition("/")[2]
        (folder / "app").mkdir(parents=True)
        request = json_format.MessageToDict(message, preserving_proto_field_name=True)
        job = Job(
            kind="custom" if container is None else "task",
            name=name,
            request=request if container is None else container,
            labels=dict(message.labels),
            environment=self._environment(name, message, folder),
            log=folder / "output.log",
            message=message,
            folder=folder,
            command=[*spec.command, *spec.args],
        )
        job.log.touch()
        if task is not None:
            job.pipeline_job, job.task_name = task
        with self._lock:
            self.all.append(job)
            job.held = self.hold
            if on_end is not None:
                self._on_end[name] = on_end
        if not job.held:
            threading.Thread(target=self._run, args=[job], daemon=True).start()
        return job

    def _environment(self, name: str, message: Any, home: Path) -> dict[str, str]:
        """Returns the variables of a container's process.

        https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
        https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables
        """
        number = name.rpartition("/")[2]
        host = f"cmle-training-workerpool0-{number[:10]}-0"
        spec = json_format.MessageToDict(message.job_spec)
        cluster = {
            "cluster": {"workerpool0": [f"{host}:2222"]},
            "environment": "cloud",
            "task": {"type": "workerpool0", "index": 0},
            "job": spec,
        }
        found = {
            **self._machines.variables,
            "HOME": str(home),
            "CLOUD_ML_JOB_ID": number,
            "CLOUD_ML_PROJECT_ID": self._machines.project_number,
            "CLUSTER_SPEC": json.dumps(cluster),
            "HOSTNAME": host,
        }
        if output := message.job_spec.base_output_directory.output_uri_prefix:
            output = output.rstrip("/")
            found["AIP_MODEL_DIR"] = f"{output}/model/"
            found["AIP_CHECKPOINT_DIR"] = f"{output}/checkpoints/"
            found["AIP_TENSORBOARD_LOG_DIR"] = f"{output}/logs/"
        for each in message.job_spec.worker_pool_specs[0].container_spec.env:
            found[each.name] = expanded(each.value, found)
        return found

    def run_in(self, job: Job, command: Sequence[str], log: Path) -> Container:
        """Starts a container that sees what a job's does."""
        work = str(job.folder / "app")
        request = Request(
            command=[*command],
            environment=job.environment,
            directory=work,
            hostname=job.environment["HOSTNAME"],
            # The working directory of the images that are built for pipelines.
            mounts={"/app": work},
        )
        return self._machines.containers.start(request, log)

    def _run(self, job: Job) -> None:
        """Runs a job to its end, in a thread of its own."""
        try:
            while self._attempt(job):
                logger.debug("%s starts again", job.name)
        except Exception:
            if not self.closed:
                logger.exception("The emulator could not run %s", job.name)
            with self._lock:
                self._end(job, JobState.JOB_STATE_FAILED, problem(INTERNAL, INTERNAL_ERROR))

    def _attempt(self, job: Job) -> bool:
        """Runs a job's container once, and tells whether it is to run again."""
        with self._lock:
            if job.why_stopped:
                self._end(job, *job.why_stopped)
                return False
        container = self.run_in(job, job.command, job.log)
        with self._lock:
            job.container, job.pid = container, container.pid
            job.attempts += 1
            if job.why_stopped:
                self.terminate(job, container)
            else:
                job.move_to(JobState.JOB_STATE_RUNNING)
        scheduling = job.message.job_spec.scheduling
        limit = scheduling.timeout.ToTimedelta().total_seconds()
        timer = later(limit, lambda: self._time_out(job)) if limit else None
        code = container.wait()
        if timer is not None:
            timer.cancel()
        return self._finish(job, code)

    def _finish(self, job: Job, code: int) -> bool:
        """Makes of a container's end the job's, and tells whether it runs again."""
        with self._lock:
            job.container, crashed, job.host_crashed = None, job.host_crashed, False
            if job.why_stopped:
                self._end(job, *job.why_stopped)
                return False
            if crashed:
                limit, error = INTERNAL_RETRIES, problem(INTERNAL, INTERNAL_ERROR)
            elif code:
                limit = TRANSIENT_RETRIES if code in TRANSIENT else 0
                error = problem(INVALID_ARGUMENT, self._why_failed(job, code))
            else:
                self._end(job, JobState.JOB_STATE_SUCCEEDED)
                return False
            if job.attempts <= limit and not job.message.job_spec.scheduling.disable_retries:
                job.move_to(JobState.JOB_STATE_PENDING)
                return True
            self._end(job, JobState.JOB_STATE_FAILED, error)
            return False

    def _why_failed(self, job: Job, code: int) -> str:
        ran_out = "ran out of memory and " if job.out_of_memory else ""
        reason = "" if job.out_of_memory else "Termination reason: Error. "
        place = f"project={self._machines.project_number}&resource=ml_job%2Fjob_id%2F{job.id}"
        return (
            f"The replica workerpool0-0 {ran_out}exited with a non-zero status of {code}. "
            f"{reason}To find out more about why your job exited please check the logs: "
            f"https://console.cloud.google.com/logs/viewer?{place}"
        )

    def _end(self, job: Job, state: Any, error: Any = None) -> None:
        if job.state in ENDED:
            return
        job.error = error
        job.move_to(state)
        if on_end := self._on_end.pop(job.name, None):
            on_end(job)

    # ---- Stopping ----------------------------------------------------------------------------

    def cancel(self, job: Job, why: str = "The job was cancelled by the user.") -> None:
        """Begins to cancel a job; nothing happens if it has ended or is being cancelled.

        Args:
            job: The job.
            why: What its error will say.
        """
        with self._lock:
            if job.state in ENDED or job.why_stopped:
                return
            job.why_stopped = JobState.JOB_STATE_CANCELLED, problem(CANCELLED, why)
            job.move_to(JobState.JOB_STATE_CANCELLING)
            if job.held:
                self._end(job, *job.why_stopped)
            elif job.container is not None:
                self.terminate(job, job.container)

    def _time_out(self, job: Job) -> None:
        """Cancels a job that has run for too long.

        "If the training job is still running after this duration, AI Platform Training cancels
        it", says the reference of this service's predecessor; and of pipelines: "Pipeline tasks
        running beyond this limit are cancelled." What the error says then is not documented.
        https://cloud.google.com/ai-platform/training/docs/reference/rest/v1/projects.jobs
        https://cloud.google.com/vertex-ai/docs/quotas#pipelines
        """
        self.cancel(job, "The job has exceeded its maximum running time.")

    def run_out_of_memory(self, job: Job) -> None:
        """Kills the first process of a job's container, as the kernel does."""
        with self._lock:
            job.out_of_memory = job.container is not None
            self.kill(job)

    def forget(self, job: Job) -> None:
        """Ends a job at once, and forgets it; nobody is told."""
        with self._lock:
            self._on_end.pop(job.name, None)
            error = problem(CANCELLED, "discarded")
            job.why_stopped = job.why_stopped or (JobState.JOB_STATE_CANCELLED, error)
            self.kill(job)
            self.all.remove(job)

    # ---- Methods -----------------------------------------------------------------------------

    def find(self, name: str) -> Job:
        """Returns a job.

        Raises:
            ApiError: There is none of this name.
        """
        name = self._checks.place(name)
        for job in self.all:
            if job.name == name:
                return job
        raise ApiError("NOT_FOUND", f"CustomJob {name} is not found.")

    def _find(self, request: Any) -> Job:
        return self.find(request.name)

    def _create(self, request: Any) -> Any:
        with self._lock:  # The answer says PENDING, as the service's does.
            return self.create_custom(request.parent, request.custom_job).describe()

    def create_custom(
        self,
        parent: str,
        message: Any,
        task: tuple[str, str] | None = None,
        on_end: Callable[[Job], None] | None = None,
    ) -> Job:
        """Creates a custom job that somebody asks for.

        Args:
            parent: Where.
            message: A CustomJob.
            task: The pipeline job and the task that ask for it.
            on_end: Called when it has ended. The lock is held then.

        Raises:
            ApiError: It is not valid.
        """
        self._checks.place(parent)
        self._checks.custom_job(message)
        copy = CustomJob()
        copy.CopyFrom(message)
        return self.create(copy, task=task, on_end=on_end)

    def _list(self, request: Any) -> Any:
        self._checks.place(request.parent)
        answer = aiplatform_v1.ListCustomJobsResponse.pb()()
        described = [job.describe() for job in self.all]
        fields = ("display_name", "state")
        found, answer.next_page_token = page(described, request, fields)
        answer.custom_jobs.extend(found)
        return answer

    def _cancel(self, request: Any) -> Any:
        job = self.find(request.name)
        if job.state in ENDED:
            raise ApiError("FAILED_PRECONDITION", ended_text("CustomJob", job.name, job.state))
        self.cancel(job)
        return empty_pb2.Empty()

    def _delete(self, request: Any) -> Any:
        with self._lock:
            job = self.find(request.name)
            if job.state not in ENDED:
                text = f"CustomJob {job.name} is in state {job.state.name}, cancel it first."
                raise ApiError("FAILED_PRECONDITION", text)
            self.all.remove(job)
        return self._operations.begin()


def ended_text(kind: str, name: str, state: Any) -> str:
    """Returns what the service says to who cancels something that has ended.

    As it does for training pipelines:
    https://github.com/GoogleCloudPlatform/java-docs-samples/issues/9281
    """
    return f'The {kind} "{name}" is in state {state.name} and cannot be canceled.'


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Returns the value of a variable, with those in it that were defined before.

    "Variables that reference a $(VAR_NAME) are expanded [...] If a variable cannot be resolved,
    the reference in the input string will be unchanged", and `$$` escapes it.
    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/EnvVar

    Args:
        value: The value as it was given.
        variables: The variables that were defined before.
    """

    def expand(found: re.Match[str]) -> str:
        return found[0][1:] if found[1] else variables.get(found[2], found[0])

    return REFERENCE.sub(expand, value)
