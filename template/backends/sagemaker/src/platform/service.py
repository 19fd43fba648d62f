# YOURS: how pipelines and jobs run on SageMaker
"""SageMaker and EventBridge Scheduler: `SageMakerService`."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, cast

from zenml.constants import METADATA_ORCHESTRATOR_LOGS_URL, METADATA_ORCHESTRATOR_URL

from .. import environment as variables
from ..engine.protocols import JobKey, Role
from ..engine.services.protocols import PipelineService, PipelineSpec
from ..engine.services.requests import as_pipeline
from ..engine.services.secrets import kept
from ..engine.slugs import unique_name
from ..job_files import own_job
from ..run_id import EXECUTION_VARIABLE, RunId
from . import requests, schedules
from .arns import JOBS, PIPELINE, Arn
from .aws import AwsUnavailableError, RefusedError, if_there, model_of
from .job_status import call_about, job_call, status_of, status_of_step
from .pipelines import Pipeline
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from zenml.config.schedule import Schedule

    from ..config import Config, Settings
    from ..engine.protocols import JobHandle, JobSpec, JobStatus
    from .aws import Aws

# What SageMaker says of a job of a name that is taken.
NAME_IS_TAKEN = "ResourceInUse"

LONGEST_SCHEDULE_NAME = 64
# SageMaker would take 256. But the ARN of an execution has the name in it, and ZenML has room for
# 255 characters. Beside the name, the partition and the region an ARN has 61; the longest partition
# has 10 (`aws-us-gov`), and the longest region 15 today (`us-isof-south-1`). 41 are left over.
LONGEST_PIPELINE_NAME = 128


class SageMakerService(PipelineService):
    """Runs pipelines and jobs on SageMaker. A handle is an ARN; a schedule's, its name."""

    transient = (AwsUnavailableError,)
    unknown_seconds = 60.0
    poll_seconds = 10.0

    def __init__(self, config: Config, aws: Aws, folder: Callable[[], str]) -> None:
        """Asks nobody yet.

        Args:
            config: The orchestrator's config.
            aws: The login.
            folder: Returns where in S3 the files of jobs go.
        """
        self._config, self.aws, self._folder = config, aws, folder

    # ---- What the engine asks

    def validate(self, job: JobSpec) -> None:
        """Makes the requests for a job, and submits none.

        Raises:
            ValueError: If no instance type is enough, or settings or variables do not fit.
        """
        if problems := list(filter(None, map(self._problem_of, as_pipeline(job).steps))):
            raise ValueError(" ".join(problems))

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts an execution or a job; the same key gets the same one."""
        name = unique_name(prefix_of(job.key.run), job.name, unique=str(job.key), max_length=63)
        with kept(self._store_for(job), job, name) as hidden:
            if isinstance(hidden, PipelineSpec):
                return self._start(hidden, name)
            return self._create_job(name, self._task(hidden))

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks how executions and jobs are: SageMaker tells it of one at a time."""
        found = {handle: self._status(handle) for handle in handles}
        return {handle: status for handle, status in found.items() if status is not None}

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        """Asks how the steps of an execution are that have begun."""
        found: dict[str, JobStatus] = {}
        if Arn.parse(handle).kind != PIPELINE:
            return found
        listed = "list_pipeline_execution_steps", "PipelineExecutionSteps"
        about: dict[str, Any] = {"PipelineExecutionArn": handle, "MaxResults": 100}
        with if_there():
            for step in self.aws.pages("sagemaker", *listed, **about):
                # ZenML's name of a step is its `StepDisplayName`: see `_definition`.
                name = step.get("StepDisplayName") or step["StepName"]
                found[name] = status_of_step(self.aws, step)
        return found

    def stop(self, handle: JobHandle) -> None:
        """Asks SageMaker to stop something: by SIGTERM, and after two minutes by SIGKILL.

        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StopTrainingJob.html
        """
        try:
            call_about(self.aws, "stop", Arn.parse(handle))
        except RefusedError:  # As of what has ended, or is not there.
            known = self._status(handle)
            if known is not None and not known.phase.is_terminal:
                raise

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns no lines: they are in CloudWatch, to which `links` leads."""
        return iter(())

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the jobs of a run by their names, and their keys in their variables."""
        found = {}
        for kind in JOBS.values():
            listed = f"list_{kind.lower()}_jobs", f"{kind}JobSummaries"
            for job in list(self.aws.pages("sagemaker", *listed, NameContains=prefix_of(run))):
                described = job_call(self.aws, "describe", kind, job[f"{kind}JobName"])
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
                found = call_about(self.aws, "describe", arn)
            except RefusedError:  # It is gone.
                return
            name = found.get("PipelineExecutionDisplayName", "")
        if name:
            self.secret_store.delete(self.secret_store.reference(name))

    # ---- Schedules

    def create_schedule(self, schedule: Schedule, job: JobSpec) -> str:
        """Lets EventBridge Scheduler start a pipeline of the schedule's own at each firing."""
        role = self._config.scheduler_role
        if role is None:
            raise ValueError(
                "The orchestrator has no `scheduler_role`: set it to the ARN of an IAM role that "
                "EventBridge Scheduler may assume to start the pipeline."
            )
        settings = cast("Settings", job.settings)
        when = schedules.write_schedule(schedule, settings.schedule_time_zone)
        name = unique_name(job.name, unique=str(job.key), max_length=LONGEST_SCHEDULE_NAME)
        target = {"RoleArn": role, "SageMakerPipelineParameters": {"PipelineParameterList": []}}
        pipeline = Pipeline(self.aws, name, self._config.execution_role)
        try:
            with kept(self._store_for(job), as_pipeline(job), name, for_good=True) as hidden:
                definition = self._definition(hidden)
                version = pipeline.put(
                    definition, self._folder(), settings.pipeline_tags, settings.max_parallelism
                )
                target["Arn"] = version["PipelineArn"]
                self.aws.call("scheduler", "create_schedule", Name=name, **when, Target=target)
        except BaseException:
            self.delete_schedule(name)
            raise
        return name

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None:
        """Changes a schedule; what is None stays as it is.

        The rest of it has to be said again, or AWS takes its defaults.
        """
        known = self.aws.call("scheduler", "get_schedule", Name=handle)
        taken = model_of("scheduler").operation_model("UpdateSchedule").input_shape.members
        changed = {key: known[key] for key in taken if key in known}
        if cron:
            changed["ScheduleExpression"] = f"cron({schedules.aws_cron(cron)})"
        if active is not None:
            changed["State"] = "ENABLED" if active else "DISABLED"
        self.aws.call("scheduler", "update_schedule", **changed)

    def delete_schedule(self, handle: str) -> None:
        """Deletes a schedule, its secret and its pipeline, and stops its executions."""
        with if_there():
            self.aws.call("scheduler", "delete_schedule", Name=handle)
        Pipeline(self.aws, handle, self._config.execution_role).delete(self.stop)
        self.secret_store.delete(self.secret_store.reference(handle))

    def _status(self, handle: JobHandle) -> JobStatus | None:
        """Asks how one execution or job is; None if SageMaker does not know it."""
        with if_there():
            return status_of(self.aws, Arn.parse(handle))
        return None

    # ---- How a job looks

    def _problem_of(self, job: JobSpec) -> str | None:
        try:
            self._task(job).request()
        except ValueError as error:
            return f"`{job.name}`: {error}"
        return None

    def _definition(self, job: PipelineSpec) -> str:
        """Writes the definition of a pipeline. A step's `DisplayName` is ZenML's name of it."""
        tasks = [self._task(each, in_pipeline=True) for each in job.steps]
        return requests.definition((task, job.upstream[task.job.name]) for task in tasks)

    def _task(self, job: JobSpec, *, in_pipeline: bool = False) -> requests.Task:
        told: dict[str, Any] = {variables.KEY_VARIABLE: str(job.key)}
        if in_pipeline:
            told[EXECUTION_VARIABLE] = {"Get": "Execution.PipelineExecutionArn"}
            told[RunId.variable] = {"Get": RunId.property}
        elif job.role is Role.FUNCTION:
            told[RunId.function_variable] = "yes"
        return requests.Task(job, self._config, self._folder(), told)

    def _create_job(self, name: str, task: requests.Task) -> JobHandle:
        try:
            answer = job_call(self.aws, "create", task.kind, name, **task.request())
        except RefusedError as refused:
            if refused.code != NAME_IS_TAKEN:
                raise
            # The name is this key's alone: it is a request that was repeated.
            answer = job_call(self.aws, "describe", task.kind, name)
        return str(answer[f"{task.kind}JobArn"])

    def _start(self, job: PipelineSpec, name: str) -> JobHandle:
        settings = cast("Settings", job.settings)
        pipeline = self._pipeline_of(job)
        version = pipeline.put(self._definition(job), self._folder(), settings.pipeline_tags)
        token = hashlib.sha256(str(job.key).encode()).hexdigest()
        shown = name if settings.secrets_manager else None
        return pipeline.start(version, token, shown, settings.max_parallelism)

    def _pipeline_of(self, job: PipelineSpec) -> Pipeline:
        unique = f"{job.labels['project_id']}/{job.name}"
        name = unique_name(job.name, unique=unique, max_length=LONGEST_PIPELINE_NAME)
        return Pipeline(self.aws, name, self._config.execution_role)

    # ---- Secrets

    @property
    def secret_store(self) -> Secrets:
        """AWS Secrets Manager, for jobs whose settings say so."""
        return Secrets(self.aws, self._config.execution_role)

    def _store_for(self, job: JobSpec) -> Secrets | None:
        return self.secret_store if cast("Settings", job.settings).secrets_manager else None


def prefix_of(run: str) -> str:
    """Returns what the names of a run's jobs begin with. Jobs can be listed by it."""
    return "r" + hashlib.sha256(run.encode()).hexdigest()[:11]
