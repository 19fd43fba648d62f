# YOURS: SageMaker's pipelines, and the schedules that start them
"""SageMaker pipelines: a submission is a version of one; a schedule has one of its own."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import ClientError

from .arns import Arn
from .aws import code_of, is_missing
from .job_status import phase_of
from .requests import tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .aws import Aws
    from .requests import Object

# Above this, in bytes, a definition is put into S3. The API's reference allows for a megabyte; the
# SageMaker SDK takes this limit, and so has had it tried by many.
LONGEST_INLINE = 100 * 1024

CONFLICT = "ConflictException"

# How often a pipeline may be in somebody else's hands when it is to get a new version.
CONFLICTS = 10

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
            ClientError: If AWS refuses.
        """
        what = {**self._definition(definition, folder), **parallelism(most_steps)}
        try:
            found = self._update(what)
        except ClientError as error:
            if not is_missing(error):
                raise
            return self._create(what, labels)
        if labels:
            self._aws.call(
                "sagemaker", "add_tags", ResourceArn=found["PipelineArn"], Tags=tags(labels)
            )
        return found

    def start(self, found: Object, token: str, name: str, most_steps: int | None) -> Arn:
        """Starts an execution.

        Args:
            found: What `put` has returned.
            token: Tells it from all others: a request that is repeated starts no second one.
            name: What it is called beside its ID: its secret, by which that is deleted.
            most_steps: How many steps may be in progress at the same time.

        Raises:
            ClientError: If AWS refuses.
        """
        started = self._aws.call(
            "sagemaker",
            "start_pipeline_execution",
            PipelineName=self.name,
            **version_of(found),
            ClientRequestToken=token,
            **({"PipelineExecutionDisplayName": name} if name else {}),
            **parallelism(most_steps),
        )
        return Arn.parse(started["PipelineExecutionArn"])

    def delete(self, stop: Callable[[Arn], None]) -> None:
        """Deletes the pipeline, if it is there, and stops the executions in progress before.

        SageMaker deletes none that has any.

        Args:
            stop: Stops an execution.

        Raises:
            ClientError: If SageMaker refuses.
        """
        try:
            for arn in self._executions():
                stop(arn)
            while self._executions():
                time.sleep(PAUSE)
            self._aws.call("sagemaker", "delete_pipeline", PipelineName=self.name)
        except ClientError as error:
            if not is_missing(error):
                raise

    def _executions(self) -> list[Arn]:
        """Lists the executions in progress."""
        found = self._aws.pages(
            "sagemaker",
            "list_pipeline_executions",
            "PipelineExecutionSummaries",
            PipelineName=self.name,
        )
        return [
            Arn.parse(each["PipelineExecutionArn"])
            for each in found
            if not phase_of(each["PipelineExecutionStatus"]).is_terminal
        ]

    def _update(self, what: Object) -> Object:
        """Makes a new version. Another submission may be doing so, which SageMaker refuses."""
        conflicts = 0
        while True:
            try:
                return self._aws.call("sagemaker", "update_pipeline", **what)
            except ClientError as error:
                conflicts += 1
                if code_of(error) != CONFLICT or conflicts > CONFLICTS:
                    raise
            time.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    def _create(self, what: Object, labels: Mapping[str, str]) -> Object:
        refused = None
        try:
            self._aws.call("sagemaker", "create_pipeline", **what, Tags=tags(labels))
        except ClientError as error:  # Somebody else may have made it meanwhile.
            refused = error
        try:
            # The first version's number is not said, and it may be somebody else's.
            return self._update(what)
        except ClientError as error:
            if refused is not None and is_missing(error):
                raise refused from None
            raise

    def _definition(self, definition: str, folder: str) -> Object:
        what: Object = {"PipelineName": self.name, "RoleArn": self._role}
        content = definition.encode()
        if len(content) <= LONGEST_INLINE:
            return {**what, "PipelineDefinition": definition}
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        key = f"{prefix}/definitions/{self.name}/{uuid4()}.json"
        self._aws.call("s3", "put_object", Bucket=bucket, Key=key, Body=content)
        what["PipelineDefinitionS3Location"] = {"Bucket": bucket, "ObjectKey": key}
        return what


def version_of(found: Object) -> Object:
    """Says which version of a pipeline is meant, as far as SageMaker has said it."""
    key = "PipelineVersionId"
    return {key: found[key]} if key in found else {}


def parallelism(most_steps: int | None) -> Object:
    """Says how many steps may be in progress at the same time, if that is limited."""
    if most_steps is None:
        return {}
    return {"ParallelismConfiguration": {"MaxParallelExecutionSteps": most_steps}}


def create_schedule(aws: Aws, name: str, when: Object, pipeline_arn: str, role: str) -> None:
    """Lets EventBridge Scheduler start a pipeline: always its latest version.

    Args:
        aws: The login.
        name: The schedule's name.
        when: When, as `schedules.py` says it.
        pipeline_arn: The pipeline.
        role: ARN of the IAM role by which it is started.

    Raises:
        ClientError: If AWS refuses.
    """
    target = {
        "Arn": pipeline_arn,
        "RoleArn": role,
        "SageMakerPipelineParameters": {"PipelineParameterList": []},
    }
    aws.call("scheduler", "create_schedule", Name=name, **when, Target=target)


def change_schedule(aws: Aws, name: str, **changes: str) -> None:
    """Changes a schedule. The rest of it has to be said again, or AWS takes its defaults.

    Raises:
        ClientError: If AWS refuses, or there is none.
    """
    known = aws.call("scheduler", "get_schedule", Name=name)
    kept: Object = {
        key: known[key]
        for key in (
            "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "State",
            "FlexibleTimeWindow", "Target", "Description", "GroupName", "KmsKeyArn",
        )
        if key in known
    }  # fmt: skip
    aws.call("scheduler", "update_schedule", Name=name, **(kept | changes))


def delete_schedule(aws: Aws, name: str) -> None:
    """Deletes a schedule, if it is there."""
    try:
        aws.call("scheduler", "delete_schedule", Name=name)
    except ClientError as error:
        if not is_missing(error):
            raise
