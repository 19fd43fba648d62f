# YOURS: tests of what only your platform does.
"""Steps are processes of this machine, forked from the fork server or started afresh."""

from __future__ import annotations

import sys
from inspect import unwrap
from typing import TYPE_CHECKING, Any
from unittest import mock

import platform_pipelines
import psutil
import pytest
from harness import ForkServer, LocalPlatform, ProcessJob
from kit import pipelines, runs
from zenml.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from kit.runs import Outcome
    from zenml.orchestrators import BaseOrchestrator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="These look at POSIX processes")


def test_steps_are_processes_of_their_own(static: Outcome, dynamic: Outcome) -> None:
    assert len({seen["pid"] for seen in static.seen.values()}) == 4
    assert len({seen["pid"] for seen in dynamic.seen.values()}) == 3  # Two of four are isolated.


def test_steps_with_no_order_between_them_run_side_by_side(tmp_path: Path) -> None:
    # Each waits for the other one.
    assert runs.execute(platform_pipelines.meeting, str(tmp_path)).error is None


def test_steps_are_forked_from_the_fork_server(static: Outcome, dynamic: Outcome) -> None:
    parents = {seen["parent"] for outcome in (static, dynamic) for seen in outcome.seen.values()}
    assert len(parents) == 1
    assert parents <= servers()


def servers() -> set[int]:
    """Returns the fork server, and the guard before it, if it has one."""
    started = ForkServer.shared().process
    assert started is not None
    return {started.pid, *(child.pid for child in psutil.Process(started.pid).children())}


def test_the_fork_server_holds_no_connection_that_steps_could_share(static: Outcome) -> None:
    server = psutil.Process(static.seen["first"]["parent"])
    assert [file.path for file in server.open_files() if "zenml" in file.path] == []
    # psutil before 6.0 has no `Process.net_connections`.
    assert [held for held in psutil.net_connections(kind="inet") if held.pid == server.pid] == []
    assert server.num_threads() == 1


def test_a_job_is_started_once(static: Outcome) -> None:
    handles = [job.handle for job in static.jobs]
    assert len(handles) == len({*handles}) == 4
    run = str(static.run.id)
    platform = Client().active_stack.orchestrator.platform  # type: ignore[attr-defined]
    assert isinstance(platform, LocalPlatform)
    assert sorted(platform.find(run).values()) == sorted(handles)
    spec = mock.Mock(key=next(iter(platform.find(run))))
    with mock.patch.object(ProcessJob, "__init__", side_effect=AssertionError):
        # Not as the kit has wrapped it, which notes more of a job.
        assert unwrap(LocalPlatform.submit)(platform, spec) in handles


@pytest.mark.full
def test_a_worker_that_was_killed_is_replaced(static: Outcome) -> None:
    server = psutil.Process(static.seen["first"]["parent"])
    (worker,) = server.children()
    worker.kill()
    outcome = runs.execute(pipelines.single)
    assert outcome.error is None
    assert outcome.seen["first"]["pid"] != worker.pid


@pytest.mark.full
def test_nothing_of_zenmls_state_crosses_the_fork(orchestrator: BaseOrchestrator) -> None:
    # The server has read the old value. Changed back at the end: others use the stack.
    client = Client()
    changed: dict[str, Any] = {"stop_grace_seconds": 7.5}
    client.update_stack_component(orchestrator.id, orchestrator.type, configuration=changed)
    try:
        outcome = runs.execute(platform_pipelines.read_configuration)
    finally:
        changed["stop_grace_seconds"] = 10.0
        client.update_stack_component(orchestrator.id, orchestrator.type, configuration=changed)
    assert outcome.seen["read_grace"] == 7.5


@pytest.mark.full
def test_fresh_processes_run_a_pipeline_too(
    orchestrator: BaseOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = orchestrator.platform  # type: ignore[attr-defined]
    monkeypatch.setattr(platform, "_fork", False)
    outcome = runs.execute(pipelines.single)
    assert outcome.error is None
    assert outcome.seen["first"]["run_id"] == outcome.run.orchestrator_run_id
    assert outcome.seen["first"]["parent"] not in servers()
