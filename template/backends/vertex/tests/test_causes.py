# YOURS: tests of `platform/job_status.py`
"""Failures name their cause: one run of each kind, in which each step fails in a way of its own."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import more_pipelines
import pytest
from harness import HARNESS, described
from kit import pipelines, runs
from kit.runs import shared_run
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kit.runs import Outcome

pytestmark = pytest.mark.full

TOO_LATE = "exceeded its maximum running time"
REFUSED = "Machine type 'q9-standard-4' is not supported"


@shared_run
def causes(marks: Path) -> Outcome:
    """The static run, with what has to happen to its jobs from outside."""

    def interfere() -> None:
        pipelines.wait_for(marks / "out_of_memory")
        found = [job for job in HARNESS.project.jobs if described(job).name == "out_of_memory"]
        HARNESS.project.kill(found[-1])

    interference = threading.Thread(target=interfere)
    interference.start()
    try:
        return runs.execute(more_pipelines.all_kinds_of_failure, str(marks))
    finally:
        interference.join()


@shared_run
def dynamic_causes(marks: Path) -> Outcome:
    """The dynamic run."""
    return runs.execute(more_pipelines.dynamic_kinds_of_failure, str(marks))


def said_of(outcome: Outcome, step: str) -> str:
    """Returns what the user is told about a step."""
    message = str(outcome.error)
    assert f"`{step}` failed" in message
    return message.partition(f"`{step}` failed")[2].partition("; `")[0]


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        ("exit_code", "exit code 7"),
        ("exception", "It exploded."),
        ("segmentation_fault", "killed by SIGSEGV"),
        ("abort", "killed by SIGABRT"),
        ("out_of_memory", "ran out of memory"),
        ("refused", REFUSED),
        ("too_late", TOO_LATE),
    ],
)
def test_the_user_and_zenml_are_told_the_cause(causes: Outcome, step: str, cause: str) -> None:
    run = causes.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    assert cause in said_of(causes, step)
    # A step that is told to end, since it is late, reports that itself.
    if step != "too_late":
        assert run.exception_info is not None
        assert cause in f"{run.exception_info.message} {run.exception_info.traceback}"


def test_of_an_exception_the_user_is_told_its_class_and_its_message(causes: Outcome) -> None:
    assert "ValueError: It exploded." in said_of(causes, "exception")


@pytest.mark.parametrize(
    ("step", "cause"),
    [("abort", "killed by SIGABRT"), ("too_late", TOO_LATE), ("refused", REFUSED)],
)
def test_of_an_isolated_step_they_are_told_it_too(
    dynamic_causes: Outcome, step: str, cause: str
) -> None:
    run = dynamic_causes.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    assert cause in said_of(dynamic_causes, step)
    if step != "too_late":
        assert run.exception_info is not None
        assert cause in f"{run.exception_info.message} {run.exception_info.traceback}"


@pytest.mark.parametrize("name", ["causes", "dynamic_causes"])
def test_the_run_has_failed(outcome_of: Callable[[str], Outcome], name: str) -> None:
    outcome = outcome_of(name)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert not outcome.run.in_progress


@pytest.mark.parametrize(("number", "in_a_step"), [(signal.SIGSEGV, True), (signal.SIGABRT, False)])
def test_a_function_that_a_signal_ends_is_not_taken_for_a_fault_of_the_machine(
    number: signal.Signals, in_a_step: bool
) -> None:
    outcome = runs.execute(more_pipelines.dynamic_crashing, int(number), in_a_step)
    assert f"killed by {number.name}" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    (job,) = outcome.jobs
    assert job.native.attempts == 1
    assert "exited with a non-zero status of 1." in job.native.error.message
    assert f"killed by {number.name}" in job.native.log.read_text()
