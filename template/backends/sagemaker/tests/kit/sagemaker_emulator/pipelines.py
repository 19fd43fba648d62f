# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Pipelines and their executions.

https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-pipeline.html

A step starts when all steps that it depends on have succeeded. When one fails, those below it never
start, the others go on, and the execution fails when nothing is left that could run: "Step failure:
One or multiple steps failed."

Names of pipelines are compared without regard to case. ARNs in the API have the name as it was
given; what a definition gets from `Execution.*` has it in small letters.
"""

from __future__ import annotations

import random
import string
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..emulated_service import later
from .definition import INTERNAL_ERROR, Definition, Step, parse, refused, resolve
from .jobs import INTERNAL_ERROR as HOST_FAILED
from .jobs import Job, Jobs, check_role, paged, valid_request
from .model import ApiError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

Object = dict[str, Any]

ACTIVE = ("Starting", "Executing", "Stopping")
# "A maximum of 50 steps concurrently", in an execution.
# https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-pipeline.html
MAX_PARALLEL_STEPS = 50
# In the middle of job names is the beginning of the step's.
STEP_PART = 20


@dataclass(frozen=True)
class Version:
    """A version of a pipeline.

    Attributes:
        number: Its ID.
        definition: What it does.
        created: When it was made, in seconds since the epoch.
    """

    number: int
    definition: Definition
    created: float


@dataclass
class Pipeline:
    """A pipeline.

    Attributes:
        name: Its name, as it was created.
        arn: Its ARN.
        about: The members of requests that describe it, such as its role.
        tags: Its tags.
        versions: All its versions; the first has the number 1.
    """

    name: str
    arn: str
    about: Object
    tags: dict[str, str]
    versions: list[Version]
    created: float
    last_run: float | None = None
    tokens: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class StepExecution:
    """A step that was started in an execution.

    Attributes:
        name: Its name.
        status: `Starting`, `Executing`, `Stopping`, `Stopped`, `Failed` or `Succeeded`.
        attempts: How many jobs it has had.
        failure_reason: Why it failed.
        job: Its job, or the last of them; None if there could be none.
        shown: Its display name and description.
    """

    name: str
    status: str = "Starting"
    attempts: int = 0
    failure_reason: str = ""
    job: Job | None = None
    shown: Object = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    ended: float | None = None

    def end(self, status: str, reason: str = "") -> None:
        """Notes the end."""
        self.status, self.failure_reason, self.ended = status, reason[:1024], time.time()


@dataclass(eq=False)
class Execution:
    """An execution of a pipeline.

    Attributes:
        arn: Its ARN.
        pipeline_name: The name of its pipeline.
        version: The number of the pipeline's version.
        definition: The definition, as it was submitted.
        status: `Executing`, `Stopping`, `Stopped`, `Failed` or `Succeeded`.
        failure_reason: Why it failed.
        steps: The steps that were started, in this order.
        parameters: The values of all parameters.
    """

    arn: str
    pipeline_name: str
    version: int
    parsed: Definition = field(repr=False)
    request: Object = field(repr=False)
    parameters: Object
    max_parallel: int
    status: str = "Executing"
    failure_reason: str = ""
    steps: list[StepExecution] = field(default_factory=list)
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)

    @property
    def definition(self) -> Object:
        """The definition, as it was submitted."""
        return self.parsed.document

    @property
    def id(self) -> str:
        """The last part of its ARN."""
        return self.arn.rpartition("/")[2]

    def move_to(self, status: str, reason: str = "") -> None:
        """Notes a transition."""
        self.status, self.failure_reason, self.modified = status, reason, time.time()

    def variables(self, kind: str, job_name: str) -> Object:
        """Returns what a step's arguments can get.

        Args:
            kind: The kind of the step's job.
            job_name: The name of the job.
        """
        # Answers of the service that people have published show small letters where the name
        # of a pipeline with capitals comes from its variables.
        arn = self.arn.lower()
        return {
            "Execution.CurrentDateTime": iso(time.time()),
            "Execution.PipelineArn": arn.partition("/execution/")[0],
            "Execution.PipelineExecutionArn": arn,
            "Execution.PipelineExecutionId": self.id,
            "Execution.PipelineName": self.pipeline_name.lower(),
            "Execution.StartDateTime": iso(self.created),
            f"Execution.{kind.title()}JobName": job_name,
            **{f"Parameters.{name}": value for name, value in self.parameters.items()},
        }


def iso(seconds: float) -> str:
    """Returns a time as text."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def at_random(letters: str, length: int) -> str:
    """Returns a random name."""
    return "".join(random.choices(letters, k=length))  # noqa: S311 - not a secret


class Pipelines:
    """The pipelines of an account in a region, and the operations on them."""

    def __init__(
        self,
        lock: threading.RLock,
        jobs: Jobs,
        read: Callable[[str, str], str],
        arn_prefix: str,
    ) -> None:
        """Starts with none.

        Args:
            lock: Held while anything changes.
            jobs: Runs the steps' jobs.
            read: Reads an object of a bucket; a definition can lie there.
            arn_prefix: What ARNs begin with.
        """
        self.executions: dict[str, Execution] = {}
        self._pipelines: dict[str, Pipeline] = {}
        self._lock, self._jobs, self._read, self._arn_prefix = lock, jobs, read, arn_prefix
        self._tokens: dict[str, str] = {}

    # ---- Executing ---------------------------------------------------------------------------

    def _advance(self, execution: Execution) -> None:
        """Starts what can start; ends the execution if nothing runs."""
        while execution.status == "Executing" and (step := self._startable(execution)):
            started = StepExecution(step.name, shown=step.shown)
            execution.steps.append(started)
            self._start_step(execution, step, started)
        if any(step.status in ACTIVE for step in execution.steps):
            return
        if execution.status == "Stopping":
            execution.move_to("Stopped")
        elif any(step.status != "Succeeded" for step in execution.steps):
            execution.move_to("Failed", "Step failure: One or multiple steps failed.")
        else:
            execution.move_to("Succeeded")

    def _startable(self, execution: Execution) -> Step | None:
        known = {step.name for step in execution.steps}
        succeeded = {step.name for step in execution.steps if step.status == "Succeeded"}
        if sum(step.status in ACTIVE for step in execution.steps) >= execution.max_parallel:
            return None
        return next(
            (
                step
                for step in execution.parsed.steps.values()
                if step.name not in known and succeeded.issuperset(step.depends_on)
            ),
            None,
        )

    def _start_step(self, execution: Execution, step: Step, started: StepExecution) -> None:
        """Creates a step's job, for the first time or again."""
        started.attempts += 1
        part = step.name[:STEP_PART].replace("_", "-").strip("-") or "step"
        ending = at_random(string.ascii_letters + string.digits, 10)
        name = f"pipelines-{execution.id}-{part}-{ending}"
        request = resolve(step.arguments, execution.variables(step.kind, name))
        request[f"{step.kind.title()}JobName"] = name
        try:
            valid_request(step.kind, request)
            started.job = self._jobs.create(
                step.kind,
                request,
                on_end=lambda job: self._job_ended(execution, step, started, job),
                step_name=step.name,
                execution_arn=execution.arn,
            )
        except ApiError as error:
            operation = f"sagemaker:Create{step.kind.title()}Job"
            text = f"ClientError: Failed to invoke {operation}. Error Details: {error.message}"
            started.end("Failed", text)
            return
        # By this, others find a job's execution.
        started.job.tags["sagemaker:pipeline-execution-arn"] = execution.arn
        started.status = "Executing"

    def _job_ended(
        self, execution: Execution, step: Step, started: StepExecution, job: Job
    ) -> None:
        """Makes of a job's end the step's. The lock is held."""
        if job.status == "Completed":
            started.end("Succeeded")
        elif execution.status == "Stopping":
            started.end("Stopped")
        elif (seconds := seconds_to_retry(step, started, job)) is not None:
            started.status = "Starting"
            later(seconds, lambda: self._retry(execution, step, started))
        elif job.status == "Stopped":
            started.end("Failed", f"ClientError: The job was stopped: {job.secondary_status}")
        else:
            started.end("Failed", f"ClientError: {job.failure_reason}")
        self._advance(execution)

    def _retry(self, execution: Execution, step: Step, started: StepExecution) -> None:
        with self._lock:
            if execution.status == "Executing":
                self._start_step(execution, step, started)
            else:
                started.end("Stopped")
            self._advance(execution)

    def start(self, request: Object) -> Execution:
        """Starts an execution.

        Args:
            request: A `StartPipelineExecutionRequest`.

        Raises:
            ApiError: There is no such pipeline or version, or the parameters are wrong.
        """
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            token = request["ClientRequestToken"]
            if (known := pipeline.tokens.get(token)) in self.executions:
                return self.executions[known]
            if "SelectiveExecutionConfig" in request:
                raise refused("This emulator does not execute pipelines selectively")
            version = self._version(pipeline, request)
            limits = request.get("ParallelismConfiguration") or pipeline.about.get(
                "ParallelismConfiguration", {}
            )
            ending = at_random(string.ascii_lowercase + string.digits, 12)
            execution = Execution(
                arn=f"{pipeline.arn}/execution/{ending}",
                pipeline_name=pipeline.name,
                version=version.number,
                parsed=version.definition,
                request=request,
                parameters=version.definition.parameters(request.get("PipelineParameters", [])),
                max_parallel=limits.get("MaxParallelExecutionSteps", MAX_PARALLEL_STEPS),
            )
            self.executions[execution.arn] = execution
            pipeline.tokens[token] = execution.arn
            pipeline.last_run = execution.created
            self._advance(execution)
            return execution

    def stop(self, execution: Execution) -> None:
        """Begins to stop an execution."""
        execution.move_to("Stopping")
        for step in execution.steps:
            if step.status == "Executing" and step.job is not None:
                step.status = "Stopping"
                self._jobs.stop(step.job)
        self._advance(execution)

    def forget(self, execution: Execution) -> None:
        """Ends an execution and its jobs at once, and forgets them."""
        with self._lock:
            execution.move_to("Stopped")
            del self.executions[execution.arn]
            for job in [*self._jobs.all]:
                if job.execution_arn == execution.arn:
                    self._jobs.forget(job)

    # ---- Finding -----------------------------------------------------------------------------

    def _pipeline(self, name_or_arn: str) -> Pipeline:
        name = name_or_arn.rpartition("/")[2]
        try:
            return self._pipelines[name.lower()]
        except KeyError:
            arn = f"{self._arn_prefix}:pipeline/{name}"
            raise ApiError("ResourceNotFound", f"Pipeline '{arn}' does not exist.") from None

    def _version(self, pipeline: Pipeline, request: Object) -> Version:
        number: int = request.get("PipelineVersionId", len(pipeline.versions))
        if number > len(pipeline.versions):
            text = f"Version {number} of pipeline '{pipeline.arn}' does not exist."
            raise ApiError("ResourceNotFound", text)
        return pipeline.versions[number - 1]

    def find(self, arn: str) -> Execution:
        """Returns an execution.

        Raises:
            ApiError: There is none with this ARN.
        """
        for execution in self.executions.values():
            if execution.arn.lower() == arn.lower():
                return execution
        raise ApiError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")

    def tags_of(self, arn: str) -> dict[str, str] | None:
        """Returns the tags of a pipeline or job; None if it is neither."""
        owners: list[Pipeline | Job] = [*self._pipelines.values(), *self._jobs.all]
        return next((owner.tags for owner in owners if owner.arn.lower() == arn.lower()), None)

    # ---- Operations --------------------------------------------------------------------------

    def operations(self) -> dict[str, Callable[[Object], Object]]:
        """Returns the functions that answer requests, by the operation's name."""
        return {
            "CreatePipeline": self._create,
            "DeletePipeline": self._delete,
            "DescribePipeline": self._describe,
            "DescribePipelineDefinitionForExecution": self._describe_definition,
            "DescribePipelineExecution": self._describe_execution,
            "ListPipelineExecutionSteps": self._list_steps,
            "ListPipelineExecutions": self._list_executions,
            "ListPipelineParametersForExecution": self._list_parameters,
            "ListPipelineVersions": self._list_versions,
            "ListPipelines": self._list,
            "RetryPipelineExecution": self._retry_execution,
            "StartPipelineExecution": lambda request: arn_of(self.start(request)),
            "StopPipelineExecution": self._stop_execution,
            "UpdatePipeline": self._update,
        }

    def _definition(self, request: Object) -> Definition:
        place = request.get("PipelineDefinitionS3Location")
        if ("PipelineDefinition" in request) == (place is not None):
            text = "Either PipelineDefinition or PipelineDefinitionS3Location must be given"
            raise refused(text)
        if place is None:
            return parse(request["PipelineDefinition"])
        return parse(self._read(place["Bucket"], place["ObjectKey"]))

    def _create(self, request: Object) -> Object:
        token, name = request["ClientRequestToken"], request["PipelineName"]
        with self._lock:
            if token in self._tokens:
                return {"PipelineArn": self._tokens[token]}
            if name.lower() in self._pipelines:
                text = "Pipeline names must be unique within an AWS account and region. Pipeline"
                raise refused(f"{text} with name ({name}) already exists.")
            check_role(request["RoleArn"], self._arn_prefix)
            now = time.time()
            pipeline = Pipeline(
                name=name,
                arn=f"{self._arn_prefix}:pipeline/{name}",
                about=about(request),
                tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
                versions=[Version(1, self._definition(request), now)],
                created=now,
            )
            self._pipelines[name.lower()] = pipeline
            self._tokens[token] = pipeline.arn
            return {"PipelineArn": pipeline.arn}

    def _update(self, request: Object) -> Object:
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            if "RoleArn" in request:
                check_role(request["RoleArn"], self._arn_prefix)
            if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
                number = len(pipeline.versions) + 1
                version = Version(number, self._definition(request), time.time())
                pipeline.versions.append(version)
            pipeline.about |= about(request)
            return {"PipelineArn": pipeline.arn, "PipelineVersionId": len(pipeline.versions)}

    def _delete(self, request: Object) -> Object:
        with self._lock:
            pipeline = self._pipeline(request["PipelineName"])
            executions = self._executions_of(pipeline)
            if any(execution.status in ACTIVE for execution in executions):
                text = f"Pipeline '{pipeline.arn}' has running executions."
                raise ApiError("ConflictException", text)
            # "When you delete a pipeline, all instances of the pipeline are deleted."
            # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeletePipeline.html
            for execution in executions:
                del self.executions[execution.arn]
            del self._pipelines[pipeline.name.lower()]
            self._tokens = {
                token: arn for token, arn in self._tokens.items() if arn != pipeline.arn
            }
            return {"PipelineArn": pipeline.arn}

    def _executions_of(self, pipeline: Pipeline) -> list[Execution]:
        return [each for each in self.executions.values() if each.pipeline_name == pipeline.name]

    def _describe(self, request: Object) -> Object:
        pipeline = self._pipeline(request["PipelineName"])
        version = self._version(pipeline, request)
        answer = {
            **pipeline.about,
            "PipelineArn": pipeline.arn,
            "PipelineName": pipeline.name,
            "PipelineDefinition": version.definition.text,
            "PipelineStatus": "Active",
            "CreationTime": pipeline.created,
            "LastModifiedTime": pipeline.versions[-1].created,
        }
        if pipeline.last_run is not None:
            answer["LastRunTime"] = pipeline.last_run
        return answer

    def _list(self, request: Object) -> Object:
        prefix = request.get("PipelineNamePrefix", "")
        summaries = []
        for pipeline in self._pipelines.values():
            if pipeline.name.startswith(prefix):
                found = self._describe({"PipelineName": pipeline.name})
                for name in ("PipelineDefinition", "PipelineStatus", "ParallelismConfiguration"):
                    found.pop(name, None)
                if "LastRunTime" in found:
                    found["LastExecutionTime"] = found.pop("LastRunTime")
                summaries.append(found)
        key = "PipelineName" if request.get("SortBy") == "Name" else "CreationTime"
        return paged("PipelineSummaries", summaries, request, key)

    def _list_versions(self, request: Object) -> Object:
        pipeline = self._pipeline(request["PipelineName"])
        versions = [
            {
                "PipelineArn": pipeline.arn,
                "PipelineVersionId": version.number,
                "CreationTime": version.created,
            }
            for version in pipeline.versions
        ]
        return paged("PipelineVersionSummaries", versions, request, "PipelineVersionId")

    def _list_executions(self, request: Object) -> Object:
        pipeline = self._pipeline(request["PipelineName"])
        summaries = []
        for execution in self._executions_of(pipeline):
            found = {
                "PipelineExecutionArn": execution.arn,
                "PipelineExecutionStatus": execution.status,
                "StartTime": execution.created,
                **described(execution),
            }
            if execution.failure_reason:
                found["PipelineExecutionFailureReason"] = execution.failure_reason
            summaries.append(found)
        by_arn = request.get("SortBy") == "PipelineExecutionArn"
        key = "PipelineExecutionArn" if by_arn else "StartTime"
        return paged("PipelineExecutionSummaries", summaries, request, key)

    def _describe_execution(self, request: Object) -> Object:
        execution = self.find(request["PipelineExecutionArn"])
        answer = {
            "PipelineArn": execution.arn.partition("/execution/")[0],
            "PipelineExecutionArn": execution.arn,
            "PipelineExecutionStatus": execution.status,
            "PipelineVersionId": execution.version,
            "CreationTime": execution.created,
            "LastModifiedTime": execution.modified,
            **described(execution),
        }
        if execution.failure_reason:
            answer["FailureReason"] = execution.failure_reason
        return answer

    def _describe_definition(self, request: Object) -> Object:
        execution = self.find(request["PipelineExecutionArn"])
        return {"PipelineDefinition": execution.parsed.text, "CreationTime": execution.created}

    def _list_parameters(self, request: Object) -> Object:
        execution = self.find(request["PipelineExecutionArn"])
        values = [
            {"Name": name, "Value": str(value)} for name, value in execution.parameters.items()
        ]
        return paged("PipelineParameters", values, request, "Name")

    def _list_steps(self, request: Object) -> Object:
        execution = self.find(request.get("PipelineExecutionArn", ""))
        steps = []
        for step in execution.steps:
            found: Object = {
                "StepName": step.name,
                "StepStatus": step.status,
                "StartTime": step.started,
                "AttemptCount": step.attempts,
                "Metadata": {},
                **step.shown,
            }
            if step.job is not None:
                found["Metadata"][f"{step.job.kind.title()}Job"] = {"Arn": step.job.arn}
            if step.ended is not None:
                found["EndTime"] = step.ended
            if step.failure_reason:
                found["FailureReason"] = step.failure_reason
            steps.append(found)
        return paged("PipelineExecutionSteps", steps, request, "StartTime")

    def _stop_execution(self, request: Object) -> Object:
        with self._lock:
            execution = self.find(request["PipelineExecutionArn"])
            if execution.status == "Executing":
                self.stop(execution)
            elif execution.status not in ("Stopping", "Stopped"):
                text = f"Pipeline execution '{execution.arn}' is in status {execution.status}."
                raise ApiError("ConflictException", text)
            return arn_of(execution)

    def _retry_execution(self, request: Object) -> Object:
        """Runs the steps again that have not succeeded."""
        with self._lock:
            execution = self.find(request["PipelineExecutionArn"])
            if execution.status not in ("Failed", "Stopped"):
                text = f"Pipeline execution '{execution.arn}' is in status {execution.status}."
                raise ApiError("ConflictException", text)
            execution.steps = [step for step in execution.steps if step.status == "Succeeded"]
            execution.move_to("Executing")
            self._advance(execution)
            return arn_of(execution)


def arn_of(execution: Execution) -> Object:
    """Returns the answer that is an execution's ARN."""
    return {"PipelineExecutionArn": execution.arn}


def about(request: Object) -> Object:
    """Returns what a request says about a pipeline, beside its definition."""
    names = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")
    return {name: request[name] for name in names if name in request}


def described(execution: Execution) -> Object:
    """Returns what somebody who started an execution said about it."""
    names = ("PipelineExecutionDisplayName", "PipelineExecutionDescription")
    found = {name: execution.request[name] for name in names if name in execution.request}
    # The service makes a name if there is none.
    found.setdefault(names[0], f"execution-{execution.created * 1000:.0f}")
    return found


def seconds_to_retry(step: Step, started: StepExecution, job: Job) -> float | None:
    """Returns how long a step waits for its next job; None if it gets none.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
    """
    if not job.failure_reason.startswith(HOST_FAILED):
        return None
    for policy in step.retries:
        if INTERNAL_ERROR in policy["ExceptionType"]:
            waited = time.time() - started.started
            attempts = policy.get("MaxAttempts", float("inf"))
            if started.attempts > attempts or waited > policy.get("ExpireAfterMin", 1e9) * 60:
                return None
            factor: float = policy.get("BackoffRate", 2.0) ** (started.attempts - 1)
            return float(policy.get("IntervalSeconds", 1)) * factor
    return None
