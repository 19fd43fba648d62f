"""The kit's containers: their process is the first of a PID namespace, or behaves like it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kit.containers import Container, Containers, Request
from kit.harness import process_runs
from kit.timeouts import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PID namespaces are Linux's")

# Starts a process in a session of its own, whose parent ends: it tells both IDs of its parent's.
ORPHAN = """
import os, subprocess, time
code = "import os, time; time.sleep(0.2); print('child of', os.getppid(), flush=True)"
subprocess.run(["sh", "-c", f'{os.sys.executable} -c "{code}" &'])
print("I am", os.getpid(), flush=True)
os.wait()
"""
SESSION = "setsid sh -c 'read pid rest < /proc/self/stat; echo $pid; exec sleep 60' &"


class Place:
    """Containers of one kind."""

    def __init__(self, folder: Path, *, namespaces: bool) -> None:
        """Starts the fork server."""
        self.namespaces = namespaces
        self.log = folder / "log"
        self.folder = folder
        self.containers = Containers(
            folder, environment={"PATH": os.environ["PATH"]}, namespaces=namespaces
        )

    def start(self, *command: str, **variables: str) -> Container:
        """Starts a container."""
        environment = {"PATH": os.environ["PATH"], **variables}
        request = Request(
            command=[*command],
            environment=environment,
            directory=str(self.folder),
            hostname="here",
            mounts={},
        )
        return self.containers.start(request, self.log)

    def run(self, code: str, **variables: str) -> tuple[int, str]:
        """Runs Python, and returns its exit code and what it wrote."""
        code_of_exit = self.start("python", "-c", code, **variables).wait()
        return code_of_exit, self.log.read_text()


def allowed() -> bool:
    """Tells whether the system allows namespaces here; asked where no thread runs."""
    code = "from kit.containers import PidNamespaces; print(PidNamespaces.allowed())"
    path = os.pathsep.join(sys.path)
    said = subprocess.check_output(  # noqa: S603 - our own code
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, text=True
    )
    return said.strip() == "True"


@pytest.fixture(params=[True, False], ids=["first", "imitated"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Containers with namespaces, and without."""
    if request.param and not allowed():
        pytest.skip("This system allows no PID namespaces here.")
    place = Place(tmp_path, namespaces=request.param)
    yield place
    place.containers.close()


@pytest.mark.parametrize("variables", [{}, {"PYTHONHASHSEED": "1"}], ids=["warm", "fresh"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_a_first_process_gets_no_signal_of_its_own_without_a_handler(
    place: Place, number: int, variables: dict[str, str]
) -> None:
    code = f"import os, signal; os.kill(os.getpid(), {number}); signal.raise_signal({number})"
    code += "; print('alive', os.getpid() == 1)"
    assert place.run(code, **variables) == (0, f"alive {place.namespaces}\n")


def test_a_first_process_gets_the_signals_that_it_handles(place: Place) -> None:
    code = "import os, signal; signal.signal(15, lambda *_: os._exit(7)); os.kill(os.getpid(), 15)"
    assert place.run(code)[0] == 7


def test_a_first_process_that_fails_by_an_interrupt_says_so(place: Place) -> None:
    assert place.run("raise KeyboardInterrupt")[0] == 130


def test_a_first_process_that_crashes_ends_by_a_signal(place: Place) -> None:
    assert place.run("import ctypes; ctypes.string_at(0)")[0] == 139


def test_a_first_process_is_killed_from_outside(place: Place) -> None:
    container = place.start("python", "-c", "import time; time.sleep(60)")
    container.terminate()  # It has no handler.
    container.send_signal(signal.SIGKILL)
    assert container.wait() == 137


def test_a_first_process_inherits_orphans(place: Place) -> None:
    code, said = place.run(ORPHAN)
    assert code == 0
    first, second = said.splitlines()
    assert first.removeprefix("I am") == second.removeprefix("child of")


def test_a_namespace_ends_with_its_first_process(place: Place) -> None:
    if not place.namespaces:
        pytest.skip("Without, a process in a session of its own lives on.")
    container = place.start("sh", "-c", SESSION + " sleep 60")
    wait_until(place.log.read_text, 10, what="the process is to tell its ID")
    pid = int(place.log.read_text())
    assert process_runs(pid)
    container.send_signal(signal.SIGKILL)
    container.wait()
    assert not process_runs(pid)
