# YOURS: what SageMaker and a container tell each other in files
"""What SageMaker and a job's container tell each other in files.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

# SageMaker sets it in the containers of training jobs.
TRAINING_JOB_ARN = "TRAINING_JOB_ARN"

PROCESSING_CONFIG = Path("/opt/ml/config/processingjobconfig.json")

# What a training job says here becomes its `FailureReason`; SageMaker takes 1024 characters.
TRAINING_FAILURE = Path("/opt/ml/output/failure")
# And what a processing job says here its `ExitMessage`.
PROCESSING_MESSAGE = Path("/opt/ml/output/message")
LONGEST_MESSAGE = 1024


def own_job() -> str | None:
    """Tells the ARN of the job that this process runs in; None if it does not run in one."""
    if arn := os.environ.get(TRAINING_JOB_ARN):
        return arn
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(PROCESSING_CONFIG.read_text())["ProcessingJobArn"])
    return None


def write_failure(reason: str) -> None:
    """Tells SageMaker why the job fails."""
    training = TRAINING_JOB_ARN in os.environ
    with suppress(OSError):  # Not in a job, or the disk is full, which may be the reason.
        path = TRAINING_FAILURE if training else PROCESSING_MESSAGE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reason[:LONGEST_MESSAGE])
