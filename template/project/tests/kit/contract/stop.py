# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Stop: gently or by force, and no process is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.exceptions import RunStoppedException

from kit import runs

from .base import Contract, full, not_offered, offered, posix

if TYPE_CHECKING:
    from collections.abc import Callable

    from zenml.orchestrators import BaseOrchestrator

    from kit.runs import Outcome


class StopContract(Contract):
    """A run can be stopped, it says so, and nothing of it lives on."""

    @posix
    @offered("forceful_stop")
    @pytest.mark.parametrize(
        "name",
        [
            "stopped",
            pytest.param(
                "dynamic_stopped",
                marks=[full, offered("dynamic_pipelines"), offered("isolated_steps")],
            ),
        ],
    )
    def test_a_forceful_stop_ends_the_steps_in_progress(
        self, name: str, outcome_of: Callable[[str], Outcome]
    ) -> None:
        outcome = outcome_of(name)
        assert outcome.marks is not None
        assert isinstance(outcome.error, RunStoppedException)
        assert outcome.run.status is ExecutionStatus.STOPPED
        assert outcome.steps == {"endless": ExecutionStatus.STOPPED}
        assert not (outcome.marks / "next").exists()
        assert runs.alive(outcome.marks / "pids") == []

    @full
    @posix
    @offered("forceful_stop")
    @offered("dynamic_pipelines")
    @offered("isolated_steps")
    def test_a_forceful_stop_ends_child_pipelines_too(self, child_stopped: Outcome) -> None:
        assert child_stopped.marks is not None
        children = Client().list_pipeline_runs(parent_run_id=child_stopped.run.id, hydrate=True)
        (child,) = children.items
        steps = {name: step.status for name, step in child.steps.items()}
        assert child_stopped.run.status is child.status is ExecutionStatus.STOPPED
        assert steps == {"endless": ExecutionStatus.STOPPED}
        assert not (child_stopped.marks / "next").exists()
        assert runs.alive(child_stopped.marks / "pids") == []

    @full
    @posix
    @offered("graceful_stop")
    @pytest.mark.parametrize(
        "name",
        [
            "stopped_gently",
            pytest.param("dynamic_stopped_gently", marks=offered("dynamic_pipelines")),
        ],
    )
    def test_a_graceful_stop_lets_the_step_finish(
        self, name: str, outcome_of: Callable[[str], Outcome]
    ) -> None:
        outcome = outcome_of(name)
        assert outcome.marks is not None
        assert (outcome.marks / "finished").exists()
        assert not (outcome.marks / "next").exists()
        assert isinstance(outcome.error, RunStoppedException)
        assert outcome.run.status is ExecutionStatus.STOPPED
        assert outcome.steps["short"] is ExecutionStatus.COMPLETED

    @full
    @posix
    @offered("forceful_stop")
    @offered("stop_from_another_process")
    def test_any_process_can_stop_a_run(self, stopped_elsewhere: Outcome) -> None:
        assert stopped_elsewhere.stop_error == ""
        assert stopped_elsewhere.marks is not None
        assert stopped_elsewhere.run.status is ExecutionStatus.STOPPED
        assert runs.alive(stopped_elsewhere.marks / "pids") == []

    @full
    @posix
    @offered("forceful_stop")
    @not_offered("stop_from_another_process")
    def test_another_process_is_told_that_it_cannot_stop_a_run(
        self, stopped_elsewhere: Outcome
    ) -> None:
        assert "stop" in stopped_elsewhere.stop_error

    @not_offered("forceful_stop")
    def test_a_forceful_stop_is_refused(
        self, orchestrator: BaseOrchestrator, static: Outcome
    ) -> None:
        with pytest.raises(Exception, match=r"(?i)stop"):
            orchestrator.stop_run(static.run, graceful=False)

    @not_offered("graceful_stop")
    def test_a_graceful_stop_is_refused(
        self, orchestrator: BaseOrchestrator, static: Outcome
    ) -> None:
        with pytest.raises(Exception, match=r"(?i)graceful"):
            orchestrator.stop_run(static.run, graceful=True)
