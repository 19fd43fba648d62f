"""What the supervisor of a service's container tells ZenML of a process, for each of its ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from engine.services import end_report
from zenml.enums import ExecutionMode, ExecutionStatus

S = ExecutionStatus
MODE = ExecutionMode.CONTINUE_ON_FAILURE


class ZenML:
    """ZenML, and the orchestrator: they note what they are told."""

    def __init__(self, run: ExecutionStatus, step: ExecutionStatus, mode: ExecutionMode) -> None:
        """Knows one run and one step."""
        self.told: list[Any] = []
        config = SimpleNamespace(execution_mode=mode)
        self.run = SimpleNamespace(id="run", status=run, config=config)
        self.step = SimpleNamespace(status=step, pipeline_run_id="run")
        self.known = True

    # The functions of `run_store`

    def get_run(self, _: object) -> Any:
        return self.run

    def get_step_run(self, _: UUID) -> Any:
        return self.step

    def get_snapshot(self, _: UUID) -> str:
        return "snapshot"

    def find_run(self, snapshot: str, run_id: str) -> Any:
        assert (snapshot, run_id) == ("snapshot", "ID")
        return self.run if self.known else None

    def end_run(self, run: str, reason: str, *, failed: bool) -> None:
        self.told.append((run, "failed" if failed else "stopped", reason))

    def end_step_run(self, _: object, cause: str, *, stopped: bool) -> None:
        self.end_step("step", cause, stopped=stopped)

    # `ZenMLRun`

    def end_step(self, name: str, cause: str, *, stopped: bool) -> None:
        self.told.append((name, "stopped" if stopped else "failed", cause))

    def step_record(self, _: str) -> Any:
        return SimpleNamespace(succeeded=self.step.status.is_successful)

    # The orchestrator

    def get_orchestrator_run_id(self) -> str:
        return "ID"

    def stop_others(self, run: Any) -> None:
        self.told.append("the others are stopped")


@pytest.fixture
def zenml(monkeypatch: pytest.MonkeyPatch) -> ZenML:
    """ZenML, with a run in progress and a step of it."""
    zenml = ZenML(S.RUNNING, S.RUNNING, MODE)
    for name in ("get_run", "get_step_run", "get_snapshot", "find_run", "end_run", "end_step_run"):
        monkeypatch.setattr(end_report, name, getattr(zenml, name))
    monkeypatch.setattr(end_report, "ZenMLRun", lambda *_: zenml)
    monkeypatch.setattr(end_report, "active_orchestrator", lambda: zenml)
    return zenml


def report(
    *arguments: str, told_to_end: bool = False, fail_fast: bool = False, restart: bool = False
) -> bool:
    """Reports the end of a process."""
    return end_report.report_end(
        ["--entrypoint_config_source", "x", "--snapshot_id", str(uuid4()), *arguments],
        "killed by SIGTERM",
        told_to_end=told_to_end,
        fail_fast=fail_fast,
        will_restart=lambda: restart,
    )


STEP = ("--step_name", "step")
ISOLATED = ("--step_run_id", str(uuid4()))
KINDS = pytest.mark.parametrize("step", [STEP, ISOLATED], ids=["static", "isolated"])


@KINDS
def test_a_step_that_was_killed_has_failed(zenml: ZenML, step: tuple[str, str]) -> None:
    assert not report(*step)
    assert zenml.told == [("step", "failed", "killed by SIGTERM")]


@KINDS
def test_a_step_whose_run_is_stopped_was_stopped(zenml: ZenML, step: tuple[str, str]) -> None:
    zenml.run.status = S.STOPPING
    assert not report(*step, told_to_end=True)
    assert zenml.told == [("step", "stopped", "killed by SIGTERM")]


@KINDS
@pytest.mark.parametrize(("mode", "end"), [(ExecutionMode.FAIL_FAST, "stopped"), (MODE, "failed")])
def test_a_step_that_is_told_to_end_since_another_failed_was_stopped_if_the_mode_says_so(
    zenml: ZenML, step: tuple[str, str], mode: ExecutionMode, end: str
) -> None:
    zenml.run.status = S.FAILED
    zenml.run.config.execution_mode = mode
    report(*step, told_to_end=True)
    assert zenml.told == [("step", end, "killed by SIGTERM")]


@KINDS
def test_a_step_that_has_succeeded_stays_so(zenml: ZenML, step: tuple[str, str]) -> None:
    zenml.step.status = S.COMPLETED
    assert report(*step, fail_fast=True)
    assert "the others are stopped" not in zenml.told


@pytest.mark.parametrize(("status", "stopped"), [(S.RUNNING, True), (S.STOPPING, False)])
def test_a_step_that_fails_fast_stops_the_others_once(
    zenml: ZenML, status: ExecutionStatus, stopped: bool
) -> None:
    zenml.run.status = status
    report(*STEP, fail_fast=True)
    assert ("the others are stopped" in zenml.told) is stopped


def test_nothing_is_told_of_a_run_that_zenml_does_not_know(zenml: ZenML) -> None:
    zenml.known = False
    assert not report(*STEP)
    assert zenml.told == []


RUN_ID = ("--run_id", str(uuid4()))


@pytest.mark.parametrize("run", [RUN_ID, ()], ids=["submitted", "scheduled"])
def test_a_function_that_was_killed_fails_its_run_and_leaves_nothing(
    zenml: ZenML, run: tuple[str, ...]
) -> None:
    assert not report(*run)
    reason = "The pipeline's function failed: killed by SIGTERM"
    assert zenml.told == ["the others are stopped", ("run", "failed", reason)]


def test_a_function_whose_run_is_stopped_was_stopped(zenml: ZenML) -> None:
    zenml.run.status = S.STOPPING
    assert not report(*RUN_ID, told_to_end=True)
    assert zenml.told[-1][1] == "stopped"


@pytest.mark.parametrize(("told_to_end", "left"), [(True, True), (False, False)])
def test_a_function_that_is_started_again_is_left_as_it_is(
    zenml: ZenML, told_to_end: bool, left: bool
) -> None:
    assert not report(*RUN_ID, told_to_end=told_to_end, restart=True)
    assert (zenml.told == []) is left


@pytest.mark.parametrize(
    ("status", "well"), [(S.COMPLETED, True), (S.FAILED, False), (S.PAUSED, True)]
)
def test_a_function_that_has_ended_its_run_has_said_all(
    zenml: ZenML, status: ExecutionStatus, well: bool
) -> None:
    zenml.run.status = status
    assert report(*RUN_ID) is well
    assert zenml.told == []


# ---- The secret of a run that ends with the process


ORDER = {"first": (), "left": ("first",), "right": ("first",), "last": ("left", "right")}


class Service:
    """A service with secrets."""

    def __init__(self) -> None:
        """Has deleted none yet."""
        self.deleted: list[str] = []
        self.secret_store = self

    def delete(self, reference: str) -> None:
        self.deleted.append(reference)


def cleaned_up(
    monkeypatch: pytest.MonkeyPatch,
    run: ExecutionStatus,
    steps: dict[str, ExecutionStatus] | None,
    *arguments: str,
    schedule: str | None = None,
) -> bool:
    """Tells whether the secret is deleted; of a dynamic run, `steps` are None."""
    found = SimpleNamespace(
        status=run,
        schedule=schedule,
        steps={name: SimpleNamespace(status=status) for name, status in (steps or {}).items()},
    )
    configurations = {
        name: SimpleNamespace(spec=SimpleNamespace(upstream_steps=above))
        for name, above in ORDER.items()
    }
    snapshot = SimpleNamespace(step_configurations=configurations)
    service = Service()
    orchestrator = SimpleNamespace(service=service, get_orchestrator_run_id=lambda: "ID")
    monkeypatch.setenv(end_report.SECRET_VARIABLE, "its-reference")
    monkeypatch.setattr(end_report, "active_orchestrator", lambda: orchestrator)
    monkeypatch.setattr(end_report, "get_snapshot", lambda _: snapshot)
    monkeypatch.setattr(end_report, "find_run", lambda *_: found)
    monkeypatch.setattr(end_report, "is_dynamic", lambda _: steps is None)
    end_report.clean_up(["--snapshot_id", str(uuid4()), *arguments])
    assert service.deleted in ([], ["its-reference"])
    return bool(service.deleted)


DONE = dict.fromkeys(ORDER, S.COMPLETED)


@pytest.mark.parametrize(
    ("run", "steps", "deleted"),
    [
        (S.COMPLETED, DONE, True),
        (S.COMPLETED, {**DONE, "left": S.CACHED}, True),
        (S.RUNNING, {**DONE, "last": S.RUNNING}, False),
        (S.RUNNING, {"first": S.COMPLETED}, False),
        (S.RUNNING, {**DONE, "last": S.RETRYING}, False),
        # ZenML has a run as failed that goes on.
        (S.FAILED, {"first": S.COMPLETED, "left": S.FAILED, "right": S.RUNNING}, False),
        (S.FAILED, {"first": S.COMPLETED, "left": S.FAILED}, False),
        (S.FAILED, {"first": S.COMPLETED, "left": S.FAILED, "right": S.COMPLETED}, True),
        (S.FAILED, {"first": S.FAILED}, True),
        (S.COMPLETED, None, True),
        (S.FAILED, None, True),
        (S.PAUSED, None, True),  # If it is resumed, its next job has a secret of its own.
        (S.RUNNING, None, False),
    ],
)
def test_the_last_process_of_a_run_deletes_its_secret(
    monkeypatch: pytest.MonkeyPatch,
    run: ExecutionStatus,
    steps: dict[str, ExecutionStatus] | None,
    deleted: bool,
) -> None:
    assert cleaned_up(monkeypatch, run, steps) is deleted
    assert not cleaned_up(monkeypatch, run, steps, schedule="nightly")


def test_an_isolated_step_leaves_the_secret_to_the_function_that_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not cleaned_up(monkeypatch, S.COMPLETED, None, "--step_run_id", str(uuid4()))


def test_a_process_whose_secret_cannot_be_deleted_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object, __: str) -> None:
        raise RuntimeError("It is not yours.")

    monkeypatch.setattr(Service, "delete", refuse)
    assert not cleaned_up(monkeypatch, S.COMPLETED, DONE)
    assert "It is not yours." in caplog.text
