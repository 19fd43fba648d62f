# YOURS: tests of interruptions
"""Survival: an API that fails is asked again, and a machine that fails does not end a run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import more_pipelines
import pytest
from harness import HARNESS, described
from kit import pipelines, runs
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kit import vertex_emulator
    from kit.runs import Outcome
    from zenml.pipelines.pipeline_definition import Pipeline

pytestmark = pytest.mark.full


@pytest.fixture
def failing_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets one in five calls fail, in each of the ways that calls can."""
    monkeypatch.setattr(HARNESS.project.faults, "rate", 0.2)


@pytest.mark.parametrize(
    ("pipeline", "steps"), [(more_pipelines.six, 6), (more_pipelines.dynamic_two, 2)]
)
def test_a_run_completes_though_one_in_five_calls_fails(
    pipeline: Pipeline, steps: int, failing_api: None, tmp_path: Path
) -> None:
    project = HARNESS.project
    before, pipeline_jobs = len(project.calls), set(project.pipeline_jobs)
    outcome = runs.execute(pipeline, str(tmp_path))
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED
    assert len(outcome.seen) == steps
    assert {seen["run_id"] for seen in outcome.seen.values()} == {outcome.run.orchestrator_run_id}
    assert {file.name for file in tmp_path.iterdir()} == {f"step-{n}" for n in range(steps)}
    for file in tmp_path.iterdir():
        assert len(file.read_text().split()) == 1, f"{file.name} ran more than once"
    static = not pipeline.is_dynamic
    assert len(outcome.jobs) == (steps if static else steps + 1)
    assert len(set(project.pipeline_jobs) - pipeline_jobs) == (1 if static else 0)
    assert [call for call in project.calls[before:] if call.status != "OK"]


def while_it_works(pipeline: Pipeline, marks: Path, do: Callable[[], None]) -> Outcome:
    """Runs a pipeline whose step works until it is told to go, and does something meanwhile."""

    def interfere() -> None:
        pipelines.wait_for(marks / "pids")
        try:
            do()
        finally:
            (marks / "go").touch()

    interference = threading.Thread(target=interfere)
    interference.start()
    try:
        return runs.execute(pipeline, str(marks))
    finally:
        interference.join()


def function() -> vertex_emulator.Job:
    """Returns the newest job of a function."""
    return [job for job in HARNESS.project.jobs if described(job).role == "function"][-1]


def test_logins_that_expire_do_not_end_the_run(tmp_path: Path) -> None:
    project = HARNESS.project
    before = len(project.calls)

    def expire() -> None:
        project.expire()
        expired = len(project.calls)

        def callers() -> set[str]:
            return {call.caller for call in project.calls[expired:] if call.status == "OK"}

        HARNESS.wait(lambda: callers() == {"user", "container"})

    outcome = while_it_works(more_pipelines.dynamic_patient, tmp_path, expire)
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED
    refused = {call.status for call in project.calls[before:]} - {"OK"}
    assert refused == {"UNAUTHENTICATED"}


def test_a_function_whose_host_crashes_goes_on_with_the_same_id(tmp_path: Path) -> None:
    def crash() -> None:
        crashed = function()
        pid = crashed.pid
        HARNESS.project.crash_host(crashed)
        HARNESS.wait(lambda: crashed.pid != pid)

    outcome = while_it_works(more_pipelines.dynamic_patient, tmp_path, crash)
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED
    assert [job.role for job in outcome.jobs] == ["function", "step"]
    assert outcome.jobs[0].native.attempts == 2
    assert outcome.jobs[0].native.id == outcome.run.orchestrator_run_id
    assert {seen["run_id"] for seen in outcome.seen.values()} == {outcome.run.orchestrator_run_id}
