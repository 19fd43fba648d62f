# YOURS: what SageMaker is asked to run
"""What SageMaker is asked to run: requests for jobs, and the definition of a pipeline.

A step of a pipeline has the request of its job as its `Arguments`, but for the job's name, which
SageMaker makes. The definition is a JSON document:
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.validate import ParamValidator

from ..engine.protocols import Role
from ..engine.services.requests import merge
from ..engine.slugs import unique_name
from ..environment import LONGEST, pack
from ..resources import instance_type
from .aws import model_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..config import Config, Settings
    from ..engine.protocols import JobSpec

# What boto3 takes as arguments, and SageMaker as JSON.
Object = dict[str, Any]

# Where a processing job finds its data and leaves its files; training jobs have fixed places.
PROCESSING_INPUT = "/opt/ml/processing/input/data"
PROCESSING_OUTPUT = "/opt/ml/processing/output/data"
# What the one channel of a training job is called by default, as in the SageMaker SDK.
CHANNEL = "training"

# What goes wrong before a job has begun is tried again by SageMaker. What goes wrong later is not:
# the step has begun for ZenML, and only the step's own process can begin it again.
# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
RETRY_POLICIES = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "IntervalSeconds": 10,
        "BackoffRate": 2.0,
        "MaxAttempts": 5,
    },
    {
        "ExceptionType": ["SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 60,
        "BackoffRate": 1.5,
        "MaxAttempts": 5,
    },
]


# How often SageMaker starts a dynamic pipeline's function again when its host fails, which keeps
# the ARN and so the run ID. Of processing jobs it starts none again.
RESTARTS = 3


@dataclass(frozen=True)
class Task:
    """One job, as SageMaker is asked for it.

    Attributes:
        job: What it is to run.
        config: The orchestrator's config.
        folder: Where in S3 the files of a training job go.
        told: More variables; some may be values that SageMaker resolves.
    """

    job: JobSpec
    config: Config
    folder: str
    told: Mapping[str, Any]

    @property
    def settings(self) -> Settings:
        """What the user has set for it."""
        return cast("Settings", self.job.settings)

    @property
    def kind(self) -> str:
        """The kind of job, as the API has it: `Training` or `Processing`."""
        return "Training" if self.settings.use_training_step else "Processing"

    def request(self) -> Object:
        """Returns the request for its job, without a name.

        Raises:
            ValueError: If no instance type is enough, the variables do not fit, or the settings, or
                `job_arguments`, have what such a job does not have.
        """
        settings = self.settings
        check_settings(settings)
        request = given(
            {
                "RoleArn": settings.execution_role or self.config.execution_role,
                "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_in_seconds},
                "Environment": self.environment(),
                "Tags": tags(settings.tags),
                **(training_job(self) if settings.use_training_step else processing_job(self)),
            }
        )
        if settings.job_arguments:
            merge(request, settings.job_arguments)
            check_job(request, self.kind)
        return request

    def environment(self) -> Object:
        """Returns the variables as SageMaker takes them."""
        job = self.job
        found = {**job.environment, **self.settings.environment, **job.secrets, **self.told}
        return pack(found, LONGEST[self.kind], restored=self.begins_with_ours)

    @property
    def begins_with_ours(self) -> bool:
        """Whether our first process is in the container, and not a command of the user's."""
        return "-m" in self.job.command


def training_job(task: Task) -> Object:
    """Returns what the request for a training job has of its own.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    settings, is_function = task.settings, task.job.role is Role.FUNCTION
    return {
        "AlgorithmSpecification": {
            "TrainingImage": task.job.image,
            "TrainingInputMode": "File",
            **program(task),
        },
        "OutputDataConfig": {
            "S3OutputPath": settings.output_data_s3_uri or task.folder,
            "KmsKeyId": settings.output_kms_key,
        },
        "ResourceConfig": {
            **machine(task),
            "KeepAlivePeriodInSeconds": settings.keep_alive_period_in_seconds or None,
        },
        "RetryStrategy": {"MaximumRetryAttempts": RESTARTS if is_function else None},
        "VpcConfig": vpc_config(settings),
        "InputDataConfig": [
            {
                "ChannelName": channel or CHANNEL,
                "InputMode": settings.input_data_s3_mode,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": uri,
                        "S3DataDistributionType": "FullyReplicated",
                    },
                },
            }
            for channel, uri in channels(settings.input_data_s3_uri)
        ],
    }


def processing_job(task: Task) -> Object:
    """Returns what the request for a processing job has of its own.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
    """
    settings = task.settings
    outputs = [
        {
            "OutputName": channel or "data",
            "S3Output": {
                "S3Uri": uri,
                "LocalPath": "/".join(filter(None, (PROCESSING_OUTPUT, channel))),
                "S3UploadMode": settings.output_data_s3_mode,
            },
        }
        for channel, uri in channels(settings.output_data_s3_uri)
    ]
    return {
        "AppSpecification": {"ImageUri": task.job.image, **program(task)},
        "ProcessingResources": {"ClusterConfig": machine(task)},
        "NetworkConfig": {"VpcConfig": vpc_config(settings)},
        "ProcessingInputs": [
            {
                "InputName": channel or "data",
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": "/".join(filter(None, (PROCESSING_INPUT, channel))),
                    "S3DataType": "S3Prefix",
                    "S3InputMode": settings.input_data_s3_mode,
                },
            }
            for channel, uri in channels(settings.input_data_s3_uri)
        ],
        "ProcessingOutputConfig": {
            "Outputs": outputs,
            "KmsKeyId": settings.output_kms_key if outputs else None,
        },
    }


def given(request: Object) -> Object:
    """Leaves out of a request what is None or empty, at any depth. Empty texts stay."""
    found = {
        key: given(value) if isinstance(value, dict) else value for key, value in request.items()
    }
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def machine(task: Task) -> Object:
    """Says what a job runs on."""
    settings, wanted = task.settings, task.job.resources
    return {
        "InstanceType": instance_type(wanted, settings.instance_type, task.config, task.kind),
        "InstanceCount": 1,
        "VolumeSizeInGB": settings.volume_size_in_gb,
        "VolumeKmsKeyId": settings.volume_kms_key,
    }


def program(task: Task) -> Object:
    """Says what the container runs."""
    command = list(task.job.command)
    entrypoint = 3 if task.begins_with_ours else len(command)
    return {
        "ContainerEntrypoint": command[:entrypoint],
        "ContainerArguments": command[entrypoint:],
    }


def channels(uri: str | Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Lists channels and addresses; a single address has a channel without a name."""
    return [("", uri)] if isinstance(uri, str) else list((uri or {}).items())


def vpc_config(settings: Settings) -> Object:
    """Says in which part of a VPC a job runs, if in one."""
    return {"Subnets": settings.subnets, "SecurityGroupIds": settings.security_group_ids}


def tags(values: Mapping[str, str]) -> list[Object]:
    """Writes tags as AWS has them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def check_settings(settings: Settings) -> None:
    """Checks that a kind of job has all that is set, so that nothing is ignored.

    Raises:
        ValueError: If there is a setting that it does not have.
    """
    training = settings.use_training_step
    if training and isinstance(settings.output_data_s3_uri, dict):
        raise ValueError(
            "`output_data_s3_uri` has channels, and a training job has but one output: give it one "
            "address, or set `use_training_step` to False."
        )
    if training and settings.output_data_s3_mode != "EndOfJob":
        raise ValueError(
            f"`output_data_s3_mode` is `{settings.output_data_s3_mode}`; the files of a training "
            "job are copied at its end: leave it out, or set `use_training_step` to False."
        )
    if not training and settings.input_data_s3_mode == "FastFile":
        raise ValueError(
            "`input_data_s3_mode` is `FastFile`, which processing jobs do not have: use `File` or "
            "`Pipe`, or set `use_training_step` to True."
        )
    if bool(settings.subnets) != bool(settings.security_group_ids):
        raise ValueError(
            "`subnets` and `security_group_ids` go together: set both, or neither of them."
        )


def check_job(request: Object, kind: str) -> None:
    """Checks a request against boto3's description of the API, before anything is submitted.

    Raises:
        ValueError: If SageMaker knows no such argument, or not such a value.
    """
    named = {f"{kind}JobName": "name", **request, "Environment": dict[str, str]()}
    shape = model_of("sagemaker").shape_for(f"Create{kind}JobRequest")
    report = ParamValidator().validate(named, shape)
    if report.has_errors():
        raise ValueError(
            f"With `job_arguments`, SageMaker would refuse the {kind.lower()} job: "
            f"{report.generate_report()}"
        )


def definition(steps: Iterable[tuple[Task, Iterable[str]]]) -> str:
    """Writes the definition of a pipeline.

    Args:
        steps: The job of each step, with the names of the steps that have to succeed before.
    """
    found = []
    for task, upstream in steps:
        step = {
            "Name": step_name(task.job.name),
            "DisplayName": task.job.name,
            "Type": task.kind,
            "Arguments": task.request(),
            "RetryPolicies": RETRY_POLICIES,
        }
        if depends_on := list(map(step_name, upstream)):
            step["DependsOn"] = depends_on
        found.append(step)
    return json.dumps({"Version": "2020-12-01", "Steps": found}, separators=(",", ":"))


def step_name(name: str) -> str:
    """Makes the name of a pipeline's step: its own if SageMaker takes it, or one like it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html
    """
    if re.fullmatch(r"[A-Za-z0-9\-_]{1,64}", name):
        return name
    return unique_name(name, unique=name, max_length=64)
