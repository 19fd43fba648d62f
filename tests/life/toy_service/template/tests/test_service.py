# YOURS: what only this service does.
"""What the contract does not ask: executions that never start."""

from __future__ import annotations

from unittest import mock

import pytest
from harness import HARNESS
from kit import pipelines, runs
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.utils.run_utils import refresh_run_status


@pytest.mark.usefixtures("stack")
def test_a_run_that_never_starts_is_settled_by_who_asks_with_the_services_reason() -> None:
    nobody_waits = {"orchestrator": {"synchronous": False}}
    with mock.patch.object(HARNESS.service, "refusal", "the quota is used up"):
        run = runs.execute(pipelines.single.with_options(settings=nobody_waits)).run
        (work,) = HARNESS.works(run)
        refresh_run_status(run, include_step_updates=True)
    after = Client().get_pipeline_run(run.id)
    assert not run.status.is_finished
    assert after.status is ExecutionStatus.FAILED
    assert after.get_body().status_reason == "its own job failed: the quota is used up"
    assert work.spec["secret"] not in HARNESS.service.secrets
