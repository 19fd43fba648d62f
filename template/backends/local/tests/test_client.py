# YOURS: tests of what only your platform does.
"""The client: Ctrl-C stops its run, and what becomes of one that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import HARNESS
from kit import pipelines, runs
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.utils.run_utils import refresh_run_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zenml.models import PipelineRunResponse

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientAtWork]:
    """A client of its own, which runs one pipeline, and when that has ended another."""
    marks = tmp_path_factory.mktemp("client")
    program = Path(__file__).with_name("client.py")
    process = subprocess.Popen([sys.executable, str(program), str(marks), "one", "another"])
    yield ClientAtWork(process, marks)
    process.kill()
    process.wait(60)


@dataclass
class ClientAtWork:
    """A process that runs pipelines."""

    process: subprocess.Popen[bytes]
    marks: Path

    def pids(self, pipeline: str) -> Path:
        """Waits until the step of a pipeline works, and returns where its processes are noted."""
        pipelines.wait_for(self.marks / pipeline / "pids")
        return self.marks / pipeline / "pids"

    def run(self, pipeline: str) -> PipelineRunResponse:
        """Returns the run of a pipeline, as ZenML has it now."""
        run = Client().list_pipeline_runs(pipeline=pipeline, size=1).items[0]
        return Client().get_pipeline_run(run.id)


def test_ctrl_c_stops_the_run_however_often_and_leaves_no_process_behind(
    client: ClientAtWork,
) -> None:
    # The step takes no notice, and is killed after a second.
    pids = client.pids("one")
    for _ in range(3):
        client.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    pipelines.wait_for(client.marks / "one" / "interrupt")
    assert "the run was stopped" in (client.marks / "one" / "interrupt").read_text()
    # It does not say so before it is true.
    assert [pid for pid in runs.noted(pids) if HARNESS.is_running(pid)] == []
    assert client.run("one").status is ExecutionStatus.STOPPED


def test_a_killed_client_takes_its_run_with_it(client: ClientAtWork) -> None:
    pids = client.pids("another")
    assert refresh_run_status(client.run("another")).status is ExecutionStatus.RUNNING
    client.process.kill()
    client.process.wait(60)
    assert runs.alive(pids) == []
    refresh_run_status(client.run("another"), include_step_updates=True)
    assert client.run("another").status is ExecutionStatus.FAILED
    assert {step.status for step in client.run("another").steps.values()} == {
        ExecutionStatus.FAILED
    }
