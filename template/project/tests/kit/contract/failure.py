# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Failure: whatever ends a step, ZenML and the user hear of it, and the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zenml.enums import ExecutionMode, ExecutionStatus

from kit import outage_runs, runs
from kit.timeouts import scaled

from .base import Contract, full, not_live, not_offered, offered, posix

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from zenml.orchestrators import BaseOrchestrator

    from kit.runs import Outcome


class FailureContract(Contract):
    """A failed step fails the run, its cause is told, and what is below it does not start."""

    def test_a_failing_step_fails_the_run_and_those_below_it_do_not_start(
        self, failing: Outcome
    ) -> None:
        assert "`fail` failed: ValueError: as it was told to (log: " in str(failing.error)
        assert failing.run.status is ExecutionStatus.FAILED
        assert "`fail` failed: ValueError" in str(failing.run.get_body().status_reason)
        assert failing.steps == {"fail": ExecutionStatus.FAILED}

    @posix
    def test_a_killed_step_fails_the_run_and_the_signal_is_named(self, killed: Outcome) -> None:
        assert "`die` failed" in str(killed.error)
        assert "killed by SIGKILL" in str(killed.error)
        assert killed.run.status is ExecutionStatus.FAILED
        assert killed.steps == {"die": ExecutionStatus.FAILED}
        step = killed.run.steps["die"]
        assert step.exception_info is not None
        assert "SIGKILL" in str(step.exception_info.message)

    @full
    def test_a_step_that_dies_before_zenml_is_up_is_reported_too(
        self, dead_before_zenml: Outcome
    ) -> None:
        assert "`first` failed" in str(dead_before_zenml.error)
        assert dead_before_zenml.run.status is ExecutionStatus.FAILED
        assert dead_before_zenml.steps == {"first": ExecutionStatus.FAILED}

    @full
    @offered("dynamic_pipelines")
    @pytest.mark.parametrize(
        "name",
        [
            "dynamic_failing",
            pytest.param("dynamic_killed", marks=[offered("isolated_steps"), posix]),
            pytest.param("dynamic_orchestration_killed", marks=posix),
        ],
    )
    def test_a_dynamic_run_fails_like_a_static_one(
        self, name: str, outcome_of: Callable[[str], Outcome]
    ) -> None:
        outcome = outcome_of(name)
        assert "failed: " in str(outcome.error)
        assert outcome.run.status is ExecutionStatus.FAILED
        assert [*outcome.steps.values()] == [ExecutionStatus.FAILED]

    @full
    @posix
    @offered("retries")
    def test_a_killed_step_is_retried_in_the_same_run(self, retried: Outcome) -> None:
        assert retried.error is None
        assert retried.run.status is ExecutionStatus.COMPLETED
        assert retried.run.steps["die_at_first"].version == 2
        assert {seen["run_id"] for seen in retried.seen.values()} == {
            retried.run.orchestrator_run_id
        }

    @full
    @offered("retries")
    def test_retries_end_when_they_are_used_up(self, retried_in_vain: Outcome) -> None:
        assert "`fail_always` failed" in str(retried_in_vain.error)
        assert retried_in_vain.marks is not None
        # Each try has a process of its own.
        assert len([*retried_in_vain.marks.iterdir()]) == 2
        assert retried_in_vain.run.status is ExecutionStatus.FAILED
        assert retried_in_vain.run.steps["fail_always"].version == 2

    @full
    @pytest.mark.parametrize(
        ("name", "marks", "status"),
        [
            # Which steps leave their marks, and how the one beside the failing one ends.
            pytest.param(
                "fail_fast",
                {"slow_started"},
                ExecutionStatus.STOPPED,
                marks=offered("execution_modes", ExecutionMode.FAIL_FAST),
            ),
            pytest.param(
                "stop_on_failure",
                {"slow_started", "slow_ended"},
                ExecutionStatus.COMPLETED,
                marks=offered("execution_modes", ExecutionMode.STOP_ON_FAILURE),
            ),
            pytest.param(
                "continue_on_failure",
                {"slow_started", "slow_ended", "after_slow"},
                ExecutionStatus.COMPLETED,
                marks=offered("execution_modes", ExecutionMode.CONTINUE_ON_FAILURE),
            ),
        ],
    )
    def test_execution_modes(
        self,
        name: str,
        marks: set[str],
        status: ExecutionStatus,
        outcome_of: Callable[[str], Outcome],
    ) -> None:
        outcome = outcome_of(name)
        assert "`fail_beside` failed" in str(outcome.error)
        assert outcome.marks is not None
        assert {path.name for path in outcome.marks.iterdir()} == marks
        assert outcome.run.status is ExecutionStatus.FAILED
        assert not outcome.run.in_progress
        assert outcome.steps["slow"] is status

    @full
    @posix
    @not_live("ZenML's server is not to be stopped")
    def test_a_run_is_late_and_nothing_else_when_zenml_is_away(
        self, outage: Future[tuple[int, str]]
    ) -> None:
        limit = outage_runs.MOST_SECONDS + scaled(6 * runs.RUN_SECONDS)
        code, output = outage.result(limit)
        print(output)
        assert code == 0

    @not_offered("retries")
    def test_retries_are_left_to_zenml(self, orchestrator: BaseOrchestrator) -> None:
        # ZenML then tries again in the process of the step, and a killed one is not retried.
        assert not orchestrator.config.handles_step_retries
