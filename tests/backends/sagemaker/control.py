"""Runs pipelines with ZenML's own `sagemaker` orchestrator on the emulator for AWS.

A program of its own: ZenML and boto3 read their environment when they are imported. The emulator is
that of a generated project with the backend `sagemaker`, whose folder `tests` is on Python's path,
as is this file's, where the containers find `shared_store`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from emulator_programs import (
    GREEDY,
    WARM,
    image,
    look,
    look_longer,
    outcome,
    register,
    register_shared_store,
    scheduled_runs,
    submit,
    use,
)
from kit import pipelines
from kit.sagemaker_emulator import Account
from kit.zenml_server import starting
from zenml.config import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zenml.pipelines.pipeline_definition import Pipeline

# Its SDK would send messages to Amazon.
# https://sagemaker.readthedocs.io/en/v2/overview.html#telemetry
NO_TELEMETRY = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
PRELOAD = (*WARM, "zenml.integrations.aws.orchestrators.sagemaker_orchestrator")
BUCKET = "bucket-of-the-tests"
STACK = "own"


@contextmanager
def emulator(home: Path) -> Iterator[Account]:
    """Starts a ZenML server and an account, and leads this process to both."""
    sdk_config = home / "sagemaker.yaml"
    sdk_config.write_text(NO_TELEMETRY)
    os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(sdk_config)
    variables = {**image(), "SAGEMAKER_USER_CONFIG_OVERRIDE": str(sdk_config)}
    with ExitStack() as stack:
        server = stack.enter_context(starting(home / "server"))
        account = stack.enter_context(Account(home / "aws", preload=PRELOAD, image=variables))
        os.environ.update(account.environment())
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": account.region}
        )
        server.wait_until_up()
        os.environ.update(server.environment)
        yield account


def register_own(home: Path, account: Account) -> None:
    """Registers the stack, and activates it."""
    role = f"arn:aws:iam::{account.account_id}:role"
    configuration = {
        "bucket": BUCKET,
        "execution_role": f"{role}/execution",
        "region": account.region,
        "scheduler_role": f"{role}/scheduler",
        # It waits half a minute before it looks again; we see for ourselves when it is done.
        "synchronous": False,
    }
    register(home, {STACK: ("sagemaker", configuration)}, store=register_shared_store())
    use(STACK, Path(pipelines.__file__).parent.parent)


def execute(
    account: Account, pipeline: Pipeline, *arguments: Any, training: bool = True
) -> dict[str, Any]:
    """Runs a pipeline to its end, and returns what came of it."""
    executions, jobs = len(account.executions), len(account.jobs)
    run_id = submit(pipeline, {"use_training_step": training}, arguments=arguments)

    def ended() -> bool:
        started = [*account.executions.values()][executions:]
        running = any(execution.status == "Executing" for execution in started)
        return not running and all(job.ended for job in account.jobs[jobs:])

    account.wait(ended, 100)
    return outcome(run_id) | {
        "executions": [
            {"arn": execution.arn, "status": execution.status, "reason": execution.failure_reason}
            for execution in [*account.executions.values()][executions:]
        ],
        "jobs": [
            {"kind": job.kind, "arn": job.arn, "step": job.step_name, "status": job.status}
            for job in account.jobs[jobs:]
        ],
        "asked": {
            job.step_name or job.arn: job.request.get("ResourceConfig")
            for job in account.jobs[jobs:]
        },
    }


def stop_in_the_middle(account: Account, pipeline: Pipeline) -> dict[str, Any]:
    """Stops an execution, by the API, while its first step runs."""
    account.stop_seconds = 0.5
    submit(pipeline)
    execution = [*account.executions.values()][-1]
    (first,) = execution.steps
    account.wait(lambda: first.job is not None and first.job.pid is not None)
    boto3.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution.arn)
    account.wait(lambda: execution.status == "Stopped")
    return {
        "status": execution.status,
        "steps": {step.name: step.status for step in execution.steps},
        "jobs": [step.job.status for step in execution.steps if step.job is not None],
    }


def fire_twice(account: Account, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Schedules a pipeline, fires its schedule twice, and returns both runs."""
    submit(pipeline, schedule=Schedule(cron_expression="0 3 * * ? *"))
    (schedule,) = boto3.client("scheduler").list_schedules()["Schedules"]
    fired = [account.fire(schedule["Name"]) for _ in range(2)]
    account.wait(lambda: all(account.executions[arn].status == "Succeeded" for arn in fired))
    return [outcome(run.id) for run in scheduled_runs()]


def main(home: Path, found: Path) -> None:
    """Runs all, and writes what came of it to a file, with the requests that were refused."""
    with emulator(home) as account:
        register_own(home, account)
        outcomes: dict[str, Any] = {
            "static": execute(account, pipelines.diamond.with_options(steps=GREEDY)),
            "processing": execute(account, pipelines.single, training=False),
            "dynamic": execute(account, pipelines.dynamic),
            "dynamic_processing": execute(account, pipelines.dynamic, training=False),
            "failing": execute(account, pipelines.failing),
            "stopped": stop_in_the_middle(account, pipelines.diamond),
            "scheduled": fire_twice(account, pipelines.single),
        }
        longer = partial(execute, account)
        outcomes |= look_longer(longer, Path(tempfile.mkdtemp(dir=home))) | look()
        outcomes["refused"] = [
            [call.service, call.operation, call.error] for call in account.calls if call.error
        ]
    found.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
