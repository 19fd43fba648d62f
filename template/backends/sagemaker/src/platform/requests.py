# YOURS: what SageMaker is asked to run
"""What SageMaker is asked to run: requests for jobs, and the definition of a pipeline.

A step of a pipeline has the request of its job as its `Arguments`, but for the job's name, which
SageMaker makes. The definition is a JSON document:
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from ..environment import LONGEST_IN_PROCESSING, LONGEST_IN_TRAINING
from .aws import sagemaker_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..config import Settings

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


@dataclass(frozen=True)
class Task:
    """One job.

    Attributes:
        image: The container's image.
        command: The program.
        arguments: Its arguments.
        environment: The variables as SageMaker takes them; some may be values that it resolves.
        instance_type: Such as `ml.m5.xlarge`.
        role: ARN of the job's IAM role.
        output: Where in S3 the files of a training job go.
        settings: What the user has set for it.
        restarts: How often a training job is started again when its host fails.
    """

    image: str
    command: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, Any]
    instance_type: str
    role: str
    output: str
    settings: Settings
    restarts: int = 0

    @property
    def is_training(self) -> bool:
        """Whether it is a training job, and not a processing job."""
        return self.settings.use_training_step

    def request(self) -> Object:
        """Returns the request for its job, without a name.

        Raises:
            ValueError: If the settings, or `job_arguments`, have what such a job does not have.
        """
        refuse_contradictions(self.settings)
        request = training_job(self) if self.is_training else processing_job(self)
        if self.settings.tags:
            request["Tags"] = tags(self.settings.tags)
        if self.settings.job_arguments:
            merge(request, self.settings.job_arguments)
            check_job(request, training=self.is_training)
        return request


def longest_variable(*, training: bool) -> int:
    """Returns how many characters a variable of a kind of job may have."""
    return LONGEST_IN_TRAINING if training else LONGEST_IN_PROCESSING


def training_job(task: Task) -> Object:
    """Makes the request for a training job.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
    """
    settings = task.settings
    request: Object = {
        "AlgorithmSpecification": {
            "TrainingImage": task.image,
            "TrainingInputMode": "File",
            **program(task),
        },
        "RoleArn": task.role,
        "OutputDataConfig": {"S3OutputPath": task.output},
        "ResourceConfig": {
            "InstanceType": task.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": settings.volume_size_in_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_in_seconds},
        "Environment": dict(task.environment),
    }
    if task.restarts:
        request["RetryStrategy"] = {"MaximumRetryAttempts": task.restarts}
    if settings.keep_alive_period_in_seconds:
        kept = settings.keep_alive_period_in_seconds
        request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = kept
    if settings.volume_kms_key is not None:
        request["ResourceConfig"]["VolumeKmsKeyId"] = settings.volume_kms_key
    if settings.output_kms_key is not None:
        request["OutputDataConfig"]["KmsKeyId"] = settings.output_kms_key
    if isinstance(settings.output_data_s3_uri, str):
        request["OutputDataConfig"]["S3OutputPath"] = settings.output_data_s3_uri
    if vpc := vpc_config(settings):
        request["VpcConfig"] = vpc
    if settings.input_data_s3_uri is not None:
        request["InputDataConfig"] = [
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
        ]
    return request


def processing_job(task: Task) -> Object:
    """Makes the request for a processing job.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
    """
    settings = task.settings
    request: Object = {
        "AppSpecification": {"ImageUri": task.image, **program(task)},
        "RoleArn": task.role,
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": task.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": settings.volume_size_in_gb,
            },
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_runtime_in_seconds},
        "Environment": dict(task.environment),
    }
    if settings.volume_kms_key is not None:
        cluster = request["ProcessingResources"]["ClusterConfig"]
        cluster["VolumeKmsKeyId"] = settings.volume_kms_key
    if vpc := vpc_config(settings):
        request["NetworkConfig"] = {"VpcConfig": vpc}
    if settings.input_data_s3_uri is not None:
        request["ProcessingInputs"] = [
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
        ]
    if settings.output_data_s3_uri is not None:
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
        request["ProcessingOutputConfig"] = {"Outputs": outputs}
        if settings.output_kms_key is not None:
            request["ProcessingOutputConfig"]["KmsKeyId"] = settings.output_kms_key
    return request


def program(task: Task) -> Object:
    """Says what the container runs."""
    found: Object = {"ContainerEntrypoint": list(task.command)}
    if task.arguments:
        found["ContainerArguments"] = list(task.arguments)
    return found


def channels(uri: str | Mapping[str, str]) -> list[tuple[str, str]]:
    """Lists channels and addresses; a single address has a channel without a name."""
    return [("", uri)] if isinstance(uri, str) else list(uri.items())


def vpc_config(settings: Settings) -> Object | None:
    """Says in which part of a VPC a job runs, if in one."""
    if not settings.subnets:
        return None
    return {"Subnets": settings.subnets, "SecurityGroupIds": settings.security_group_ids}


def tags(values: Mapping[str, str]) -> list[Object]:
    """Writes tags as AWS has them."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def refuse_contradictions(settings: Settings) -> None:
    """Looks for settings that a kind of job does not have, so that none is ignored.

    Raises:
        ValueError: If there is one. It names the setting and the remedy.
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


def check_job(request: Object, *, training: bool) -> None:
    """Checks a request against boto3's description of the API, before anything is submitted.

    Raises:
        ValueError: If SageMaker knows no such argument, or not such a value.
    """
    kind = "Training" if training else "Processing"
    named = {f"{kind}JobName": "name", **request, "Environment": dict[str, str]()}
    report = ParamValidator().validate(
        named, sagemaker_model().shape_for(f"Create{kind}JobRequest")
    )
    if report.has_errors():
        raise ValueError(
            f"With `job_arguments`, SageMaker would refuse the {kind.lower()} job: "
            f"{report.generate_report()}"
        )


def step(name: str, task: Task, upstream: Iterable[str]) -> Object:
    """Makes a step of a pipeline.

    Args:
        name: The step's name, as SageMaker takes it.
        task: Its job.
        upstream: The names of the steps that have to succeed before.
    """
    found: Object = {
        "Name": name,
        "Type": "Training" if task.is_training else "Processing",
        "Arguments": task.request(),
        "RetryPolicies": RETRY_POLICIES,
    }
    if depends_on := list(upstream):
        found["DependsOn"] = depends_on
    return found


def pipeline(steps: Iterable[Object]) -> str:
    """Writes the definition of a pipeline."""
    definition = {"Version": "2020-12-01", "Steps": list(steps)}
    return json.dumps(definition, separators=(",", ":"))


def merge(request: Object, more: Mapping[str, Any]) -> None:
    """Adds to a request, in place: mappings are merged, and anything else is replaced."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(request.get(key), dict):
            merge(request[key], value)
        else:
            request[key] = value
