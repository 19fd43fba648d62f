# YOURS: ARNs, and where the console shows what they name
"""ARNs of executions and jobs, and where the console shows them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re
from typing import NamedTuple

# The console's host in each partition; it comes after the region.
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}

# What each kind is called in an ARN; the kinds of jobs, as the API has them; and their pages.
PIPELINE = "pipeline"
TRAINING = "training-job"
PROCESSING = "processing-job"
JOBS = {TRAINING: "Training", PROCESSING: "Processing"}
CONSOLE_PATHS = {TRAINING: "jobs", PROCESSING: "processing-jobs"}

ARN = re.compile(
    rf"arn:([^:]+):sagemaker:([^:]+):\d+:({PIPELINE}|{TRAINING}|{PROCESSING})/([^/]+)"
    r"(?:/execution/([^/]+))?"
)


class Arn(NamedTuple):
    """An ARN of a pipeline execution, or of a job.

    Attributes:
        text: The whole ARN.
        partition: Such as `aws` or `aws-cn`.
        region: Such as `eu-west-1`.
        kind: `pipeline`, `training-job` or `processing-job`.
        name: The pipeline's or the job's name.
        execution: The ID of the execution; empty for a job.
    """

    text: str
    partition: str
    region: str
    kind: str
    name: str
    execution: str = ""

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Reads an ARN.

        Raises:
            ValueError: If it is none of an execution or a job.
        """
        found = ARN.fullmatch(text)
        if found is None:
            raise ValueError(f"`{text}` is no ARN of a SageMaker pipeline execution or a job.")
        return cls(text, *found.groups(default=""))

    def console_url(self, studio_domain_id: str | None) -> str:
        """Returns a link to where a person sees the execution or the job.

        Args:
            studio_domain_id: The ID of a Studio domain. The console itself does not show
                pipelines, only their jobs. Studio's address is known in the partition `aws`.
        """
        if studio_domain_id and self.kind != PROCESSING and self.partition == "aws":
            path = (
                f"pipelines/view/{self.name}/executions/{self.execution}/graph"
                if self.kind == PIPELINE
                else f"jobs/train/{self.name}"
            )
            return f"https://studio-{studio_domain_id}.studio.{self.region}.sagemaker.aws/{path}"
        path = CONSOLE_PATHS.get(self.kind, "jobs")
        detail = "" if self.kind == PIPELINE else f"/{self.name}"
        return f"{self._console()}/sagemaker/home?region={self.region}#/{path}{detail}"

    def logs_url(self, *, training: bool) -> str:
        """Returns a link to the logs of the job, or of the execution's jobs, in CloudWatch.

        Args:
            training: Whether the execution's steps are training jobs.
        """
        kind = JOBS.get(self.kind) or ("Training" if training else "Processing")
        group = f"$252Faws$252Fsagemaker$252F{kind}Jobs"
        # The service names the jobs of a pipeline after the execution.
        stream = f"pipelines-{self.execution}" if self.kind == PIPELINE else self.name
        return (
            f"{self._console()}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/"
            f"{group}$3FlogStreamNameFilter$3D{stream}"
        )

    def _console(self) -> str:
        return f"https://{self.region}.{CONSOLES.get(self.partition, CONSOLES['aws'])}"
