"""What the orchestrator tells ZenML, and asks of it, in every state that a run can be in."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest import mock
from uuid import UUID, uuid4

import psutil
import pytest
import zenml_runs
from engine import orchestrator as orchestrators
from engine import run_store
from engine.clock import Clock
from engine.conclusion import raise_for_run
from engine.entrypoints import ControllerEntrypoint, StepEntrypoint
from engine.exit_codes import RUN_FAILED
from engine.job_specs import CONTROLLER_STEP
from engine.log_follower import with_last_lines
from engine.protocols import JobKey, JobRefused, JobStatus, Phase
from engine.run_store import end_run
from engine.sightings import LOST
from requests import ConnectionError as RequestsConnectionError
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.config.schedule import Schedule
from zenml.config.step_run_info import StepRunInfo
from zenml.entrypoints.step_entrypoint_configuration import StepEntrypointConfiguration
from zenml.enums import ExecutionStatus, MetadataResourceTypes
from zenml.exceptions import IllegalOperationError
from zenml.execution.pipeline.dynamic.run_context import DynamicPipelineRunContext
from zenml.models import ExceptionInfo, RunMetadataResource, ScheduleUpdate
from zenml.orchestrators import PipelineSubmissionError
from zenml.orchestrators.publish_utils import publish_failed_step_run
from zenml.pipelines.dynamic.entrypoint_configuration import RUN_ID_OPTION
from zenml.pipelines.run_utils import create_placeholder_run
from zenml.steps.heartbeat import StepHeartbeatWorker
from zenml.utils import source_utils
from zenml.utils.run_utils import refresh_run_status, stop_run
from zenml.zen_stores.sql_zen_store import SqlZenStore
from zenml_runs import (
    ENDED,
    RUNNING,
    InClient,
    InJob,
    new_run,
    new_step,
    now,
    set_status,
    snapshot_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.protocols import JobSpec
    from zenml.models import PipelineRunResponse, PipelineSnapshotResponse

S = ExecutionStatus


def forget_durability(connection: Any, _: Any) -> None:
    """Lets SQLite not wait for the disk."""
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="module", autouse=True)
def database() -> Iterator[None]:
    """A ZenML of these tests' own."""
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    # Where tests are shared out, `__main__` has no file for ZenML to find it by.
    source_utils.set_custom_source_root(str(Path(__file__).parent))
    # What becomes of it after a power cut is of no interest.
    event.listen(Engine, "connect", forget_durability)
    yield
    source_utils.set_custom_source_root(None)
    event.remove(Engine, "connect", forget_durability)
    GlobalConfiguration._reset_instance()
    Client._reset_instance()


# For what does not depend on where the controller is.
IN_JOB = pytest.mark.parametrize("orchestrator", [InJob], indirect=True)


@pytest.fixture(params=[InJob, InClient])
def orchestrator(request: pytest.FixtureRequest) -> InJob:
    """An orchestrator of each kind."""
    return zenml_runs.orchestrator(request.param)


@contextmanager
def found(orchestrator: InJob) -> Iterator[None]:
    """Lets ZenML find this orchestrator as that of a run."""
    with mock.patch("zenml.utils.run_utils.StackComponent.from_model", return_value=orchestrator):
        yield


def refresh(orchestrator: InJob, run: PipelineRunResponse, *, steps: bool) -> PipelineRunResponse:
    """Does what `zenml pipeline runs refresh` does, and reads the run again."""
    with found(orchestrator):
        refresh_run_status(now(run), include_step_updates=steps)
    return now(run)


def stop(
    orchestrator: InJob, run: PipelineRunResponse, *, graceful: bool = False
) -> PipelineRunResponse:
    """Does what `zenml pipeline runs stop` does, and reads the run again."""
    with found(orchestrator):
        stop_run(now(run), graceful=graceful)
    return now(run)


def statuses(run: PipelineRunResponse) -> set[ExecutionStatus]:
    """Returns the statuses of a run and of its steps."""
    return {run.status, *(step.status for step in run.steps.values())}


def own_job(orchestrator: InJob, *, alive: bool) -> dict[str, Any]:
    """Makes the run's own job, or its client, and returns the metadata that name it."""
    if isinstance(orchestrator, InClient):
        started = psutil.Process().create_time() - (0.0 if alive else 1000.0)
        return {
            "host": socket.gethostname(),
            "controller_pid": os.getpid(),
            "controller_started": started,
        }
    key = JobKey(str(uuid4()), CONTROLLER_STEP, 1)
    return {"controller_job": orchestrator.jobs.add(key, RUNNING if alive else ENDED)}


# ---- Looking at a run

KINDS = pytest.mark.parametrize("kind", ["static", "dynamic"])


@KINDS
@pytest.mark.parametrize("status", [S.RUNNING, S.STOPPING])
def test_a_refresh_changes_nothing_of_a_run_that_is_at_work(
    orchestrator: InJob, kind: str, status: ExecutionStatus
) -> None:
    run = new_run(kind, S.INITIALIZING, metadata=own_job(orchestrator, alive=True))
    new_step(run)
    set_status(run, status)
    for steps in (False, True):
        assert statuses(refresh(orchestrator, run, steps=steps)) == {status, S.RUNNING}
    assert orchestrator.jobs.stopped == []


@KINDS
@pytest.mark.parametrize(("before", "end"), [(S.RUNNING, S.FAILED), (S.STOPPING, S.STOPPED)])
def test_a_refresh_settles_a_run_that_nobody_works_on(
    orchestrator: InJob, kind: str, before: ExecutionStatus, end: ExecutionStatus
) -> None:
    run = new_run(kind, S.INITIALIZING, metadata=own_job(orchestrator, alive=False))
    new_step(run)
    left = orchestrator.jobs.add(JobKey(str(run.id), "last", 1), RUNNING)
    set_status(run, before)
    for steps in (False, True):  # The second one leaves it at that.
        assert statuses(refresh(orchestrator, run, steps=steps)) == {end}
    assert left in orchestrator.jobs.stopped
    if end is S.FAILED:
        why = LOST if isinstance(orchestrator, InClient) else ENDED.reason
        assert why in str(now(run).steps["first"].exception_info)


@KINDS
def test_a_run_is_settled_though_the_platform_refuses_to_stop_what_it_has_left(
    orchestrator: InJob, kind: str
) -> None:
    run = new_run(kind, S.INITIALIZING, metadata=own_job(orchestrator, alive=False))
    new_step(run)
    left = [orchestrator.jobs.add(JobKey(str(run.id), name, 1), RUNNING) for name in ("a", "b")]
    orchestrator.jobs.unstoppable = {left[0]}
    set_status(run, S.RUNNING)
    assert statuses(refresh(orchestrator, run, steps=True)) == {S.FAILED}
    assert left[1] in orchestrator.jobs.stopped


@pytest.mark.parametrize("status", [S.PAUSED, S.RESUMING])
def test_a_pause_outlives_its_client_and_its_job(
    orchestrator: InJob, status: ExecutionStatus
) -> None:
    run = new_run("dynamic", S.INITIALIZING, metadata=own_job(orchestrator, alive=False))
    new_step(run, S.COMPLETED)
    set_status(run, S.PAUSED)
    set_status(run, status)
    for steps in (False, True):
        assert refresh(orchestrator, run, steps=steps).status is status


@KINDS
def test_a_run_whose_job_is_not_known_is_not_settled(orchestrator: InJob, kind: str) -> None:
    run = new_run(kind, S.INITIALIZING)
    new_step(run)
    set_status(run, S.RUNNING)
    for steps in (False, True):
        assert statuses(refresh(orchestrator, run, steps=steps)) == {S.RUNNING}
    if orchestrator.controller == "job":
        for graceful in (False, True):
            with pytest.raises(RuntimeError, match=r"its own job is not known.*`controller_job`"):
                stop(orchestrator, run, graceful=graceful)
        assert statuses(now(run)) == {S.RUNNING}
    else:  # Its controller looks for that, wherever it is.
        assert statuses(stop(orchestrator, run)) == {S.STOPPING, S.RUNNING}
        assert now(run).run_metadata["stop_forcefully"]
    assert orchestrator.jobs.stopped == []


@IN_JOB
def test_a_job_that_is_not_in_the_metadata_is_found_by_its_run(orchestrator: InJob) -> None:
    run = new_run("dynamic")
    handle = orchestrator.jobs.add(JobKey(str(run.id), CONTROLLER_STEP, 1), RUNNING)
    assert refresh(orchestrator, run, steps=True).status is S.RUNNING
    assert stop(orchestrator, run).status is S.STOPPED
    assert orchestrator.jobs.stopped == [handle]


class PatientClock:
    """A clock of its own time, in which a job becomes known after a while."""

    def __init__(self, orchestrator: InJob, known_after: float) -> None:
        """Begins at 0."""
        self._orchestrator = orchestrator
        self._known_after = known_after
        self._time = 0.0

    def now(self) -> float:
        return self._time

    def wait(self, seconds: float) -> None:
        self._time += seconds
        if self._time >= self._known_after:
            self._orchestrator.jobs.jobs["submitted"] = RUNNING


@IN_JOB
@pytest.mark.parametrize("status", [S.PROVISIONING, S.RUNNING])
@pytest.mark.parametrize(("known_after", "is_lost"), [(59.0, False), (61.0, True)])
def test_a_job_is_lost_only_if_the_platform_has_had_its_time_to_know_it(
    orchestrator: InJob,
    monkeypatch: pytest.MonkeyPatch,
    status: ExecutionStatus,
    known_after: float,
    is_lost: bool,
) -> None:
    run = new_run("dynamic", status, metadata={"controller_job": "submitted"})
    orchestrator.jobs.unknown_seconds = 60.0
    clock = PatientClock(orchestrator, known_after)
    monkeypatch.setattr(orchestrators, "Clock", lambda: clock)
    assert refresh(orchestrator, run, steps=True).status is (S.FAILED if is_lost else status)
    if not is_lost:
        assert stop(orchestrator, run).status is S.STOPPED
        assert orchestrator.jobs.stopped == ["submitted"]


@IN_JOB
def test_an_isolated_step_that_was_found_is_not_lost_while_the_platform_may_not_know_it(
    orchestrator: InJob,
) -> None:
    run = new_run("dynamic", metadata=own_job(orchestrator, alive=True))
    step = new_step(run)
    # Its job is listed, and questions about it lag behind.
    handle = orchestrator.jobs.add(JobKey(str(run.id), str(step.id), 1), RUNNING)
    del orchestrator.jobs.jobs[handle]
    orchestrator.jobs.unknown_seconds = 60.0
    assert orchestrator.get_isolated_step_status(step) is S.PROVISIONING


@IN_JOB
@pytest.mark.parametrize("error", [JobRefused("no such machine"), ValueError("no such machine")])
def test_zenml_notes_why_an_isolated_step_could_not_be_submitted(
    orchestrator: InJob, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = new_run("dynamic", metadata=own_job(orchestrator, alive=True))
    created = new_step(run)
    info = StepRunInfo.model_construct(
        snapshot=snapshot_of("dynamic"),
        run_id=run.id,
        run_name=run.name,
        step_run_id=created.id,
        pipeline_step_name="first",
        config=snapshot_of("static").step_configurations["first"].config,
    )
    monkeypatch.setattr(orchestrator, "code_is_shared", True)
    monkeypatch.setenv("WHICH_RUN", "1")
    orchestrator.jobs.refusal = error
    with pytest.raises((RuntimeError, ValueError), match="no such machine"):
        orchestrator.submit_isolated_step(info, {})
    # What ZenML does then.
    publish_failed_step_run(created.id)
    noted = Client().get_run_step(created.id).exception_info
    assert noted is not None
    assert "no such machine" in str(noted.message)


@IN_JOB
def test_a_job_that_waits_for_what_cannot_come_is_stopped_by_who_asks(
    orchestrator: InJob,
) -> None:
    hopeless = JobStatus(Phase.PENDING, "there is no such image", hopeless=True)
    run = new_run("static", S.PROVISIONING)
    key = JobKey(str(run.id), CONTROLLER_STEP, 1)
    handle = orchestrator.jobs.add(key, hopeless)
    after = refresh(orchestrator, run, steps=True)
    assert after.status is S.FAILED
    assert "there is no such image" in str(after.get_body().status_reason)
    assert handle in orchestrator.jobs.stopped


@IN_JOB
def test_zenml_is_told_why_a_run_has_failed_that_it_has_as_failed_already(
    orchestrator: InJob,
) -> None:
    run = new_run("static", S.RUNNING, metadata=own_job(orchestrator, alive=False))
    new_step(run, S.FAILED, ExceptionInfo(traceback="disk full", message="disk full"))
    new_step(run, name="last")
    assert now(run).status is S.FAILED
    after = refresh(orchestrator, now(run), steps=True)
    assert after.get_body().status_reason == "`first` failed: disk full"
    left_open = after.steps["last"].exception_info
    assert left_open is not None
    assert "its own job failed" in str(left_open.message)


# ---- Stopping a run


def beat(run: PipelineRunResponse) -> bool:
    """Does what ZenML's heartbeat does in a step, and tells whether it would end the step."""
    worker = StepHeartbeatWorker(now(run).steps["first"].id)
    # The server answers so; a client with a database of its own is not told how its run is.
    answer = SqlZenStore.validate_and_update_heartbeat
    with mock.patch.object(SqlZenStore, "update_step_heartbeat", answer):
        worker._heartbeat()
    return worker.is_terminated


@IN_JOB
@KINDS
def test_a_graceful_stop_lets_a_step_finish_however_long_it_takes(
    orchestrator: InJob, kind: str
) -> None:
    run = new_run(kind, S.INITIALIZING, metadata=own_job(orchestrator, alive=True))
    new_step(run)
    set_status(run, S.RUNNING)
    assert statuses(stop(orchestrator, run, graceful=True)) == {S.STOPPING, S.RUNNING}
    assert not beat(run)
    assert orchestrator.jobs.stopped == []


@IN_JOB
def test_who_stops_a_run_is_told_what_the_platform_refuses(
    orchestrator: InJob,
) -> None:
    run = new_run("dynamic", metadata=own_job(orchestrator, alive=True))
    left = [orchestrator.jobs.add(JobKey(str(run.id), name, 1), RUNNING) for name in ("a", "b")]
    orchestrator.jobs.unstoppable = {left[0]}
    with pytest.raises(JobRefused, match=f"may not stop {left[0]}"):
        stop(orchestrator, run)
    assert (now(run).status, left[1] in orchestrator.jobs.stopped) == (S.STOPPING, True)


def test_a_paused_run_is_stopped_though_its_client_lives_on(orchestrator: InJob) -> None:
    run = new_run("dynamic", S.INITIALIZING, metadata=own_job(orchestrator, alive=True))
    new_step(run, S.COMPLETED)
    set_status(run, S.PAUSED)
    assert statuses(stop(orchestrator, run)) == {S.STOPPED, S.COMPLETED}


# ---- Child pipelines


@pytest.fixture
def family(orchestrator: InJob) -> list[PipelineRunResponse]:
    """A run at work, its child, and the child of that, each with a step in progress."""
    parent = new_run("dynamic", metadata=own_job(orchestrator, alive=True))
    child = new_run("dynamic", parent=parent)
    runs = [parent, child, new_run("dynamic", parent=child)]
    for run in runs:
        step = new_step(run)
        orchestrator.jobs.add(JobKey(str(run.id), str(step.id), 1), RUNNING)
    return runs


def test_a_forced_stop_of_a_run_is_one_of_its_children_too(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    parent = stop(orchestrator, family[0])
    if orchestrator.controller == "job":
        assert set(orchestrator.jobs.stopped) == set(orchestrator.jobs.jobs)
    else:  # Its controller does the rest.
        assert {now(run).status for run in family} == {S.STOPPING}
        end_run(parent.id, "The run was stopped.", failed=False)
    for run in family:
        assert statuses(now(run)) == {S.STOPPED}


@IN_JOB
def test_a_graceful_stop_of_a_run_lets_its_children_finish_their_steps(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    stop(orchestrator, family[0], graceful=True)
    for run in family:
        assert statuses(now(run)) == {S.STOPPING, S.RUNNING}
        assert not beat(run)


@IN_JOB
def test_a_child_that_begins_while_its_parent_is_being_stopped_runs_no_step(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    late = new_run("dynamic", parent=family[1])
    with mock.patch.object(DynamicPipelineRunContext, "get", return_value=mock.Mock(run=late)):
        orchestrator.run_init_hook(mock.Mock(**{"pipeline_configuration.init_hook_source": None}))
        assert now(late).status is S.RUNNING
        stop(orchestrator, family[0], graceful=True)
        later = new_run("dynamic", parent=family[1])
        assert later.status is S.RUNNING
        DynamicPipelineRunContext.get.return_value.run = later  # type: ignore[attr-defined]
        orchestrator.run_init_hook(mock.Mock(**{"pipeline_configuration.init_hook_source": None}))
    with pytest.raises(IllegalOperationError):
        new_step(later)


def test_a_run_that_has_lost_its_job_takes_its_children_with_it(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    Client().create_run_metadata(
        own_job(orchestrator, alive=False),
        [RunMetadataResource(id=family[0].id, type=MetadataResourceTypes.PIPELINE_RUN)],
        orchestrator.id,
    )
    refresh(orchestrator, family[0], steps=False)
    for run in family:
        assert statuses(now(run)) == {S.FAILED}


def test_a_healthy_child_is_known_by_the_job_of_the_run_at_the_root(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    for run in family[1:]:
        for steps in (False, True):
            assert statuses(refresh(orchestrator, run, steps=steps)) == {S.RUNNING}


@IN_JOB
def test_a_child_is_not_stopped_by_force_alone_and_the_error_says_what_to_do(
    orchestrator: InJob, family: list[PipelineRunResponse]
) -> None:
    parent, child, grandchild = family
    with pytest.raises(RuntimeError, match=f"a child of the run {parent.id}"):
        stop(orchestrator, child)
    assert {now(run).status for run in family} == {S.RUNNING}
    assert stop(orchestrator, child, graceful=True).status is S.STOPPING
    assert now(parent).status is S.RUNNING
    assert now(grandchild).status is S.STOPPING
    assert orchestrator.jobs.stopped == []


# ---- Schedules


def test_a_platform_is_told_the_times_of_a_schedule_in_utc_however_zenml_has_stored_them() -> None:
    wanted = Schedule(
        name="nightly",
        start_time=datetime(2030, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
        interval_second=timedelta(hours=1),
    )
    wanted.end_time = datetime(2030, 5, 1, 7)  # noqa: DTZ001 - as MySQL returns it
    told = orchestrators.schedule_of(cast("Any", wanted))
    assert told.start_time == datetime(2029, 12, 31, 23, 30, tzinfo=timezone.utc)
    assert told.start_time.utcoffset() == timedelta(0)
    assert told.end_time == datetime(2030, 5, 1, 7, tzinfo=timezone.utc)
    assert (told.name, told.interval_second) == ("nightly", timedelta(hours=1))
    assert (told.cron_expression, told.run_once_start_time, told.catchup) == (None, None, False)


@IN_JOB
def test_settings_that_are_not_valid_together_are_a_submission_that_is_refused(
    orchestrator: InJob,
) -> None:
    with (
        mock.patch.object(orchestrator, "get_settings", side_effect=ValueError("no such type")),
        pytest.raises(PipelineSubmissionError, match=r"Nothing was submitted\. no such type"),
    ):
        orchestrator._submit_job(snapshot_of("static"), new_run("static"), {}, lambda _: {})


@IN_JOB
def test_a_schedule_whose_runs_would_have_too_long_a_name_is_refused(orchestrator: InJob) -> None:
    snapshot = snapshot_of("static")
    template = "x" * 230 + "-{date}-{time}"  # 257 characters, once it is filled in
    with (
        mock.patch.object(type(snapshot), "run_name_template", template),
        mock.patch.object(orchestrator, "_jobs", side_effect=AssertionError),
        pytest.raises(PipelineSubmissionError, match=r"with 257 characters.*stores 255"),
    ):
        orchestrator._submit_job(snapshot, None, {}, lambda _: {})


@KINDS
@IN_JOB
def test_a_schedule_that_is_deleted_stops_its_runs(orchestrator: InJob, kind: str) -> None:
    run = new_run(kind, S.INITIALIZING, metadata=own_job(orchestrator, alive=True))
    step = new_step(run)
    set_status(run, S.RUNNING)
    submitted = orchestrator.jobs.add(JobKey(str(run.id), str(step.id), 1), RUNNING)
    seen: list[ExecutionStatus] = []

    def list_open_runs(**of: UUID) -> list[PipelineRunResponse]:
        return [now(run)] if "schedule_id" in of else []

    def delete(_: str) -> None:
        seen.append(now(run).status)

    schedule = mock.Mock(run_metadata={"schedule_job": "nightly"})
    with (
        mock.patch.object(run_store, "list_open_runs", list_open_runs),
        mock.patch.object(orchestrator.jobs, "delete_schedule", delete),
    ):
        orchestrator.delete_schedule(schedule)
    assert seen == [S.STOPPING]
    assert submitted in orchestrator.jobs.stopped
    assert statuses(now(run)) == {S.STOPPED}


@IN_JOB
def test_a_schedule_that_is_deleted_stops_its_other_runs_if_one_stop_is_refused(
    orchestrator: InJob,
) -> None:
    runs = [new_run("dynamic") for _ in range(3)]
    jobs = {run.id: orchestrator.jobs.add(JobKey(str(run.id), "first", 1), RUNNING) for run in runs}
    kept = runs[1]

    def open_runs(**of: UUID) -> list[PipelineRunResponse]:
        return [now(run) for run in runs] if "schedule_id" in of else []

    orchestrator.jobs.unstoppable = {jobs[kept.id]}
    schedule = mock.Mock(run_metadata={"schedule_job": "nightly"})
    with (
        mock.patch.object(run_store, "list_open_runs", open_runs),
        pytest.raises(RuntimeError, match=f"`{kept.name}`: .*may not stop") as refusal,
    ):
        orchestrator.delete_schedule(schedule)
    assert set(orchestrator.jobs.stopped) == {jobs[run.id] for run in runs if run is not kept}
    assert [now(run).status for run in runs] == [S.STOPPED, S.STOPPING, S.STOPPED]
    assert not [run.name for run in runs if run is not kept and run.name in str(refusal.value)]


@IN_JOB
@pytest.mark.parametrize("ended_by", ["itself", "its job's death"])
def test_a_schedule_is_paused_when_its_runs_have_ended(
    orchestrator: InJob, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    run = new_run("static", S.INITIALIZING, metadata=own_job(orchestrator, alive=True))
    set_status(run, S.RUNNING)
    waits: list[float] = []

    class EventfulClock(Clock):
        def wait(self, seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 1:
                return
            if ended_by == "itself":
                end_run(run.id, "", failed=False)
            else:
                orchestrator.jobs.jobs[str(run.run_metadata["controller_job"])] = ENDED

    def list_open_runs(**of: UUID) -> list[PipelineRunResponse]:
        return [now(run)] * ("schedule_id" in of and not now(run).status.is_finished)

    monkeypatch.setattr(run_store, "list_open_runs", list_open_runs)
    monkeypatch.setattr(orchestrators, "Clock", EventfulClock)
    schedule = mock.Mock(run_metadata={"schedule_job": "nightly"})
    with mock.patch.object(orchestrator.jobs, "update_schedule") as update:
        orchestrator.update_schedule(schedule, ScheduleUpdate(active=False))
    update.assert_called_once_with("nightly", cron=None, active=False)
    assert len(waits) >= 2
    assert now(run).status is (S.STOPPED if ended_by == "itself" else S.FAILED)
    assert orchestrator.jobs.stopped == []


@IN_JOB
@pytest.mark.parametrize("error", [ValueError, JobRefused])
def test_a_change_of_a_schedule_that_cannot_be_made_says_why(
    orchestrator: InJob, error: type[Exception]
) -> None:
    schedule = mock.Mock(run_metadata={"schedule_job": "nightly"})
    refused = mock.patch.object(orchestrator.jobs, "update_schedule", side_effect=error("no cron"))
    with refused, pytest.raises(RuntimeError, match="not updated: no cron"):
        orchestrator.update_schedule(schedule, ScheduleUpdate(cron_expression="whenever"))


# ---- The run ID


@IN_JOB
def test_a_step_gives_its_own_run_the_id_that_its_platform_alone_knows(
    orchestrator: InJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ZenML would give a step any run of its snapshot that has no ID, also one of another execution.
    snapshot = snapshot_of("static")
    runs = [create_placeholder_run(snapshot=snapshot) for _ in range(2)]
    ids = [str(uuid4()) for _ in runs]
    monkeypatch.setattr(Client, "active_stack", mock.Mock(orchestrator=orchestrator))
    monkeypatch.setattr(StepEntrypointConfiguration, "run", lambda _: None)
    for run, run_id in [*zip(runs, ids, strict=True)][::-1]:
        specs = orchestrator._specs(snapshot, run, None, {}, lambda _: {})
        command = specs.step("first", 1).command
        monkeypatch.setenv(orchestrator.run_id.variable, run_id)
        StepEntrypoint(list(command[len(specs.entrypoint) :])).run()
    assert [now(run).orchestrator_run_id for run in runs] == ids


@IN_JOB
def test_a_step_that_is_told_the_id_asks_zenml_for_no_run_before_its_own_entrypoint(
    orchestrator: InJob,
) -> None:
    specs = orchestrator._specs(snapshot_of("static"), new_run("static"), "id", {}, lambda _: {})
    assert f"--{RUN_ID_OPTION}" not in specs.step("first", 1).command


def test_a_controller_shows_no_secret_where_its_variables_are_shown(orchestrator: InJob) -> None:
    # ZenML's tracebacks show them when it logs at DEBUG.
    run = new_run("static")
    assert run.snapshot is not None
    secret = {"ZENML_STORE_API_TOKEN": "t0k3n"}
    specs = orchestrator._specs(run.snapshot, run, "id", secret, lambda _: secret)
    shown = repr((specs, specs.own_job(), specs.job, orchestrator._controller(specs, run)))
    assert "ZENML_STORE_API_TOKEN" not in shown
    assert "t0k3n" not in shown


# ---- Causes


def test_what_zenml_does_not_know_of_a_failed_step_it_is_told(orchestrator: InJob) -> None:
    run = new_run("static", S.INITIALIZING)
    new_step(run, S.FAILED)  # As when an output cannot be saved.
    assert run.snapshot is not None
    store = run_store.ZenMLRun(Client().get_snapshot(run.snapshot.id), run)
    orchestrator.jobs.lines = ["Traceback", "OSError: disk full"]
    cause = with_last_lines(orchestrator.platform, "job", "exit code 1")
    assert store.end_step("first", cause, stopped=False) == cause
    assert "OSError: disk full" in str(now(run).steps["first"].exception_info)
    assert store.end_step("first", "something else", stopped=False) == cause
    with pytest.raises(RuntimeError, match=r"(?s)`first` failed: exit code 1.*OSError: disk full"):
        raise_for_run(run.id, JobStatus(Phase.FAILED, exit_code=RUN_FAILED), dict)


@pytest.mark.parametrize(
    "error",
    [
        RequestsConnectionError("refused"),
        RuntimeError("503 HTTP Error received from server: x"),
        OperationalError("", None, Exception("database is locked")),
    ],
)
@pytest.mark.usefixtures("orchestrator")
def test_a_step_that_could_not_begin_is_told_of_later_if_zenml_does_not_answer_now(
    error: Exception,
) -> None:
    run = new_run("static", S.INITIALIZING)
    assert run.snapshot is not None
    store = run_store.ZenMLRun(Client().get_snapshot(run.snapshot.id), run)
    with (
        mock.patch.object(SqlZenStore, "create_run_step", side_effect=error),
        pytest.raises(run_store.ZenMLUnavailableError),
    ):
        store.end_step("first", "exit code 1", stopped=False)
    store.end_step("first", "exit code 1", stopped=False)
    assert now(run).steps["first"].status is S.FAILED


# ---- A controller that is started again


@IN_JOB
@pytest.mark.parametrize("ended", ["with a failed step", "failed", "stopped", "completed"])
def test_a_controller_continues_a_run_only_if_the_one_before_it_has_not_ended_it(
    orchestrator: InJob, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("static", S.RUNNING)
    if ended == "completed":
        for name in ("first", "last"):
            new_step(run, S.COMPLETED, name=name)
    elif ended == "stopped":
        end_run(run.id, "the reason", failed=False)
    else:
        new_step(run, S.FAILED)
    if ended == "failed":
        end_run(run.id, "`first` failed", failed=True)
    claimed = now(run)
    assert run.snapshot is not None
    specs = orchestrator._specs(run.snapshot, run, "id", {}, lambda _: {})
    continued = mock.Mock(return_value=mock.Mock(run=lambda: True))
    monkeypatch.setattr(orchestrator, "claim_from_job", lambda *_: claimed)
    monkeypatch.setattr(orchestrator, "controller_of", continued)
    monkeypatch.setattr(Client, "active_stack", mock.Mock(orchestrator=orchestrator))
    entrypoint = ControllerEntrypoint(list(specs.own_job().command[len(specs.entrypoint) :]))
    if ended == "failed":
        with pytest.raises(SystemExit) as exited:
            entrypoint.run()
        assert exited.value.code == RUN_FAILED
    else:
        entrypoint.run()
    assert continued.called == (ended == "with a failed step")


# ---- Where the user's code is


class SharingCode(InJob):
    """An orchestrator whose jobs see the client's files, and whose controller is one of them."""

    code_is_shared = True


@pytest.mark.parametrize("orchestrator", [SharingCode], indirect=True)
def test_a_controller_in_a_job_has_the_steps_find_modules_where_the_client_did(
    orchestrator: InJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("static")
    assert run.snapshot is not None
    specs = orchestrator._specs(run.snapshot, run, "id", {}, lambda _: {})
    command = specs.own_job().command
    clients = source_utils.get_source_root()
    # The process of the job knows nothing of the client but what its command says.
    source_utils.set_custom_source_root("/elsewhere")
    asked: list[list[JobSpec]] = []

    def steps_of(snapshot: PipelineSnapshotResponse, claimed: PipelineRunResponse) -> mock.Mock:
        specs = SharingCode._specs(orchestrator, snapshot, claimed, "id", {}, lambda _: {})
        asked.append([specs.step(name, 1) for name in ("first", "last")])
        return mock.Mock()

    monkeypatch.setattr(orchestrator, "claim_from_job", lambda *_: run)
    monkeypatch.setattr(orchestrator, "controller_of", steps_of)
    monkeypatch.setattr(Client, "active_stack", mock.Mock(orchestrator=orchestrator))
    try:
        ControllerEntrypoint(list(command[len(specs.entrypoint) :])).run()
    finally:
        source_utils.set_custom_source_root(clients)
    assert [step.command[-2:] for step in asked[0]] == [("--source_root", clients)] * 2
