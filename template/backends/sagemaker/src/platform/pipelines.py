# YOURS: SageMaker's pipelines
"""SageMaker pipelines: a submission is a version of one; a schedule has one of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from .aws import AwsUnavailableError, RefusedError, if_there
from .job_status import phase_of
from .requests import tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..engine.protocols import JobHandle
    from .aws import Aws
    from .requests import Object

# Above this, in bytes, a definition is put into S3. The API's reference allows for a megabyte; the
# SageMaker SDK takes this limit, and so has had it tried by many.
LONGEST_INLINE = 100 * 1024

# What SageMaker says of a pipeline that is in somebody else's hands.
CONFLICT = "ConflictException"

# How often it is looked whether executions have ended, in seconds: they have two minutes.
PAUSE = 2.0


class Pipeline:
    """A SageMaker pipeline. It gets a new version for each submission.

    So an account has as many as there are ZenML pipelines, and not as many as there were runs: it
    may have 500. An execution is of one version, so that two submissions do not meet.
    """

    def __init__(self, aws: Aws, name: str, role: str) -> None:
        """Makes nothing yet.

        Args:
            aws: The login.
            name: The pipeline's name.
            role: ARN of the IAM role that it runs with.
        """
        self._aws = aws
        self.name = name
        self._role = role

    def put(
        self,
        definition: str,
        folder: str,
        labels: Mapping[str, str],
        most_steps: int | None = None,
    ) -> Object:
        """Makes a new version of the pipeline, and the pipeline if it is not there.

        Args:
            definition: The definition.
            folder: Where in S3 a large one goes, `s3://bucket/prefix`.
            labels: The pipeline's tags.
            most_steps: How many steps may be in progress at the same time, unless the start of an
                execution says it.

        Returns:
            The `PipelineArn`, and the `PipelineVersionId`.

        Raises:
            RefusedError: If AWS refuses.
        """
        what = {
            "PipelineName": self.name,
            "RoleArn": self._role,
            "ParallelismConfiguration": parallelism(most_steps),
            **self._definition(definition, folder),
        }
        try:
            found = self._update(what)
        except RefusedError as refused:
            if not refused.is_missing:
                raise
            return self._create(what, labels)
        if labels:
            arn = found["PipelineArn"]
            self._aws.call("sagemaker", "add_tags", ResourceArn=arn, Tags=tags(labels))
        return found

    def start(
        self, found: Object, token: str, name: str | None, most_steps: int | None
    ) -> JobHandle:
        """Starts an execution, and returns its ARN.

        Args:
            found: What `put` has returned.
            token: Tells it from all others: a request that is repeated starts no second one.
            name: What it is called beside its ID: its secret, by which that is deleted. None if it
                has none.
            most_steps: How many steps may be in progress at the same time.

        Raises:
            RefusedError: If AWS refuses.
        """
        started = self._aws.call(
            "sagemaker",
            "start_pipeline_execution",
            PipelineName=self.name,
            PipelineVersionId=found.get("PipelineVersionId"),
            ClientRequestToken=token,
            PipelineExecutionDisplayName=name,
            ParallelismConfiguration=parallelism(most_steps),
        )
        return str(started["PipelineExecutionArn"])

    def delete(self, stop: Callable[[JobHandle], None]) -> None:
        """Deletes the pipeline, if it is there, and stops the executions in progress before.

        SageMaker deletes none that has any.

        Args:
            stop: Stops an execution.

        Raises:
            RefusedError: If SageMaker refuses.
        """
        with if_there():
            for execution in self._executions():
                stop(execution)
            while self._executions():
                time.sleep(PAUSE)
            self._aws.call("sagemaker", "delete_pipeline", PipelineName=self.name)

    def _executions(self) -> list[JobHandle]:
        """Lists the executions in progress."""
        found = self._aws.pages(
            "sagemaker",
            "list_pipeline_executions",
            "PipelineExecutionSummaries",
            PipelineName=self.name,
        )
        return [
            str(each["PipelineExecutionArn"])
            for each in found
            if not phase_of(each["PipelineExecutionStatus"]).is_terminal
        ]

    def _update(self, what: Object) -> Object:
        """Makes a new version. Another submission may be doing so, and soon have done it."""
        try:
            return self._aws.call("sagemaker", "update_pipeline", **what)
        except RefusedError as refused:
            if refused.code == CONFLICT:
                raise AwsUnavailableError(str(refused)) from refused
            raise

    def _create(self, what: Object, labels: Mapping[str, str]) -> Object:
        try:
            self._aws.call("sagemaker", "create_pipeline", **what, Tags=tags(labels))
        except RefusedError:
            # Somebody else may have made it meanwhile.
            with if_there():
                return self._update(what)
            raise
        # The first version's number is not said, and it may be somebody else's.
        return self._update(what)

    def _definition(self, definition: str, folder: str) -> Object:
        content = definition.encode()
        if len(content) <= LONGEST_INLINE:
            return {"PipelineDefinition": definition}
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        key = f"{prefix}/definitions/{self.name}/{uuid4()}.json"
        self._aws.call("s3", "put_object", Bucket=bucket, Key=key, Body=content)
        return {"PipelineDefinitionS3Location": {"Bucket": bucket, "ObjectKey": key}}


def parallelism(most_steps: int | None) -> Object | None:
    """Says how many steps may be in progress at the same time, if that is limited."""
    return {"MaxParallelExecutionSteps": most_steps} if most_steps else None
