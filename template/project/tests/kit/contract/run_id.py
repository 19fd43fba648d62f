# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The run ID: one for all steps of an execution, another for each execution.

ZenML's rule, and why each test is as it is: https://docs.zenml.io/stacks/orchestrators/custom
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock
from uuid import uuid4

import pytest
import time_machine
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.pipelines.run_utils import create_placeholder_run

from kit import pipelines
from kit.harness import current

from .base import Contract, full, offered, sees_environments, submits_in_vain

if TYPE_CHECKING:
    from zenml.models import PipelineSnapshotResponse
    from zenml.orchestrators import BaseOrchestrator
    from zenml.pipelines.pipeline_definition import Pipeline

    from kit.harness import Harness, Job
    from kit.runs import Outcome

# What ZenML's database has room for.
LONGEST_ID = 255

PRINT_RUN_ID = Path(__file__).parent.parent / "print_run_id.py"


def id_of(job: Job) -> str:
    """Returns the ID that a process would read that has just the job's environment."""
    with current().inside(job):
        return Client().active_stack.orchestrator.get_orchestrator_run_id()


def ask_new_process(job: Job) -> str:
    """Returns the ID that a new process reads that has just the job's environment."""
    flavor = current().flavor
    name = f"{flavor.__module__}:{flavor.__qualname__}"
    output = current().run_python(job, str(PRINT_RUN_ID), name)
    return output.strip().rpartition("\n")[2]


def as_mysql_compares(run_id: str) -> str:
    """Returns what MySQL makes of an ID: it ignores case and trailing blanks."""
    return run_id.casefold().rstrip()


def submit_dry(
    orchestrator: BaseOrchestrator, snapshot: PipelineSnapshotResponse, jobs: list[Job]
) -> list[Job]:
    """Submits a snapshot without running it, and returns its jobs."""
    before = len(jobs)
    run = create_placeholder_run(snapshot=snapshot)
    with suppress(Exception):
        orchestrator.run(snapshot, Client().active_stack, run)
    assert len(jobs) > before, "nothing was submitted"
    return jobs[before:]


def ids_in(outcome: Outcome) -> set[str]:
    """Returns the IDs that the steps of a run have seen."""
    return {seen["run_id"] for seen in outcome.seen.values()}


class RunIdContract(Contract):
    """The same in all processes of a run; new for each run; never made up."""

    def test_is_the_same_in_every_step_of_a_run(self, static: Outcome) -> None:
        assert static.error is None
        assert set(static.seen) == {"first", "left", "right", "last"}
        assert ids_in(static) == {static.run.orchestrator_run_id}

    @offered("dynamic_pipelines")
    def test_is_the_same_in_every_step_of_a_dynamic_run(
        self, harness: Harness, dynamic: Outcome
    ) -> None:
        assert dynamic.error is None
        if harness.capabilities.isolated_steps:
            assert set(dynamic.seen) == {"first", "isolated", "isolated_2", "last"}
        assert ids_in(dynamic) == {dynamic.run.orchestrator_run_id}

    @sees_environments
    def test_reaches_every_process_that_is_submitted(self, static: Outcome) -> None:
        assert {"first", "left", "right", "last"} <= {job.name for job in static.jobs}
        assert {id_of(job) for job in static.jobs} == {static.run.orchestrator_run_id}

    @offered("dynamic_pipelines")
    @sees_environments
    def test_reaches_every_process_of_a_dynamic_run(
        self, harness: Harness, dynamic: Outcome
    ) -> None:
        if harness.capabilities.isolated_steps:
            assert {"isolated", "isolated_2"} <= {job.name for job in dynamic.jobs}
        assert {id_of(job) for job in dynamic.jobs} == {dynamic.run.orchestrator_run_id}

    @sees_environments
    def test_is_read_from_the_submitted_environment_alone(self, static: Outcome) -> None:
        assert ask_new_process(static.jobs[-1]) == static.run.orchestrator_run_id

    @full
    @offered("dynamic_pipelines")
    @sees_environments
    def test_survives_a_restart_of_the_process(self, dynamic: Outcome) -> None:
        # The platform starts the orchestration process again, with the environment it had.
        with ThreadPoolExecutor() as threads:
            answers = [*threads.map(ask_new_process, [dynamic.jobs[0]] * 2)]
        assert answers == [dynamic.run.orchestrator_run_id] * 2

    @sees_environments
    def test_is_new_for_each_execution_of_the_same_snapshot(
        self, static: Outcome, again: Outcome
    ) -> None:
        # ZenML's constraint is on (snapshot, ID). Two `pipeline()` calls make two snapshots,
        # so they would hide an ID that repeats.
        assert again.error is None
        assert {id_of(job) for job in again.jobs}.isdisjoint({static.run.orchestrator_run_id})

    def test_each_execution_of_the_same_snapshot_is_a_run_of_its_own(
        self, static: Outcome, again: Outcome
    ) -> None:
        assert again.error is None
        assert again.run.id != static.run.id
        assert again.run.status is ExecutionStatus.COMPLETED
        assert ids_in(again) == {again.run.orchestrator_run_id}

    @full
    def test_is_new_for_executions_of_the_same_snapshot_at_the_same_time(
        self, static: Outcome, at_the_same_time: Outcome
    ) -> None:
        assert at_the_same_time.beside is not None
        outcomes = [static, at_the_same_time, at_the_same_time.beside]
        assert [outcome.error for outcome in outcomes] == [None] * 3
        ids = [outcome.run.orchestrator_run_id for outcome in outcomes]
        assert len(set(ids)) == 3
        for outcome in outcomes:
            assert outcome.run.status is ExecutionStatus.COMPLETED
            assert ids_in(outcome) == {outcome.run.orchestrator_run_id}

    @submits_in_vain
    def test_is_new_even_within_a_second_and_as_mysql_compares(
        self,
        orchestrator: BaseOrchestrator,
        snapshot: PipelineSnapshotResponse,
        dry_jobs: list[Job],
    ) -> None:
        # The clock is held: they are of one second on a slow machine, too. The runs' names, which
        # ZenML makes of the time, still differ.
        ids, second = [], int(time.time())
        for tenth in (2, 4, 6, 8):
            with time_machine.travel(second + tenth / 10, tick=False):
                ids.append(id_of(submit_dry(orchestrator, snapshot, dry_jobs)[0]))
        assert len({as_mysql_compares(run_id) for run_id in ids}) == len(ids)

    @submits_in_vain
    def test_is_not_inherited_from_the_submitting_process(
        self,
        orchestrator: BaseOrchestrator,
        static: Outcome,
        snapshot: PipelineSnapshotResponse,
        dry_jobs: list[Job],
    ) -> None:
        # As when a step of one run submits another pipeline.
        with mock.patch.dict(os.environ, static.jobs[0].environment):
            jobs = submit_dry(orchestrator, snapshot, dry_jobs)
        assert static.run.orchestrator_run_id not in {id_of(job) for job in jobs}

    @pytest.mark.parametrize(
        "pipeline",
        [
            pipelines.long_name,
            pytest.param(pipelines.dynamic_long_name, marks=offered("dynamic_pipelines")),
        ],
        ids=["static", "dynamic"],
    )
    @submits_in_vain
    def test_has_1_to_255_characters_with_the_longest_names(
        self, harness: Harness, dry_jobs: list[Job], pipeline: Pipeline
    ) -> None:
        # ZenML itself checks this for static pipelines only, and only in the first step.
        longest = pipeline.with_options(run_name=uuid4().hex.ljust(250, "r"))
        with suppress(Exception):
            harness.submit(longest)
        assert 1 <= len(id_of(dry_jobs[-1])) <= LONGEST_ID

    @sees_environments
    def test_a_missing_id_is_an_error_that_names_the_variable(self, static: Outcome) -> None:
        job, run_id = static.jobs[-1], str(static.run.orchestrator_run_id)
        carriers = [name for name, value in job.environment.items() if run_id in value]
        assert carriers, "no environment variable of the job carries the ID"
        for replacement in ({}, dict.fromkeys(carriers, "")):
            bare = {name: job.environment[name] for name in job.environment.keys() - carriers}
            with (
                mock.patch.dict(os.environ, {**bare, **replacement}, clear=True),
                pytest.raises(Exception, match="|".join(carriers)),
            ):
                Client().active_stack.orchestrator.get_orchestrator_run_id()

    def test_can_be_found_in_the_metadata_of_the_run(self, static: Outcome) -> None:
        assert static.run.run_metadata["orchestrator_run_id"] == static.run.orchestrator_run_id
