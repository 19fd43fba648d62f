# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""`ResourceSettings`: each field that is set reaches the job, and what cannot be is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zenml.config import ResourceSettings
from zenml.enums import ExecutionStatus

from kit import pipelines, runs
from kit.harness import MODEST, current
from kit.shared_runs import modest

from .base import Contract, full, not_live, not_offered, offered, sees_requests

if TYPE_CHECKING:
    from kit.harness import Harness, Job
    from kit.runs import Outcome


def missing_in(job: Job, wanted: dict[str, Any]) -> list[str]:
    """Lists the resources that a job was to ask the platform for, and did not."""
    asked, asks = ResourceSettings(**wanted), job.resources
    amounts = {
        "cpu_count": (asked.cpu_count, asks.cpu_count),
        "memory": (asked.get_memory("KB"), asks.get_memory("KB")),
        "gpu_count": (asked.gpu_count, asks.gpu_count),
    }
    return [name for name, (want, have) in amounts.items() if (have or 0) < (want or 0)]


def refused(wanted: dict[str, Any]) -> str:
    """Submits a pipeline that asks for what cannot be, and returns what the user is told.

    It also makes sure that nothing was submitted, and that the run failed.
    """
    outcome = runs.execute(pipelines.diamond, wanted)
    assert outcome.error is not None
    assert not outcome.jobs
    assert not outcome.run.steps
    assert outcome.run.status is ExecutionStatus.FAILED
    return str(outcome.error)


class ResourcesContract(Contract):
    """Nothing that a user asks for is ignored without a word."""

    @sees_requests
    def test_what_a_step_asks_for_is_submitted(self, static: Outcome) -> None:
        assert static.error is None
        assert [missing_in(job, modest()) for job in static.jobs_of("left")] == [[]]

    @offered("isolated_steps")
    @sees_requests
    def test_what_an_isolated_step_asks_for_is_submitted(self, dynamic: Outcome) -> None:
        assert dynamic.error is None
        assert [missing_in(job, modest()) for job in dynamic.jobs_of("isolated")] == [[]]

    @full
    @offered("dynamic_pipelines")
    @sees_requests
    def test_what_a_dynamic_pipeline_asks_for_is_submitted(
        self, dynamic_with_resources: Outcome
    ) -> None:
        # Its steps get it: in the job of the function, or in jobs of their own.
        assert dynamic_with_resources.error is None
        jobs = dynamic_with_resources.jobs_of("first") or dynamic_with_resources.jobs[:1]
        assert [missing_in(job, modest()) for job in jobs] == [[]]

    @not_live("what is impossible depends on the stack")
    def test_the_impossible_is_refused_before_anything_starts(self, harness: Harness) -> None:
        if harness.impossible is None:
            return  # The platform alone knows, and lets such a job wait.
        wanted = harness.impossible.model_dump(exclude_unset=True)
        message = refused(wanted)
        assert "`left`" in message
        for name in wanted:
            assert name in message

    @pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=not_offered("resources", name)) for name in sorted(MODEST)],
    )
    def test_a_resource_that_is_not_offered_is_refused(self, name: str) -> None:
        assert name not in current().capabilities.resources
        assert name in refused({name: MODEST[name]})
