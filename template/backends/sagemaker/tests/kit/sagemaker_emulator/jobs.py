# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Training and processing jobs: each runs its container as a process of this machine.

What a container finds, and how its end becomes the job's, is in
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html

There are no images, so a job needs an entrypoint; and one instance, however many were asked for,
would not be honest, so several are refused. Instance types, networks and encryption change nothing.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..containers import Request
from ..emulated_service import EmulatedJobs, later
from .model import ApiError, check, service_model
from .storage import Storage, TransferError, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..containers import Container, Containers

Object = dict[str, Any]

logger = logging.getLogger(__name__)

HOST = "algo-1"
ENDED = ("Completed", "Failed", "Stopped")
INTERNAL_ERROR = "InternalServerError"
INTERNAL_ERROR_TEXT = f"{INTERNAL_ERROR}: We encountered an internal error. Please try again."
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
STOP_SECONDS = 120.0
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
FAILURE_LENGTH = 1024


@dataclass(eq=False)
class Job:
    """A job.

    Attributes:
        kind: `training` or `processing`.
        name: Its name.
        arn: Its ARN.
        request: The request that it was created with, without variables.
        environment: All environment variables of the container's process.
        folder: Where its files are.
        log: What the container printed.
        tags: Its tags.
        step_name: The pipeline step it runs for, if any.
        execution_arn: The execution of the pipeline, if any.
        status: `InProgress`, `Stopping`, or one of `ENDED`.
        secondary_status: What it does at the moment; a training job's is part of the API.
        failure_reason: Why it failed.
        exit_message: What a processing container left to say.
        pid: The container's first process, once there is one.
        started: When the container was started, in seconds since the epoch.
        ended: When the job ended.
    """

    kind: str
    name: str
    arn: str
    request: Object
    environment: dict[str, str]
    folder: Path
    log: Path
    tags: dict[str, str]
    step_name: str | None = None
    execution_arn: str | None = None
    status: str = "InProgress"
    secondary_status: str = ""
    failure_reason: str = ""
    exit_message: str = ""
    pid: int | None = None
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    transitions: list[Object] = field(default_factory=list)
    retries: int = 0
    held: bool = False
    why_stopped: str = ""
    host_crashed: bool = False
    container: Container | None = field(default=None, repr=False)

    @property
    def ml(self) -> Path:
        """The folder that the container sees as `/opt/ml`."""
        return self.folder / "ml"

    @property
    def command(self) -> list[str]:
        """The program that the container runs, and its arguments."""
        part = self.request["AlgorithmSpecification" if self.training else "AppSpecification"]
        return [*part["ContainerEntrypoint"], *part.get("ContainerArguments", [])]

    @property
    def training(self) -> bool:
        """Tells a training job from a processing job."""
        return self.kind == "training"

    @property
    def output_uri(self) -> str:
        """Where the outputs of a training job go."""
        path = str(self.request["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
        return f"{path}/{self.name}/output"

    def move_to(self, secondary_status: str, status: str = "InProgress") -> None:
        """Notes a transition.

        Args:
            secondary_status: What it does from now on.
            status: What it is from now on.
        """
        now = self.modified = time.time()
        if self.transitions:
            self.transitions[-1].setdefault("EndTime", now)
        self.transitions.append({"Status": secondary_status, "StartTime": now})
        self.status, self.secondary_status = status, secondary_status
        if status in ENDED:
            self.ended = self.transitions[-1]["EndTime"] = now


@dataclass(frozen=True)
class Machines:
    """Where containers run.

    Attributes:
        containers: Starts them.
        folder: Where their files go.
        environment: Variables of all of them, beside a request's own.
    """

    containers: Containers
    folder: Path
    environment: Mapping[str, str]


class Jobs(EmulatedJobs[Job]):
    """The jobs of an account in a region."""

    def __init__(
        self,
        lock: threading.RLock,
        machines: Machines,
        storage: Storage,
        arn_prefix: str,
    ) -> None:
        """Starts with none.

        Args:
            lock: Held while jobs change.
            machines: Where their containers run.
            storage: Copies their inputs and outputs.
            arn_prefix: What their ARNs begin with.
        """
        super().__init__(lock, STOP_SECONDS)
        self._machines, self._storage = machines, storage
        self._arn_prefix = arn_prefix
        self._on_end: dict[str, Callable[[Job], None]] = {}

    def create(
        self,
        kind: str,
        request: Object,
        *,
        on_end: Callable[[Job], None] = lambda _: None,
        step_name: str | None = None,
        execution_arn: str | None = None,
    ) -> Job:
        """Creates a job, and starts it unless jobs are held.

        Args:
            kind: `training` or `processing`.
            request: The valid request, without variables.
            on_end: Called with the lock held, when the job has ended.
            step_name: The pipeline step that it is for.
            execution_arn: The execution of the pipeline.

        Raises:
            ApiError: There is a job of this name, or it cannot run.
        """
        name = request[f"{kind.title()}JobName"]
        check_role(request["RoleArn"], self._arn_prefix)
        (check_training if kind == "training" else check_processing)(request)
        with self._lock:
            if any(job.kind == kind and job.name == name for job in self.all):
                text = f"{kind.title()} job names must be unique within an AWS account and region"
                raise ApiError("ResourceInUse", f"{text}, and a job with this name already exists")
            arn = f"{self._arn_prefix}:{kind}-job/{name}"
            # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
            own = {"TRAINING_JOB_NAME": name, "TRAINING_JOB_ARN": arn}
            folder = self._machines.folder / f"{kind}-jobs" / name
            folder.mkdir(parents=True)
            environment = {
                **self._machines.environment,
                "HOME": str(folder),
                **request.get("Environment", {}),
                **(own if kind == "training" else {}),
            }
            job = Job(
                kind=kind,
                name=name,
                arn=arn,
                request=request,
                environment=environment,
                folder=folder,
                log=folder / "container.log",
                tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
                step_name=step_name,
                execution_arn=execution_arn,
                retries=request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0),
            )
            job.log.touch()
            job.move_to("Starting")
            self.all.append(job)
            self._on_end[arn] = on_end
            job.held = self.hold
        if not job.held:
            threading.Thread(target=self._run, args=[job], daemon=True).start()
        return job

    def find(self, kind: str, name: str) -> Job:
        """Returns the job of this name.

        Raises:
            ApiError: There is none.
        """
        for job in self.all:
            if job.kind == kind and job.name == name:
                return job
        missing = {
            "training": "Requested resource not found.",
            "processing": f"Could not find requested job with name: {name}",
        }
        raise ApiError("ValidationException", missing[kind])

    def stop(self, job: Job, why: str = "Stopped") -> None:
        """Begins to stop a job; nothing happens if it has ended or is stopping.

        Args:
            job: The job.
            why: The secondary status that it will have: `Stopped` or `MaxRuntimeExceeded`.
        """
        with self._lock:
            if job.status != "InProgress":
                return
            job.why_stopped = why
            job.move_to("Stopping", "Stopping")
            if job.held:
                self._end(job, "Stopped", why)
            elif job.container is not None:
                self.terminate(job, job.container)

    def forget(self, job: Job) -> None:
        """Ends a job at once, and forgets it; nobody is told."""
        with self._lock:
            self._on_end.pop(job.arn, None)
            job.why_stopped = job.why_stopped or "Stopped"
            self.kill(job)
            self.all.remove(job)

    def run_in(self, job: Job, command: Sequence[str], log: Path) -> Container:
        """Starts a container that sees what a job's does."""
        work = job.folder / "app"
        work.mkdir(exist_ok=True)
        request = Request(
            command=[*command],
            environment=job.environment,
            directory=str(work),
            hostname=HOST,
            # The second is the working directory of the images that are built for pipelines.
            mounts={"/opt/ml": str(job.ml), "/app": str(work)},
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
                self._end(job, "Failed", reason=INTERNAL_ERROR_TEXT)

    def _attempt(self, job: Job) -> bool:
        """Runs a job's container once, and tells whether it is to run again."""
        shutil.rmtree(job.ml, ignore_errors=True)
        lay_out(job.ml, job.kind, job.arn, job.request)
        try:
            self._download(job)
        except TransferError as error:
            with self._lock:
                self._end(job, "Failed", reason=f"ClientError: {error}")
            return False
        with self._lock:
            if job.why_stopped:
                self._end(job, "Stopped", job.why_stopped)
                return False
        container = self.run_in(job, job.command, job.log)
        with self._lock:
            job.container, job.pid, job.started = container, container.pid, time.time()
            if job.why_stopped:
                self.terminate(job, container)
            else:
                job.move_to("Training" if job.training else "Processing")
        limit = job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")
        timer = later(limit, lambda: self.stop(job, "MaxRuntimeExceeded")) if limit else None
        code = container.wait()
        if timer is not None:
            timer.cancel()
        return self._finish(job, code)

    def _download(self, job: Job) -> None:
        inputs = self._storage.inputs(job.request)
        if inputs:
            with self._lock:
                if not job.why_stopped:
                    job.move_to("Downloading")
            for uri, place in inputs:
                self._storage.download(uri, job.ml / place)

    def _finish(self, job: Job, code: int) -> bool:
        """Makes of a container's end the job's, and tells whether it runs again."""
        with self._lock:
            job.container, stopped = None, job.why_stopped
            if job.host_crashed and not stopped:
                job.host_crashed = False
                if job.retries:
                    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_RetryStrategy.html
                    job.retries -= 1
                    job.move_to("Starting")
                    return True
                self._end(job, "Failed", reason=INTERNAL_ERROR_TEXT)
                return False
            job.exit_message = said(job, "message")
            if code and not stopped:
                self._end(job, "Failed", reason=why_failed(job, code))
                return False
            if not stopped:
                job.move_to("Uploading")
        reason = ""
        try:
            self._storage.upload(job.request, job.ml, job.output_uri if job.training else "")
        except TransferError as error:
            reason = f"ClientError: {error}"
        with self._lock:
            if reason:
                self._end(job, "Failed", reason=reason)
            elif stopped:
                self._end(job, "Stopped", stopped)
            else:
                self._end(job, "Completed")
        return False

    def _end(self, job: Job, status: str, secondary: str = "", reason: str = "") -> None:
        if job.status in ENDED:
            return
        job.failure_reason = reason[:FAILURE_LENGTH]
        job.move_to(secondary or status, status)
        if on_end := self._on_end.pop(job.arn, None):
            on_end(job)


def said(job: Job, file: str) -> str:
    """Returns the beginning of what a container wrote to a file in `/opt/ml/output`.

    https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-metadata.html (`message`)
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
    """
    try:
        return (job.ml / "output" / file).read_text(errors="replace")[:FAILURE_LENGTH]
    except OSError:
        return ""


def why_failed(job: Job, code: int) -> str:
    """Returns the failure reason of a job whose container ended with an exit code."""
    if job.training:
        return f"AlgorithmError: {said(job, 'failure')}, exit code: {code}"
    return "AlgorithmError: See job logs for more information"


def check_role(role: str, arn_prefix: str) -> None:
    """Checks that a role belongs to the account.

    Raises:
        ApiError: It does not.
    """
    account = arn_prefix.rpartition(":")[2]
    if role.split(":")[4] != account:
        text = "RoleArn: Cross-account pass role is not allowed."
        raise ApiError("ValidationException", text)


def refuse_if(condition: object, message: str) -> None:
    """Refuses a request under some condition."""
    if condition:
        raise ApiError("ValidationException", message)


def check_training(request: Object) -> None:
    """Checks what the model of a request for a training job does not say.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    algorithm, resources = request["AlgorithmSpecification"], request.get("ResourceConfig", {})
    named = [name for name in ("TrainingImage", "AlgorithmName") if algorithm.get(name)]
    refuse_if(len(named) != 1, "Either TrainingImage or AlgorithmName must be given")
    refuse_if("AlgorithmName" in named, "The emulator has no algorithms")
    refuse_if("ContainerEntrypoint" not in algorithm, "The emulator has no images to start")
    for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        refuse_if(name not in resources, f"ResourceConfig: {name} is missing")
    refuse_if(resources["InstanceCount"] != 1, "The emulator runs one instance of each job")
    limits = request.get("StoppingCondition", {})
    if request.get("EnableManagedSpotTraining"):
        wait = limits.get("MaxWaitTimeInSeconds", 0)
        text = "MaxWaitTimeInSeconds must be equal to or greater than MaxRuntimeInSeconds"
        refuse_if(wait < limits.get("MaxRuntimeInSeconds", 1), text)
        text = "KeepAlivePeriodInSeconds is not allowed with managed spot training"
        refuse_if(resources.get("KeepAlivePeriodInSeconds"), text)
    else:
        text = "MaxWaitTimeInSeconds is only allowed with managed spot training"
        refuse_if("MaxWaitTimeInSeconds" in limits, text)


def check_processing(request: Object) -> None:
    """Checks what the model of a request for a processing job does not say.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
    """
    image = request["AppSpecification"]
    refuse_if("ContainerEntrypoint" not in image, "The emulator has no images to start")
    count = request["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
    refuse_if(count != 1, "The emulator runs one instance of each job")
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    for part in (*request.get("ProcessingInputs", []), *outputs):
        copied = part.get("S3Input") or part.get("S3Output")
        refuse_if(copied is None, "The emulator knows S3Input and S3Output only")
        inside = str(copied.get("LocalPath")).startswith("/opt/ml/processing/")
        refuse_if(not inside, "LocalPath must begin with /opt/ml/processing/")


class JobsApi:
    """The operations on jobs."""

    def __init__(self, jobs: Jobs) -> None:
        """Serves jobs.

        Args:
            jobs: The jobs.
        """
        self._jobs = jobs

    def operations(self) -> dict[str, Callable[[Object], Object]]:
        """Returns the functions that answer requests, by the operation's name."""
        found: dict[str, Callable[[Object], Object]] = {}
        for kind in ("training", "processing"):
            title = kind.title()
            found[f"Create{title}Job"] = partial(self._create, kind)
            found[f"Describe{title}Job"] = partial(self._describe, kind)
            found[f"List{title}Jobs"] = partial(self._list, kind)
            found[f"Stop{title}Job"] = partial(self._stop, kind)
        return found

    def _create(self, kind: str, request: Object) -> Object:
        return {f"{kind.title()}JobArn": self._jobs.create(kind, request).arn}

    def _stop(self, kind: str, request: Object) -> Object:
        job = self._jobs.find(kind, request[f"{kind.title()}JobName"])
        if job.status in ENDED:
            text = f"The request was rejected because the {kind} job is in status {job.status}."
            raise ApiError("ValidationException", text)
        self._jobs.stop(job)
        return {}

    def _list(self, kind: str, request: Object) -> Object:
        title = kind.title()
        chosen = [
            summary(job)
            for job in self._jobs.all
            if job.kind == kind
            and request.get("NameContains", "") in job.name
            and request.get("StatusEquals", job.status) == job.status
        ]
        keys = {"Name": f"{title}JobName", "Status": f"{title}JobStatus"}
        key = keys.get(request.get("SortBy", ""), "CreationTime")
        return paged(f"{title}JobSummaries", chosen, request, key, order="Ascending")

    def _describe(self, kind: str, request: Object) -> Object:
        job = self._jobs.find(kind, request[f"{kind.title()}JobName"])
        members = service_model("sagemaker").shape_for(f"Describe{kind.title()}JobResponse").members
        answer = {name: value for name, value in job.request.items() if name in members}
        answer |= summary(job)
        if job.started is not None:
            answer[f"{kind.title()}StartTime"] = job.started
        if job.failure_reason:
            answer["FailureReason"] = job.failure_reason
        if job.training:
            answer |= {
                "ModelArtifacts": {"S3ModelArtifacts": f"{job.output_uri}/model.tar.gz"},
                "SecondaryStatus": job.secondary_status,
                "SecondaryStatusTransitions": [dict(each) for each in job.transitions],
            }
            answer.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": 86400})
            if job.started is not None and job.ended is not None:
                answer["TrainingTimeInSeconds"] = max(1, round(job.ended - job.started))
        elif job.exit_message:
            answer["ExitMessage"] = job.exit_message
        return answer


def summary(job: Job) -> Object:
    """Returns a job as it is in a list."""
    title = job.kind.title()
    found: Object = {
        f"{title}JobName": job.name,
        f"{title}JobArn": job.arn,
        f"{title}JobStatus": job.status,
        "CreationTime": job.created,
        "LastModifiedTime": job.modified,
    }
    if job.ended is not None:
        found[f"{title}EndTime"] = job.ended
    return found


def paged(
    member: str, items: Sequence[Object], request: Object, key: str, order: str = "Descending"
) -> Object:
    """Returns one page of a list.

    Args:
        member: The member of the answer that has the list.
        items: The whole list.
        request: A request with the usual members of such requests. A time filter is by `key`.
        key: What to sort by.
        order: The order, if the request has none.

    Raises:
        ApiError: The token is not one of ours.
    """
    after = request.get("CreatedAfter", request.get("CreationTimeAfter", 0))
    before = request.get("CreatedBefore", request.get("CreationTimeBefore", float("inf")))
    times = ("CreationTime", "StartTime")
    items = [
        item
        for item in items
        if all(after <= item[name] <= before for name in times if name in item)
    ]
    descending = request.get("SortOrder", order) == "Descending"
    items = sorted(items, key=lambda item: item[key], reverse=descending)
    token, size = request.get("NextToken", "0"), request.get("MaxResults", 100)
    refuse_if(not token.isdecimal(), "Invalid NextToken")
    start = int(token)
    answer: Object = {member: [*items[start : start + size]]}
    if start + size < len(items):
        answer["NextToken"] = str(start + size)
    return answer


def valid_request(kind: str, request: Object) -> None:
    """Checks the request for a job against the service's model.

    Raises:
        ApiError: It is not valid.
    """
    check(service_model("sagemaker").shape_for(f"Create{kind.title()}JobRequest"), request)
