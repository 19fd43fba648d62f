# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Resume: a dynamic run that paused goes on, and is the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zenml.client import Client
from zenml.enums import ExecutionStatus, RunWaitConditionResolution
from zenml.models import PipelineRunUpdate

from kit import pipelines, runs

from .base import Contract, full, not_offered, offered, submits

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse
    from zenml.orchestrators import BaseOrchestrator

    from kit.harness import Harness
    from kit.runs import Outcome


def pause(harness: Harness) -> Outcome:
    """Runs a pipeline up to its pause."""
    isolated = harness.capabilities.isolated_steps
    return runs.execute(pipelines.pausing if isolated else pipelines.pausing_inline)


def resume(orchestrator: BaseOrchestrator, paused: PipelineRunResponse) -> Outcome:
    """Resolves what a run waits for, and lets it go on, as ZenML's server does."""
    condition = Client().list_run_wait_conditions(pipeline_run=paused.id).items[0]
    Client().resolve_run_wait_condition(condition.id, RunWaitConditionResolution.CONTINUE)
    run = Client().zen_store.update_run(
        paused.id, PipelineRunUpdate(status=ExecutionStatus.RESUMING)
    )
    assert run.snapshot is not None
    orchestrator.resume_run(run.snapshot, run, Client().active_stack)
    return runs.outcome_of(Client().get_pipeline_run(run.id))


class ResumeContract(Contract):
    """A run that was interrupted keeps its ID."""

    @full
    @offered("dynamic_pipelines")
    @offered("resuming")
    @submits(3)
    def test_a_paused_run_waits_to_be_resumed_and_goes_on_with_its_id(
        self, harness: Harness, orchestrator: BaseOrchestrator
    ) -> None:
        paused = pause(harness)
        assert paused.error is None
        assert paused.run.status is ExecutionStatus.PAUSED
        assert orchestrator.fetch_status(paused.run)[0] in (None, ExecutionStatus.PAUSED)
        resumed = resume(orchestrator, paused.run)
        assert resumed.run.status is ExecutionStatus.COMPLETED
        assert resumed.run.orchestrator_run_id == paused.run.orchestrator_run_id
        assert set(resumed.seen) == {"first", "after_pause"}
        assert {seen["run_id"] for seen in resumed.seen.values()} == {
            paused.run.orchestrator_run_id
        }

    @full
    @offered("dynamic_pipelines")
    @not_offered("resuming")
    @submits(1)
    def test_resuming_is_refused(self, harness: Harness, orchestrator: BaseOrchestrator) -> None:
        paused = pause(harness)
        with pytest.raises(Exception, match=r"(?i)resum"):
            resume(orchestrator, paused.run)
