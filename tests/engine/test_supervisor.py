"""The first process of a service's container, as it is: a real process, with real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from engine.services.supervisor import FAIL_FAST, NOT_RESTORED, RETRY, supervised_arguments
from kit.timeouts import scaled
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from pathlib import Path

# A container in which a test's code takes the place of ZenML's entrypoint, and of the report to it.
PROGRAM = """
import atexit, os, signal, subprocess, sys, time
from engine.services import supervisor


class Container:
    def restore_environment(self):
        {restore}

    def report_failure(self, reason, exit_code):
        print("the service is told:", reason, flush=True)
        return exit_code


class Supervisor(supervisor.Supervisor):
    def _run_zenml(self):
        print("begins", flush=True)
        {work}
        return True

    def _report(self, cause, *, last):
        print("ZenML is told:", cause, "for good" if last else "tried again", flush=True)
        return {succeeded}


supervisor.Supervisor = Supervisor
{before}
sys.exit(supervisor.supervise(Container()))
"""


class Supervised:
    """A container that a test has started."""

    def __init__(
        self,
        work: str,
        *arguments: str,
        restore: str = "pass",
        before: str = "",
        succeeded: bool = False,
    ) -> None:
        """Starts it."""
        program = PROGRAM.format(work=work, restore=restore, before=before, succeeded=succeeded)
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
        )

    def wait_until_begun(self) -> None:
        """Waits until its process works."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "begins\n"

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> tuple[int, list[str]]:
        """Returns its exit code, and the lines that it has written since."""
        output, _ = self._process.communicate(timeout=scaled(60))
        return self._process.returncode, output.splitlines()


def test_a_process_that_does_its_work_is_a_success() -> None:
    assert Supervised("pass").end() == (0, ["begins"])


@pytest.mark.parametrize(
    ("work", "cause", "code"),
    [
        ("raise ValueError", "exit code 1", 1),
        ("sys.exit(7)", "exit code 7", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", 137),
        # The exit code says nothing of the work: a step may exit.
        ("os._exit(0)", "exit code 0", 1),
        ("sys.exit(0)", "exit code 0", 1),
    ],
)
def test_any_other_end_is_told_to_zenml_and_to_the_service(
    work: str, cause: str, code: int
) -> None:
    # An exit code of its own tells the service no more than it sees.
    reason = "" if cause == f"exit code {code}" else cause
    told = [f"ZenML is told: {cause} for good", f"the service is told: {reason}"]
    assert Supervised(work).end() == (code, ["begins", *told])


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGSEGV)"])
def test_what_becomes_of_a_process_after_its_work_is_not_important(end: str) -> None:
    assert Supervised(f"atexit.register(lambda: {end})").end() == (0, ["begins"])


def test_a_success_that_zenml_has_stays_one() -> None:
    code, lines = Supervised("os._exit(1)", succeeded=True).end()
    assert (code, lines) == (0, ["begins", "ZenML is told: exit code 1 for good"])


def test_a_process_that_outlives_its_parent_does_not_hold_it_up() -> None:
    left = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], close_fds=False"
    began = time.monotonic()
    code, _ = Supervised(f"{left}, stdout=subprocess.DEVNULL)").end()
    assert code == 0
    assert time.monotonic() - began < 50


def test_a_step_is_tried_again_as_often_as_it_says(tmp_path: Path) -> None:
    retry = StepRetryConfig(max_retries=2, delay=0, backoff=1)
    arguments = supervised_arguments(retry, ExecutionMode.CONTINUE_ON_FAILURE)
    assert arguments[0] == RETRY
    fails_once = f"p = '{tmp_path}/tried'; t = os.path.exists(p); open(p, 'w'); t or os._exit(1)"
    code, lines = Supervised(fails_once, *arguments).end()
    assert (code, lines) == (0, ["begins", "ZenML is told: exit code 1 tried again", "begins"])
    code, lines = Supervised("os._exit(1)", *arguments).end()
    assert code == 1
    assert lines.count("begins") == 3
    assert lines[-2:] == ["ZenML is told: exit code 1 for good", "the service is told: "]


def test_only_the_mode_that_says_so_lets_a_step_stop_the_others() -> None:
    assert supervised_arguments(None, ExecutionMode.FAIL_FAST) == [FAIL_FAST]
    assert supervised_arguments(None, ExecutionMode.STOP_ON_FAILURE) == []


def test_sigterm_is_handed_on_and_nothing_is_tried_again_after_it() -> None:
    retry = json.dumps({"max_retries": 5, "delay": 0, "backoff": 1})
    supervised = Supervised("time.sleep(60)", RETRY, retry)
    supervised.wait_until_begun()
    supervised.terminate()
    told = ["ZenML is told: killed by SIGTERM for good", "the service is told: killed by SIGTERM"]
    assert supervised.end() == (143, told)


def test_sigterm_during_a_pause_ends_it() -> None:
    retry = json.dumps({"max_retries": 1, "delay": 60, "backoff": 1})
    said = "lambda *a: (print('begins', flush=True), pause(*a))"
    pausing = f"pause = Supervisor._pause\nSupervisor._pause = {said}"
    supervised = Supervised("os._exit(1)", RETRY, retry, before=pausing)
    supervised.wait_until_begun()
    supervised._process.stdout.readline()  # type: ignore[union-attr]  # what ZenML is told
    supervised.wait_until_begun()
    supervised.terminate()
    assert supervised.end() == (1, ["the service is told: "])


@pytest.mark.parametrize("moment", ["before", "after"])
def test_sigterm_around_the_fork_is_not_lost(moment: str) -> None:
    kill = "os.kill(os.getpid(), signal.SIGTERM)"
    fork = {
        "before": f"def forked():\n    {kill}\n    return fork()",
        "after": f"def forked():\n    pid = fork()\n    if pid: {kill}\n    return pid",
    }
    before = f"fork = os.fork\n{fork[moment]}\nos.fork = forked"
    code, lines = Supervised("time.sleep(60)", before=before).end()
    assert code == 143
    assert lines[-1] == "the service is told: killed by SIGTERM"


def test_sigterm_before_the_environment_is_restored_starts_nothing() -> None:
    code, lines = Supervised("pass", restore="os.kill(os.getpid(), signal.SIGTERM)").end()
    assert code == 143
    assert "begins" not in lines


def test_an_environment_that_cannot_be_restored_is_told_to_the_service() -> None:
    code, lines = Supervised("pass", restore="raise PermissionError('no access')").end()
    assert code == NOT_RESTORED
    assert lines == ["the service is told: its environment cannot be completed: no access"]


def test_the_report_waits_for_zenml_as_the_step_itself_does() -> None:
    program = (
        "from types import SimpleNamespace\n"
        "from engine.services import end_report, supervisor\n"
        "from zenml.zen_stores.rest_zen_store import RestZenStore\n"
        "request = RestZenStore._request\n"
        "end_report.report_end = lambda *_, **__: RestZenStore._request is not request\n"
        "container = SimpleNamespace(will_restart=lambda: False)\n"
        "print(supervisor.Supervisor([], container)._report('killed', last=True))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout.splitlines()[-1] == b"True"
