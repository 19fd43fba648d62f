# YOURS: what SageMaker's words for a status mean
"""How executions, their steps and jobs are, as SageMaker tells it, in the engine's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..engine.protocols import JobStatus, Phase
from .arns import PIPELINE, PROCESSING, TRAINING, Arn

if TYPE_CHECKING:
    from .aws import Aws

# PipelineExecutionStatus and StepStatus:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribePipelineExecution.html
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_PipelineExecutionStep.html
# TrainingJobStatus and ProcessingJobStatus:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html
# A word that is not here is new: what has it is not over.
PHASES = {
    "Starting": Phase.PENDING,
    "Stopped": Phase.STOPPED,
    "Failed": Phase.FAILED,
    "CompletedWithFailures": Phase.FAILED,
    "Succeeded": Phase.SUCCEEDED,
    "Completed": Phase.SUCCEEDED,
}

# What a training job does before its container runs: SecondaryStatus.
BEFORE_IT_RUNS = {"Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack"}
BEFORE_IT_RUNS |= {"Downloading", "DownloadingTrainingImage"}

# How a training job says what its container has said, and its exit code:
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
PROGRAM_FAILED = re.compile(r"(?:ClientError: )?AlgorithmError: (.*), exit code: (\d+)", re.DOTALL)

TOO_LATE = "it took longer than its max_runtime_in_seconds"


def phase_of(word: str) -> Phase:
    """Puts one of SageMaker's words into the engine's."""
    return PHASES.get(word, Phase.RUNNING)


def status(word: str, reason: str) -> JobStatus:
    """Makes a status of one of SageMaker's words, and of what it says of a failure."""
    phase = phase_of(word)
    if found := PROGRAM_FAILED.fullmatch(reason):
        return JobStatus(phase, found[1], int(found[2]))
    return JobStatus(phase, reason, 0 if phase is Phase.SUCCEEDED else None)


def status_of(aws: Aws, arn: Arn) -> JobStatus:
    """Asks how an execution or a job is.

    Raises:
        ClientError: If SageMaker does not say, or does not know it.
    """
    ask = {PIPELINE: of_execution, TRAINING: of_training_job, PROCESSING: of_processing_job}
    return ask[arn.kind](aws, arn)


def of_execution(aws: Aws, arn: Arn) -> JobStatus:
    """Asks how an execution is."""
    found = aws.call("sagemaker", "describe_pipeline_execution", PipelineExecutionArn=arn.text)
    return status(found["PipelineExecutionStatus"], found.get("FailureReason", ""))


def of_training_job(aws: Aws, arn: Arn) -> JobStatus:
    """Asks how a training job is."""
    found = aws.call("sagemaker", "describe_training_job", TrainingJobName=arn.name)
    known = status(found["TrainingJobStatus"], found.get("FailureReason", ""))
    detail = found.get("SecondaryStatus", "")
    if known.phase is Phase.RUNNING and detail in BEFORE_IT_RUNS:
        return JobStatus(Phase.PENDING)
    if detail in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        return JobStatus(Phase.FAILED, TOO_LATE)
    return known


def of_processing_job(aws: Aws, arn: Arn) -> JobStatus:
    """Asks how a processing job is."""
    found = aws.call("sagemaker", "describe_processing_job", ProcessingJobName=arn.name)
    causes = [found.get("FailureReason", ""), found.get("ExitMessage", "")]
    return status(found["ProcessingJobStatus"], ": ".join(filter(None, causes)))


def status_of_step(aws: Aws, step: dict[str, Any]) -> JobStatus:
    """Reads how a step of an execution is. Of a processing job, only the job has all of it."""
    reason = str(step.get("FailureReason", ""))
    job = step.get("Metadata", {}).get("ProcessingJob")
    if reason and job:
        reason = status_of(aws, Arn.parse(job["Arn"])).reason or reason
    return status(step["StepStatus"], reason)
