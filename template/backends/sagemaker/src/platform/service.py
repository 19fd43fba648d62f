# YOURS: how pipelines and jobs run on SageMaker
"""SageMaker and EventBridge Scheduler: `SageMakerService`."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as AwsConnectionError,
)
from zenml.constants import METADATA_ORCHESTRATOR_LOGS_URL, METADATA_ORCHESTRATOR_URL

from .. import environment as variables
from ..engine.protocols import JobKey, JobRefused, PipelineService, PipelineSpec, Role
from ..engine.slugs import unique_name
from ..job_files import own_job
from ..resources import instance_type
from ..run_id import EXECUTION_VARIABLE, RunId
from . import requests, schedules
from .arns import PIPELINE, PROCESSING, TRAINING, Arn
from .aws import code_of, is_missing, reason
from .job_status import status_of, status_of_step
from .pipelines import Pipeline, change_schedule, create_schedule, delete_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from ..config import Config, Settings
    from ..engine.protocols import JobHandle, JobSpec, JobStatus, Trigger
    from .aws import Aws

# Throttling, and errors of the service, that boto3 has tried again in vain.
OVERLOADED = {
    "ThrottlingException", "Throttling", "TooManyRequestsException", "InternalFailure",
    "InternalServerException", "InternalError", "ServiceUnavailable", "500", "503",
}  # fmt: skip
# No answer, or a login whose source did not answer. The other errors of boto3 are of the request
# or the configuration, and stay.
NO_ANSWER = (
    AwsConnectionError, HTTPClientError, CredentialRetrievalError, MetadataRetrievalError,
)  # fmt: skip
# What SageMaker says of a job of a name that is taken, and of stopping what has ended.
NAME_IS_TAKEN = "ResourceInUse"
HAS_ENDED = ("ValidationException", "ConflictException")

LONGEST_SCHEDULE_NAME = 64
# SageMaker would take 256. But the ARN of an execution has the name in it, and ZenML has room for
# 255 characters. Beside the name, the partition and the region an ARN has 61; the longest partition
# has 10 (`aws-us-gov`), and the longest region 15 today (`us-isof-south-1`). 41 are left over.
LONGEST_PIPELINE_NAME = 128

# How often SageMaker starts a dynamic pipeline's function again when its host fails, which keeps
# the ARN and so the run ID. Of processing jobs it starts none again.
RESTARTS = 3


class AwsUnavailableError(Exception):
    """AWS does not answer. It is worth another try."""


class RefusedError(JobRefused):
    """AWS has refused a request."""

    def __init__(self, error: ClientError) -> None:
        """Keeps the answer."""
        super().__init__(reason(error))
        self.error = error


class SageMakerService(PipelineService):
    """Runs pipelines and jobs on SageMaker. A handle is an ARN; a schedule's, its name."""

    transient = (AwsUnavailableError,)
    unknown_seconds = 60.0
    poll_seconds = 10.0

    def __init__(self, config: Config, aws: Callable[[], Aws], folder: Callable[[], str]) -> None:
        """Asks nobody yet.

        Args:
            config: The orchestrator's config.
            aws: Returns the login.
            folder: Returns where in S3 the files of jobs go.
        """
        self._config, self._aws, self._folder = config, aws, folder

    # ---- What the engine asks

    def validate(self, job: JobSpec) -> None:
        """Makes the requests for a job, and submits none.

        Raises:
            ValueError: If no instance type is enough, or settings or variables do not fit.
        """
        jobs = job.steps if isinstance(job, PipelineSpec) else [job]
        if problems := list(filter(None, map(self._problem_of, jobs))):
            raise ValueError(" ".join(problems))

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts an execution or a job; the same key gets the same one."""
        name = unique_name(run_of(job.key), job.name, unique=str(job.key), max_length=63)
        # A step that a job submits has the secret of that job, if there is one.
        is_step = job.role is Role.STEP
        inherited = os.environ.get(variables.SECRET_VARIABLE) if is_step else None
        own = None if is_step else self._keep(name, job)
        try:
            if isinstance(job, PipelineSpec):
                pipeline = self._pipeline(f"{job.labels['project_id']}/{job.name}", job.name)
                settings = cast("Settings", job.settings)
                with asked():
                    version = pipeline.put(
                        self._definition(job, own), self._folder(), settings.pipeline_tags
                    )
                    token = hashlib.sha256(str(job.key).encode()).hexdigest()
                    shown = name if own else ""
                    return pipeline.start(version, token, shown, settings.max_parallelism).text
            return self._create_job(name, self._task(job, own or inherited))
        except JobRefused:
            if own is not None:
                self._delete_secret(name)
            raise

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks how executions and jobs are: SageMaker tells it of one at a time."""
        found = {handle: self._status(handle) for handle in handles}
        return {handle: status for handle, status in found.items() if status is not None}

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        """Asks how the steps of an execution are that have begun."""
        arn = Arn.parse(handle)
        if arn.kind != PIPELINE:
            return {}
        try:
            with asked():
                steps = self._aws().pages(
                    "sagemaker",
                    "list_pipeline_execution_steps",
                    "PipelineExecutionSteps",
                    PipelineExecutionArn=handle,
                    MaxResults=100,
                )
                # ZenML's name of a step is its `StepDisplayName`: see `_definition`.
                return {
                    step.get("StepDisplayName") or step["StepName"]: status_of_step(
                        self._aws(), step
                    )
                    for step in steps
                }
        except RefusedError as refused:
            if is_missing(refused.error):
                return {}
            raise

    def stop(self, handle: JobHandle) -> None:
        """Asks SageMaker to stop something: by SIGTERM, and after two minutes by SIGKILL.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
        """
        arn = Arn.parse(handle)
        operation, argument = {
            PIPELINE: ("stop_pipeline_execution", {"PipelineExecutionArn": arn.text}),
            TRAINING: ("stop_training_job", {"TrainingJobName": arn.name}),
            PROCESSING: ("stop_processing_job", {"ProcessingJobName": arn.name}),
        }[arn.kind]
        try:
            self._ask("sagemaker", operation, **argument)
        except RefusedError as refused:
            if is_missing(refused.error):
                return
            ended = self._status(handle)
            if code_of(refused.error) not in HAS_ENDED or not (ended and ended.phase.is_terminal):
                raise

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns no lines: they are in CloudWatch, to which `links` leads."""
        return iter(())

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the jobs of a run by their names, and their keys in their variables."""
        found = {}
        for kind in ("Training", "Processing"):
            with asked():
                jobs = list(
                    self._aws().pages(
                        "sagemaker",
                        f"list_{kind.lower()}_jobs",
                        f"{kind}JobSummaries",
                        NameContains=run_of(JobKey(run, "", 1)),
                    )
                )
            for job in jobs:
                name = {f"{kind}JobName": job[f"{kind}JobName"]}
                described = self._ask("sagemaker", f"describe_{kind.lower()}_job", **name)
                environment = dict(described.get("Environment", {}))
                variables.unpack(environment)
                key = environment.get(variables.KEY_VARIABLE)
                if key and (parsed := JobKey.parse(key)).run == run:
                    found[parsed] = str(described[f"{kind}JobArn"])
        return found

    def current_job(self) -> JobHandle | None:
        """Returns the execution of this process, or its job; None outside of both."""
        return os.environ.get(EXECUTION_VARIABLE) or own_job()

    def links(self, handle: JobHandle) -> Mapping[str, str]:
        """Returns links to the console, or Studio, and to CloudWatch."""
        arn = Arn.parse(handle)
        return {
            METADATA_ORCHESTRATOR_URL: arn.console_url(self._config.studio_domain_id),
            METADATA_ORCHESTRATOR_LOGS_URL: arn.logs_url(training=self._config.use_training_step),
        }

    def clean_up(self, handle: JobHandle) -> None:
        """Deletes the secret of an execution or a job, if it has one."""
        arn = Arn.parse(handle)
        name = arn.name
        if arn.kind == PIPELINE:
            try:
                found = self._ask(
                    "sagemaker", "describe_pipeline_execution", PipelineExecutionArn=handle
                )
            except RefusedError:  # It is gone.
                return
            name = found.get("PipelineExecutionDisplayName", "")
        if name:
            self._delete_secret(name)

    # ---- Schedules

    def create_schedule(self, trigger: Trigger, job: JobSpec) -> str:
        """Lets EventBridge Scheduler start a pipeline of the schedule's own at each firing."""
        role = self._config.scheduler_role
        if role is None:
            raise ValueError(
                "The orchestrator has no `scheduler_role`: set it to the ARN of an IAM role that "
                "EventBridge Scheduler may assume to start the pipeline."
            )
        settings = cast("Settings", job.settings)
        when = schedules.schedule(trigger, settings.schedule_time_zone)
        name = unique_name(job.name, unique=str(job.key), max_length=LONGEST_SCHEDULE_NAME)
        if not isinstance(job, PipelineSpec):
            job = PipelineSpec(**{**vars(job), "steps": [job], "upstream": {job.name: ()}})
        pipeline = Pipeline(self._aws(), name, self._config.execution_role)
        try:
            secret = self._keep(name, job)
            with asked():
                version = pipeline.put(
                    self._definition(job, secret),
                    self._folder(),
                    settings.pipeline_tags,
                    settings.max_parallelism,
                )
                create_schedule(self._aws(), name, when, version["PipelineArn"], role)
        except BaseException:
            self.delete_schedule(name)
            raise
        return name

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None:
        """Changes a schedule; what is None stays as it is."""
        changes = {}
        try:
            if cron:
                changes["ScheduleExpression"] = f"cron({schedules.aws_cron(cron)})"
        except ValueError as error:
            raise JobRefused(str(error)) from error
        if active is not None:
            changes["State"] = "ENABLED" if active else "DISABLED"
        if changes:
            with asked():
                change_schedule(self._aws(), handle, **changes)

    def delete_schedule(self, handle: str) -> None:
        """Deletes a schedule, its secret and its pipeline, and stops its executions."""
        with asked():
            delete_schedule(self._aws(), handle)
            pipeline = Pipeline(self._aws(), handle, self._config.execution_role)
            pipeline.delete(lambda arn: self.stop(arn.text))
        self._delete_secret(handle)

    def _status(self, handle: JobHandle) -> JobStatus | None:
        """Asks how one execution or job is; None if SageMaker does not know it."""
        try:
            with asked():
                return status_of(self._aws(), Arn.parse(handle))
        except RefusedError as refused:
            if is_missing(refused.error):
                return None
            raise

    # ---- How a job looks

    def _problem_of(self, job: JobSpec) -> str | None:
        try:
            self._task(job, None).request()
        except ValueError as error:
            return f"`{job.name}`: {error}"
        return None

    def _definition(self, job: PipelineSpec, secret: str | None) -> str:
        """Writes the definition of a pipeline. A step's `DisplayName` is ZenML's name of it."""
        steps = []
        for each in job.steps:
            upstream = map(step_name, job.upstream[each.name])
            step = requests.step(
                step_name(each.name), self._task(each, secret, in_pipeline=True), upstream
            )
            steps.append({**step, "DisplayName": each.name})
        return requests.pipeline(steps)

    def _task(
        self, job: JobSpec, secret: str | None, *, in_pipeline: bool = False
    ) -> requests.Task:
        settings = cast("Settings", job.settings)
        training = settings.use_training_step
        longest = requests.longest_variable(training=training)
        hidden = {variables.SECRET_VARIABLE: secret} if secret else job.secrets
        environment: dict[str, Any] = {**job.environment, **settings.environment, **hidden}
        environment[variables.KEY_VARIABLE] = str(job.key)
        if in_pipeline:
            environment |= {EXECUTION_VARIABLE: {"Get": "Execution.PipelineExecutionArn"}}
            environment |= {RunId.variable: {"Get": RunId.property}}
        elif job.role is Role.FUNCTION:
            environment |= {RunId.function_variable: "yes"}
        if "-m" in job.command:
            environment = variables.pack(environment, longest)
        else:  # A command of the user's: nothing would unpack them.
            variables.refuse_long(environment, longest)
        program = job.command[:3] if "-m" in job.command else job.command
        return requests.Task(
            image=job.image or "",
            command=program,
            arguments=job.command[len(program) :],
            environment=environment,
            instance_type=instance_type(
                job.resources, settings.instance_type, self._config, training=training
            ),
            role=settings.execution_role or self._config.execution_role,
            output=self._folder(),
            settings=settings,
            restarts=RESTARTS if job.role is Role.FUNCTION else 0,
        )

    def _create_job(self, name: str, task: requests.Task) -> JobHandle:
        kind = "Training" if task.is_training else "Processing"
        named = {f"{kind}JobName": name}
        try:
            answer = self._ask("sagemaker", f"create_{kind.lower()}_job", **named, **task.request())
        except RefusedError as refused:
            if code_of(refused.error) != NAME_IS_TAKEN:
                raise
            # The name is this key's alone: it is a request that was repeated.
            answer = self._ask("sagemaker", f"describe_{kind.lower()}_job", **named)
        return str(answer[f"{kind}JobArn"])

    def _pipeline(self, unique: str, words: str) -> Pipeline:
        name = unique_name(words, unique=unique, max_length=LONGEST_PIPELINE_NAME)
        return Pipeline(self._aws(), name, self._config.execution_role)

    # ---- Secrets, and requests

    def _keep(self, name: str, job: JobSpec) -> str | None:
        """Keeps what is secret of a job, if it is to be kept, and returns the secret's ARN."""
        if not cast("Settings", job.settings).secrets_manager:
            return None
        try:
            text = json.dumps(dict(job.secrets))
            self._ask("secretsmanager", "create_secret", Name=name, SecretString=text)
        except RefusedError as refused:
            # The name is this key's alone: it is a request that was repeated.
            if code_of(refused.error) != "ResourceExistsException":
                raise
        return self._secret(name)

    def _secret(self, name: str) -> str:
        """Returns the ARN of a secret. Secrets are in the account of the role that reads them."""
        role = self._config.execution_role.split(":")
        return f"arn:{role[1]}:secretsmanager:{self._aws().region}:{role[4]}:secret:{name}"

    def _delete_secret(self, name: str) -> None:
        # After the run its token is of no use, so a refusal does no harm.
        with suppress(JobRefused):
            self._ask(
                "secretsmanager",
                "delete_secret",
                SecretId=self._secret(name),
                ForceDeleteWithoutRecovery=True,
            )

    def _ask(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        with asked():
            return self._aws().call(service, operation, **arguments)


@contextmanager
def asked() -> Iterator[None]:
    """Puts AWS's errors into the engine's words.

    Raises:
        AwsUnavailableError: If it is worth another try.
        RefusedError: If AWS refuses.
        JobRefused: If boto3 does, as there is no login, say.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) in OVERLOADED:
            raise AwsUnavailableError(reason(error)) from error
        raise RefusedError(error) from error
    except NO_ANSWER as error:
        raise AwsUnavailableError(str(error)) from error
    except BotoCoreError as error:
        raise JobRefused(str(error)) from error


def run_of(key: JobKey) -> str:
    """Returns what the names of a run's jobs begin with. Jobs can be listed by it."""
    return "r" + hashlib.sha256(key.run.encode()).hexdigest()[:11]


def step_name(name: str) -> str:
    """Makes the name of a pipeline's step: its own if SageMaker takes it, or one like it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html
    """
    if re.fullmatch(r"[A-Za-z0-9\-_]{1,64}", name):
        return name
    return unique_name(name, unique=name, max_length=64)
