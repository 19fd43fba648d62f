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
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from kit.runs import Outcome

pytestmark = pytest.mark.full

TOO_LATE = "exceeded its maximum running time"
REFUSED = "Machine type 'q9-standard-4' is not supported"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The static run, with what has to happen to its jobs from outside."""
    marks = tmp_path_factory.mktemp("marks")

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


@pytest.fixture(scope="module")
def dynamic_outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The dynamic run."""
    marks = tmp_path_factory.mktemp("marks")
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
def test_the_user_and_zenml_are_told_the_cause(outcome: Outcome, step: str, cause: str) -> None:
    run = outcome.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    assert cause in said_of(outcome, step)
    # A step that is told to end, since it is late, reports that itself.
    if step != "too_late":
        assert run.exception_info is not None
        assert cause in f"{run.exception_info.message} {run.exception_info.traceback}"


def test_of_an_exception_the_user_is_told_its_class_and_its_message(outcome: Outcome) -> None:
    assert "ValueError: It exploded." in said_of(outcome, "exception")


@pytest.mark.parametrize(
    ("step", "cause"),
    [("abort", "killed by SIGABRT"), ("too_late", TOO_LATE), ("refused", REFUSED)],
)
def test_of_an_isolated_step_they_are_told_it_too(
    dynamic_outcome: Outcome, step: str, cause: str
) -> None:
    run = dynamic_outcome.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    assert cause in said_of(dynamic_outcome, step)
    if step != "too_late":
        assert run.exception_info is not None
        assert cause in f"{run.exception_info.message} {run.exception_info.traceback}"


@pytest.mark.parametrize("name", ["outcome", "dynamic_outcome"])
def test_the_run_has_failed(request: pytest.FixtureRequest, name: str) -> None:
    outcome: Outcome = request.getfixturevalue(name)
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
