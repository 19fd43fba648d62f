# YOURS: what SageMaker's words for a status mean
"""How executions, their steps and jobs are, as SageMaker tells it, in the engine's words."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.protocols import JobStatus, Phase
from .arns import JOBS, PIPELINE, Arn

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
# What is said of any processing job whose container fails. ZenML knows better why.
NO_CAUSE = re.compile(r"(?:ClientError: )?AlgorithmError: See job logs for more information\.?")

TOO_LATE = "it took longer than its max_runtime_in_seconds"


def phase_of(word: str) -> Phase:
    """Puts one of SageMaker's words into the engine's."""
    return PHASES.get(word, Phase.RUNNING)


def status(word: str, reason: str) -> JobStatus:
    """Makes a status of one of SageMaker's words, and of what it says of a failure."""
    phase = phase_of(word)
    if found := PROGRAM_FAILED.fullmatch(reason):
        return JobStatus(phase, found[1], int(found[2]))
    reason = NO_CAUSE.sub("", reason)
    return JobStatus(phase, reason, 0 if phase is Phase.SUCCEEDED else None)


def status_of(aws: Aws, arn: Arn) -> JobStatus:
    """Asks how an execution or a job is.

    Raises:
        RefusedError: If SageMaker does not say, or does not know it.
    """
    found = call_about(aws, "describe", arn)
    word = "PipelineExecutionStatus" if arn.kind == PIPELINE else f"{JOBS[arn.kind]}JobStatus"
    known = status(found[word], found.get("FailureReason", ""))
    detail = found.get("SecondaryStatus", "")  # of a training job
    if known.phase is Phase.RUNNING and detail in BEFORE_IT_RUNS:
        return JobStatus(Phase.PENDING)
    if detail in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        return JobStatus(Phase.FAILED, TOO_LATE)
    # What the container of a processing job has said comes first.
    causes = found.get("ExitMessage", ""), known.reason
    return replace(known, reason=": ".join(filter(None, causes)))


def call_about(aws: Aws, verb: str, arn: Arn) -> dict[str, Any]:
    """Makes a request about an execution or a job: to `describe` or to `stop` it."""
    if arn.kind == PIPELINE:
        return aws.call("sagemaker", f"{verb}_pipeline_execution", PipelineExecutionArn=arn.text)
    return job_call(aws, verb, JOBS[arn.kind], arn.name)


def job_call(aws: Aws, verb: str, kind: str, name: str, **arguments: Any) -> dict[str, Any]:
    """Makes a request about one job.

    Args:
        aws: The login.
        verb: `create`, `describe` or `stop`.
        kind: The kind of job, `Training` or `Processing`.
        name: Its name.
        arguments: The other arguments of the operation.
    """
    named = {f"{kind}JobName": name}
    return aws.call("sagemaker", f"{verb}_{kind.lower()}_job", **named, **arguments)


def status_of_step(aws: Aws, step: dict[str, Any]) -> JobStatus:
    """Reads how a step of an execution is. Of a processing job, only the job has all of it."""
    known = status(step["StepStatus"], step.get("FailureReason", ""))
    job = step.get("Metadata", {}).get("ProcessingJob")
    if known.phase is not Phase.FAILED or not job:
        return known
    return replace(known, reason=status_of(aws, Arn.parse(job["Arn"])).reason or known.reason)
