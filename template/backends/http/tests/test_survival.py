# YOURS: tests of a service that fails, or that has no slot.
"""Survival: requests that fail, jobs that are lost, and more runs than there are slots."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from harness import HARNESS, run_of
from kit import pipelines, runs
from kit.timeouts import wait_until
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from kit.runs import Outcome


@pytest.mark.full
def test_a_run_completes_though_requests_are_refused_and_answers_are_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HARNESS.service, "refuses", 0.1)
    monkeypatch.setattr(HARNESS.service, "loses", 0.05)
    outcome = runs.execute(pipelines.diamond)
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED
    started = HARNESS.service.starts
    assert len(started) == len(set(started))
    assert len(outcome.jobs) == 5


@pytest.mark.full
def test_as_many_runs_as_there_are_slots_do_not_block_each_other(
    static: Outcome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(HARNESS.service, "slots", {"default": 1, "controllers": 2})
    with ThreadPoolExecutor() as threads:
        outcomes = [*threads.map(runs.execute, [pipelines.single] * 4)]
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert {outcome.run.status for outcome in outcomes} == {ExecutionStatus.COMPLETED}
    # And a controller that waits says so.
    waits = "The run's own job waits: all 2 slots of the queue `controllers` are taken"
    assert waits in caplog.messages


@pytest.mark.full
def test_a_controller_that_is_killed_fails_the_run_and_leaves_nothing_behind(
    static: Outcome, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    with ThreadPoolExecutor() as threads:
        running = threads.submit(runs.execute, pipelines.stopped, str(tmp_path))
        wait_until(pids.exists, runs.RUN_SECONDS, what="the step is to start")
        step = next(job for job in reversed(HARNESS.service.jobs.values()) if job.process)
        of_run = [job for job in HARNESS.service.jobs.values() if run_of(job) == run_of(step)]
        controller = of_run[0].process
        assert controller is not None
        controller.send_signal(9)
        outcome = running.result()
    assert "its own job failed: killed by SIGKILL" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert runs.alive(pids) == []
