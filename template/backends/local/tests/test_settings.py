# YOURS: tests of what only your platform does.
"""Settings: what a user can set per pipeline or step does what it says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from harness import Config
from kit import pipelines, runs
from kit.timeouts import wait_until
from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from kit.harness import Job
    from kit.runs import Outcome


def test_an_asynchronous_run_goes_on_after_the_call_has_returned() -> None:
    settings = {"orchestrator": {"synchronous": False}}
    run = pipelines.single.with_options(settings=settings)()
    assert run is not None
    assert not run.status.is_finished
    run_id = run.id

    def status() -> ExecutionStatus:
        return Client().get_pipeline_run(run_id).status

    wait_until(lambda: status().is_finished, 60, what="the run is to end")
    assert status() is ExecutionStatus.COMPLETED


@pytest.mark.full
def test_max_parallelism_limits_the_steps_in_progress(static: Outcome) -> None:
    settings = {"orchestrator": {"max_parallelism": 1}}
    outcome = runs.execute(pipelines.diamond.with_options(settings=settings))
    assert outcome.error is None
    # Without the setting these two run side by side.
    left, right = outcome.seen["left"], outcome.seen["right"]
    assert left["ended"] <= right["started"] or right["ended"] <= left["started"]


def test_a_step_gets_the_environment_it_asks_for(static: Outcome) -> None:
    assert static.seen["left"]["mark"] == "for left"
    assert static.seen["right"]["mark"] is None


def test_steps_work_in_the_user_s_directory(static: Outcome, dynamic: Outcome) -> None:
    for outcome in (static, dynamic):
        assert {seen["directory"] for seen in outcome.seen.values()} == {str(Path.cwd())}


@pytest.mark.full
def test_a_run_goes_on_in_the_directory_in_which_it_was_submitted(tmp_path: Path) -> None:
    directory = Path.cwd()
    settings = {"orchestrator": {"synchronous": False, "max_parallelism": 1}}
    submitted, name = runs.named(pipelines.diamond.with_options(settings=settings))
    submitted()
    os.chdir(tmp_path)
    try:
        found = runs.find(name)
        assert found is not None
        run_id = found.id
        wait_until(
            lambda: Client().get_pipeline_run(run_id).status.is_finished, 60, what="the run ends"
        )
    finally:
        os.chdir(directory)
    outcome = runs.outcome_of(Client().get_pipeline_run(run_id))
    assert {seen["directory"] for seen in outcome.seen.values()} == {str(directory)}


@pytest.mark.full
def test_the_environment_of_the_settings_reaches_a_step() -> None:
    settings = {"orchestrator": {"environment": {"MARK": "for all"}}}
    outcome = runs.execute(pipelines.single.with_options(settings=settings))
    assert outcome.seen["first"]["mark"] == "for all"


@pytest.mark.full
def test_what_is_cached_is_not_run_again() -> None:
    for expected in (["cacheable"], []):
        outcome = runs.execute(pipelines.cached)
        assert outcome.error is None
        assert outcome.run.status is ExecutionStatus.COMPLETED
        assert [job.name for job in outcome.jobs] == expected


def test_a_schedule_is_refused_in_words(dry_jobs: list[Job]) -> None:
    scheduled = pipelines.diamond.with_options(schedule=Schedule(cron_expression="* * * * *"))
    with pytest.raises(ValueError, match="does not support scheduling"):
        scheduled()
    # ZenML refused, because the config says so. We do too, in case that is changed.
    with (
        mock.patch.object(Config, "is_schedulable", new=True),
        pytest.raises(Exception, match="has no schedules: its controller lives in the client"),
    ):
        scheduled()
    assert not dry_jobs
