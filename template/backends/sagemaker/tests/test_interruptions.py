# YOURS: tests of what befalls runs
"""Interruptions: a function that dies, a job that is stopped from outside."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import boto3
import more_pipelines
import pytest
from harness import HARNESS
from kit import pipelines, runs
from test_settings import WORKS, stack_with
from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from kit import sagemaker_emulator
    from kit.harness import Job
    from zenml.models import PipelineRunResponse


pytestmark = pytest.mark.full


def job_of(run: PipelineRunResponse, step: str) -> Job:
    """Returns the job of an isolated step."""
    (found,) = (job for job in HARNESS.jobs(run) if job.name == step)
    return found


def test_a_function_that_dies_leaves_no_job_behind(tmp_path: Path) -> None:
    outcome = runs.execute(more_pipelines.dynamic_dying, str(tmp_path))
    assert "SIGKILL" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    job = job_of(outcome.run, "patient")
    HARNESS.wait(lambda: job.native.status == "Stopped")
    assert runs.alive(tmp_path / "pids") == []


def test_an_isolated_step_that_is_stopped_on_aws_ends_for_zenml_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It does not hear that it is told to end, so that it is in the state `Stopping` for a while.
    monkeypatch.setattr(HARNESS.account, "stop_seconds", 2.0)
    run = HARNESS.begin(more_pipelines.dynamic_deaf, str(tmp_path))
    pipelines.wait_for(tmp_path / "pids")
    name = job_of(Client().get_pipeline_run(run.id), "deaf").native.name
    boto3.client("sagemaker").stop_training_job(TrainingJobName=name)
    HARNESS.wait(lambda: Client().get_pipeline_run(run.id).status.is_finished)
    (step,) = Client().get_pipeline_run(run.id).steps.values()
    assert step.status.is_finished
    assert not step.status.is_successful


def test_a_schedule_that_is_deleted_ends_its_run_in_progress(tmp_path: Path) -> None:
    daily = Schedule(name="to-be-deleted", cron_expression="0 5 * * *")
    HARNESS.submit(pipelines.stopped.with_options(schedule=daily), str(tmp_path))
    schedule = Client().get_schedule("to-be-deleted")
    name = str(schedule.run_metadata["sagemaker_schedule"])
    HARNESS.account.fire(name)
    pipelines.wait_for(tmp_path / "pids")
    Client().delete_schedule(schedule.id)
    assert runs.alive(tmp_path / "pids") == []
    sagemaker = boto3.client("sagemaker")
    assert name not in str(sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"])


def test_in_a_job_the_login_is_that_of_the_job_s_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A profile is on the machine of whoever submits, and in no container.
    keys = HARNESS.account.environment()
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[mine]\n"
        f"aws_access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    with stack_with(**WORKS, aws_profile="mine"):
        outcome = runs.execute(pipelines.dynamic)
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED


def test_a_request_to_end_reaches_a_step_that_has_just_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HARNESS.account, "stop_seconds", 120.0)
    run = HARNESS.begin(pipelines.stopped, str(tmp_path))
    HARNESS.wait(lambda: any(job.pid for job in records(run)))
    (record,) = records(run)
    boto3.client("sagemaker").stop_training_job(TrainingJobName=record.name)
    started = time.monotonic()
    HARNESS.wait(lambda: record.status == "Stopped")
    assert time.monotonic() - started < HARNESS.account.stop_seconds / 2


def records(run: PipelineRunResponse) -> list[sagemaker_emulator.Job]:
    """Returns a run's jobs, as the emulator has them."""
    return [job.native for job in HARNESS.jobs(Client().get_pipeline_run(run.id))]
