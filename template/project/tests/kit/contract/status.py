# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Status: a run can be found again, and looking at it does not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.utils.run_utils import refresh_run_status

from .base import Contract, full, offered, posix

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.harness import Harness
    from kit.runs import Outcome


class StatusContract(Contract):
    """ZenML knows where a run is, and what became of it."""

    @pytest.mark.parametrize(
        "name", ["static", pytest.param("dynamic", marks=offered("dynamic_pipelines"))]
    )
    def test_the_metadata_of_a_run_say_where_to_find_it(
        self, name: str, harness: Harness, outcome_of: Callable[[str], Outcome]
    ) -> None:
        run = outcome_of(name).run
        metadata = Client().get_pipeline_run(run.id).run_metadata
        assert metadata["orchestrator_run_id"] == run.orchestrator_run_id
        assert harness.run_metadata <= metadata.keys()
        assert all(metadata[key] for key in harness.run_metadata)

    @pytest.mark.parametrize(
        "name",
        [
            "static",
            "failing",
            pytest.param("stopped", marks=[posix, offered("forceful_stop")]),
            pytest.param("dynamic", marks=offered("dynamic_pipelines")),
        ],
    )
    def test_looking_at_a_run_that_has_ended_does_not_change_it(
        self, name: str, outcome_of: Callable[[str], Outcome]
    ) -> None:
        before = outcome_of(name)
        refresh_run_status(Client().get_pipeline_run(before.run.id), include_step_updates=True)
        after = Client().get_pipeline_run(before.run.id)
        assert after.status is before.run.status
        assert {name: step.status for name, step in after.steps.items()} == before.steps

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
    def test_looking_at_a_run_in_progress_does_not_end_it(
        self, name: str, outcome_of: Callable[[str], Outcome]
    ) -> None:
        assert outcome_of(name).status_in_progress is ExecutionStatus.RUNNING
