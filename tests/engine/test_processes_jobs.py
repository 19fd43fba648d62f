"""Jobs that are processes: forked from the fork server or started afresh, and how they end."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from engine.processes import launcher, process_job
from engine.processes.launcher import FORK_SERVER_VARIABLE, ForkServer, LaunchError
from engine.processes.process_job import ProcessJob, Program
from engine.processes.reservations import Capacity, ReservationError, Reservations, Resources
from engine.protocols import JobStatus, Phase
from engine.texts import LONGEST
from kit.timeouts import scaled, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CAPACITY = Capacity(cpus=2, memory=1000, gpus=("7", "9"))


@pytest.fixture(params=[True, False], ids=["forked", "fresh"])
def fork(request: pytest.FixtureRequest) -> bool:
    """Whether processes are forked from the fork server."""
    return bool(request.param)


@pytest.fixture
def start(fork: bool, tmp_path: Path) -> Callable[..., ProcessJob]:
    """Starts a job of a line of Python."""
    reservations = Reservations(tmp_path / "reservations" / "reservations.db", CAPACITY)

    python = Program("job", (), {}, str(tmp_path))

    def start_python(code: str, **more: Any) -> ProcessJob:
        program = replace(python, **{"command": (sys.executable, "-c", code), **more})
        return ProcessJob(program, reservations, fork=fork)

    return start_python


def finish(job: ProcessJob) -> JobStatus:
    """Waits for the end of a job."""
    assert job.wait(scaled(60)), "the job did not end"
    return job.status


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Waits until a condition is true."""
    wait_until(condition, seconds, what="the condition")


def lines_of_jobs(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Returns what jobs have written; the first fork may say beside that ZenML makes a database."""
    return [line for line in capfd.readouterr().out.splitlines() if line.startswith("[")]


def is_running(pid: int) -> bool:
    """Tells whether a process runs."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# How a process starts another one: in its own group, or, as `timeout` and shells do, in a new one.
APART = pytest.mark.parametrize(
    "apart",
    [
        False,
        pytest.param(True, marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
    ],
)


def ignoring(mark: Path, *, apart: bool = False) -> str:
    """Returns a program that ignores SIGTERM, has a child that does too, and notes both."""
    return (
        "import os, pathlib, signal, subprocess, sys, time; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "code = 'import time; time.sleep(600)'; "
        f"child = subprocess.Popen([sys.executable, '-c', code], start_new_session={apart}); "
        f"mark = pathlib.Path({str(mark)!r}); other = mark.with_suffix('.new'); "
        "other.write_text(f'{os.getpid()} {child.pid}'); other.replace(mark); time.sleep(600)"
    )


def noted(mark: Path) -> list[int]:
    """Waits for the process IDs that a program notes."""
    wait_for(mark.exists)
    return [int(pid) for pid in mark.read_text().split()]


def test_a_process_gets_just_the_environment_and_directory_of_its_job(
    start: Callable[..., ProcessJob], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import os; print(os.getcwd(), {k: v for k, v in os.environ.items() if k != 'LC_CTYPE'})"
    environment = {"ONLY": "ünï ' \" \\"}
    assert finish(start(code, environment=environment)).phase is Phase.SUCCEEDED
    assert f"[job] {tmp_path} {environment}" in capfd.readouterr().out


def test_a_job_that_has_failed_keeps_its_last_lines_and_another_nothing(
    start: Callable[..., ProcessJob],
) -> None:
    code = "import sys; [print(n) for n in range(100)]; print(50_000 * 'x'); sys.exit({})"
    failed, succeeded = start(code.format(3)), start(code.format(0))
    assert finish(failed) == JobStatus(Phase.FAILED, exit_code=3)
    *lines, long = failed.last_lines
    assert lines == [str(n) for n in range(81, 100)]
    assert len(long) <= LONGEST
    assert finish(succeeded).phase is Phase.SUCCEEDED
    assert not succeeded.last_lines


def test_each_line_of_output_carries_the_name_of_its_job(
    start: Callable[..., ProcessJob], capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import sys; print('out\\nmore', flush=True); print('err', file=sys.stderr)"
    finish(start(code, name="train"))
    assert lines_of_jobs(capfd) == ["[train] out", "[train] more", "[train] err"]


def test_output_that_cannot_be_printed_decides_nothing(
    start: Callable[..., ProcessJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Broken())
    assert finish(start("print('much' * 100_000, flush=True)\n" * 3)).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", -9),
        ("import os; os.kill(os.getpid(), 11)", -11),
    ],
)
def test_how_it_ended_is_told(start: Callable[..., ProcessJob], code: str, exit_code: int) -> None:
    assert finish(start(code)) == JobStatus(Phase.FAILED, exit_code=exit_code)


@pytest.mark.parametrize("has_cgroup", [True, False])
def test_a_kill_for_lack_of_memory_is_told_as_such(
    start: Callable[..., ProcessJob],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    has_cgroup: bool,
) -> None:
    # The kernel's counters. Where there is that of the cgroup, it alone counts: the other one also
    # counts what happened elsewhere on the machine.
    events, vmstat, cgroup = tmp_path / "mine/memory.events", tmp_path / "vmstat", tmp_path / "own"
    events.parent.mkdir()
    cgroup.write_text("0::/mine\n")
    vmstat.write_text("nr_free_pages 9\noom_kill 3\n")
    if has_cgroup:
        events.write_text("low 0\noom 2\noom_kill 0\n")
    monkeypatch.setattr(process_job, "CGROUP", cgroup)
    monkeypatch.setattr(process_job, "CGROUPS", tmp_path)
    monkeypatch.setattr(process_job, "VMSTAT", vmstat)

    def killed_after(counters: Path) -> str:
        rise = f"import re; p = pathlib.Path({str(counters)!r}); p.write_text('oom_kill 9\\n')"
        return finish(start(f"import os, pathlib; {rise}; os.kill(os.getpid(), 9)")).reason

    elsewhere = killed_after(vmstat)
    out_of_memory = "killed by SIGKILL, as the machine ran out of memory"
    assert elsewhere == ("" if has_cgroup else out_of_memory)
    if has_cgroup:
        assert killed_after(events) == out_of_memory


def test_a_program_that_does_not_exist_is_a_failure(
    start: Callable[..., ProcessJob], capfd: pytest.CaptureFixture[str]
) -> None:
    status = finish(start("", command=("/no/such/program",)))
    assert status == JobStatus(Phase.FAILED, exit_code=127)
    assert "/no/such/program cannot be started: " in capfd.readouterr().out


@APART
def test_a_process_that_will_not_end_is_killed_after_its_grace(
    start: Callable[..., ProcessJob], tmp_path: Path, apart: bool
) -> None:
    job = start(ignoring(tmp_path / "pids", apart=apart), grace_seconds=0.2)
    pids = noted(tmp_path / "pids")
    assert job.status.phase is Phase.RUNNING
    job.stop()
    job.stop()
    assert finish(job) == JobStatus(Phase.STOPPED, exit_code=-9)
    wait_for(lambda: not any(map(is_running, pids)))
    job.stop()  # Nothing is there any more, and nothing happens.


@APART
def test_a_stop_is_for_all_processes_of_a_job(
    start: Callable[..., ProcessJob], tmp_path: Path, apart: bool
) -> None:
    mark = tmp_path / "signal"
    child = (
        "import pathlib, signal, sys, time; "
        f"signal.signal(signal.SIGTERM, lambda *_: pathlib.Path({str(mark)!r}).touch()); "
        "print('ready', flush=True); time.sleep(600)"
    )
    code = (
        "import pathlib, signal, subprocess, sys, time; "
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], "
        f"stdout=subprocess.PIPE, start_new_session={apart}); "
        "child.stdout.readline(); signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        f"while not pathlib.Path({str(mark)!r}).exists(): time.sleep(0.01)"
    )
    job = start(code, grace_seconds=30)
    wait_for((tmp_path / "ready").exists)
    job.stop()
    assert finish(job).phase is Phase.SUCCEEDED


@APART
def test_what_a_process_leaves_behind_ends_with_it(
    start: Callable[..., ProcessJob], tmp_path: Path, apart: bool
) -> None:
    note = tmp_path / "pid"
    code = (
        "import pathlib, subprocess, sys; "
        "code = 'import time; time.sleep(600)'; "
        f"child = subprocess.Popen([sys.executable, '-c', code], start_new_session={apart}); "
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))"
    )
    assert finish(start(code)).phase is Phase.SUCCEEDED
    wait_for(lambda: not is_running(int(note.read_text())))


def test_a_signal_near_the_end_of_a_process_is_no_error(start: Callable[..., ProcessJob]) -> None:
    for _ in range(5):
        job = start("pass")
        while not job.wait(0.001):
            job.stop()
        assert job.status.phase in (Phase.SUCCEEDED, Phase.STOPPED)


def test_a_job_that_waits_for_resources_can_be_stopped(
    start: Callable[..., ProcessJob], tmp_path: Path
) -> None:
    everything = Resources(cpus=2)
    mark = tmp_path / "ready"
    code = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    holder = start(code, resources=everything)
    wait_for(mark.exists)
    waiting = start("pass", resources=everything)
    assert not waiting.wait(0.3)
    assert waiting.status.phase is Phase.PENDING
    assert "other steps use" in waiting.status.reason
    waiting.stop()
    assert finish(waiting).phase is Phase.STOPPED
    holder.stop()
    finish(holder)
    # What was given back is there again.
    assert finish(start("pass", resources=everything)).phase is Phase.SUCCEEDED


def test_what_cannot_be_reserved_or_given_back_is_told_and_keeps_nobody_waiting(
    start: Callable[..., ProcessJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ReservationError("the file cannot be used")

    monkeypatch.setattr(Reservations, "release", fail)
    assert finish(start("pass", resources=Resources(cpus=1))).phase is Phase.SUCCEEDED
    monkeypatch.setattr(Reservations, "reserve", fail)
    status = finish(start("pass", resources=Resources(cpus=1)))
    assert status == JobStatus(Phase.FAILED, "the file cannot be used")


@pytest.mark.parametrize(("gpus", "seen"), [(None, "mine"), (0, ""), (2, "7,9")])
def test_a_job_sees_the_gpus_it_was_given(
    start: Callable[..., ProcessJob],
    capfd: pytest.CaptureFixture[str],
    gpus: int | None,
    seen: str,
) -> None:
    code = "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']))"
    environment = {"CUDA_VISIBLE_DEVICES": "mine"}
    finish(start(code, environment=environment, resources=Resources(gpus=gpus)))
    assert lines_of_jobs(capfd) == [f"[job] {seen!r}"]


# ---- Nothing outlives its run


CLIENT = """
import sys
from pathlib import Path
from engine.processes.process_job import ProcessJob, Program
from engine.processes.reservations import Capacity, Reservations
fork, code, folder = sys.argv[1] == "True", sys.argv[2], sys.argv[3]
program = Program("job", (sys.executable, "-c", code), {}, folder, grace_seconds=0.2)
ProcessJob(program, Reservations(Path(folder, "db"), Capacity(1, 1, ())), fork=fork)
"""


@APART
def test_a_killed_client_takes_its_processes_with_it(
    fork: bool, tmp_path: Path, apart: bool
) -> None:
    code = ignoring(tmp_path / "pids", apart=apart)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(fork), code, str(tmp_path)])
    pids = noted(tmp_path / "pids")
    client.kill()
    client.wait()
    wait_for(lambda: not any(map(is_running, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_client_and_a_supervisor_killed_at_once_take_their_processes_with_them(
    fork: bool, tmp_path: Path
) -> None:
    code = ignoring(tmp_path / "pids", apart=True)
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(fork), code, str(tmp_path)])
    pids = noted(tmp_path / "pids")
    supervisor = psutil.Process(pids[0]).parent()
    assert supervisor is not None
    supervisor.kill()
    client.kill()
    client.wait()
    wait_for(lambda: not any(map(is_running, pids)))


@APART
def test_a_killed_supervisor_takes_its_processes_with_it(
    start: Callable[..., ProcessJob], tmp_path: Path, apart: bool
) -> None:
    job = start(ignoring(tmp_path / "pids", apart=apart))
    pids = noted(tmp_path / "pids")
    supervisor = psutil.Process(pids[0]).parent()
    assert supervisor is not None
    supervisor.kill()
    status = finish(job)
    assert status.phase is Phase.FAILED
    assert "supervisor" in status.reason
    wait_for(lambda: not any(map(is_running, pids)))
    # And the next one starts as ever.
    assert finish(start("pass")).phase is Phase.SUCCEEDED


# ---- Where the fork server is


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets this process have no fork server yet, and ends the one that it gets."""
    monkeypatch.setattr(ForkServer, "_shared", None)
    yield
    if ForkServer._shared is not None:  # noqa: SLF001
        ForkServer._shared.discard()  # noqa: SLF001


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("fork", [True], indirect=True)
def test_a_stale_address_is_given_up_for_a_fresh_process(
    start: Callable[..., ProcessJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "socket"
    stale.touch()
    monkeypatch.setenv(FORK_SERVER_VARIABLE, str(stale))
    assert finish(start("pass")).phase is Phase.SUCCEEDED
    assert not ForkServer.shared().address.startswith(str(tmp_path))


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("fork", [True], indirect=True)
def test_a_server_that_cannot_start_is_given_up_for_a_fresh_process(
    start: Callable[..., ProcessJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = subprocess.Popen

    def fail_to_serve(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if "serve" in command:
            command = [sys.executable, "-c", "import time; time.sleep(0.3)"]
        return launch(command, **more)

    monkeypatch.setattr(subprocess, "Popen", fail_to_serve)
    assert finish(start("pass")).phase is Phase.SUCCEEDED


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("fork", [True], indirect=True)
def test_a_long_temporary_folder_is_no_obstacle(
    start: Callable[..., ProcessJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert finish(start("pass")).phase is Phase.SUCCEEDED
    assert len(os.fsencode(ForkServer.shared().address)) <= 103
    # Only this user can submit.
    assert Path(ForkServer.shared().address).parent.stat().st_mode & 0o777 == 0o700


def test_a_request_is_lost_if_its_supervisor_ends_after_accepting_it() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(launcher.ACCEPTED)
        theirs.shutdown(socket.SHUT_WR)
        request = launcher.Request(command=[], environment={}, directory="/", grace_seconds=1)
        # It may have started, so nothing may start in its place.
        with pytest.raises(LaunchError) as raised:
            launcher.start_supervised(request, ours)
    assert not isinstance(raised.value, launcher.NotAcceptedError)


def test_a_signal_to_a_group_that_is_gone_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
    process.wait()
    launcher.signal_group(process.pid, signal.SIGTERM)
