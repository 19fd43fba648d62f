# YOURS: tests of what a user is told of failures
"""Failures name their cause: one run, in which each step fails in a way of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import more_pipelines
import pytest
from harness import HARNESS
from kit import pipelines, runs
from kit.runs import shared_run
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from kit.runs import Outcome


pytestmark = pytest.mark.full


def kill(step: str) -> None:
    """Kills the process of a step, as when memory runs out."""
    job = [job for job in HARNESS.account.jobs if job.step_name == step][-1]
    HARNESS.account.kill(job)


@shared_run
def causes(marks: Path) -> Outcome:
    """The run, with what has to happen to its jobs from outside."""

    def interfere() -> None:
        pipelines.wait_for(marks / "out_of_memory")
        kill("out_of_memory")

    interference = threading.Thread(target=interfere)
    interference.start()
    try:
        return runs.execute(more_pipelines.all_kinds_of_failure, str(marks))
    finally:
        interference.join()


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        ("exit_code", "exit code 7"),
        ("processing", "exit code 8"),
        ("exception", "It exploded."),
        ("refused", "Cross-account"),
        ("out_of_memory", "killed by SIGKILL"),
        ("too_late", "MaxRuntimeExceeded"),
    ],
)
def test_the_user_and_zenml_are_told_the_cause(causes: Outcome, step: str, cause: str) -> None:
    run = causes.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    message = str(causes.error)
    assert f"`{step}` failed" in message
    assert cause in message.partition(f"`{step}` failed")[2].partition("; `")[0]
    assert "timed out" not in message.lower()
    # A step that is told to end, since it is late, reports that itself.
    if step != "too_late":
        assert run.exception_info is not None
        assert cause in f"{run.exception_info.message} {run.exception_info.traceback}"


def test_of_an_exception_the_user_is_told_its_class_and_its_message(causes: Outcome) -> None:
    assert "`exception` failed: ValueError: It exploded." in str(causes.error)


def test_the_run_has_failed(causes: Outcome) -> None:
    assert causes.run.status is ExecutionStatus.FAILED
    assert not causes.run.in_progress


def test_an_isolated_step_that_sagemaker_refuses_fails_with_its_words() -> None:
    outcome = runs.execute(more_pipelines.dynamic_refused)
    assert "Cross-account" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert [step.status for step in outcome.run.steps.values()] == [ExecutionStatus.FAILED]
