# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A job that is a process of this machine."""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..exit_codes import describe_exit
from ..log_follower import LAST_LINES
from ..protocols import JobStatus, Phase
from ..texts import shorten
from .launcher import KILL, LaunchError, Request, start
from .reservations import ReservationError, Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

    from .reservations import Reservation, Reservations

logger = logging.getLogger(__name__)

# Where Linux counts what it did about memory: in the process's own cgroup, and for the machine.
CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
VMSTAT = Path("/proc/vmstat")

# A longer line of output is shown in pieces of so many bytes.
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Program:
    """What to run. Nothing else reaches the process.

    Attributes:
        name: What precedes each line of its output.
        command: The program and its arguments.
        environment: All of its environment variables. They hold the ZenML token, so they are never
            written anywhere.
        directory: The working directory.
        resources: What it needs. It starts when that is free.
        grace_seconds: How long it may take to end when it is stopped.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    resources: Resources = field(default_factory=Resources)
    grace_seconds: float = 30.0


def ignore() -> None:
    """Does nothing."""


class ProcessJob:
    """A process that waits for its resources, then runs, then has ended."""

    def __init__(
        self,
        program: Program,
        reservations: Reservations,
        *,
        fork: bool,
        changed: Callable[[], None] = ignore,
    ) -> None:
        """Starts it as soon as what it needs is free, without waiting for that.

        Args:
            program: What to run.
            reservations: Where to reserve what it needs.
            fork: Whether to fork it from the fork server.
            changed: Called, from another thread, when its status has changed.
        """
        self._status = JobStatus(Phase.PENDING)
        self._changed = changed
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._ended = threading.Event()
        # What it has written last, if it did not succeed: the cause may be in it.
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._stopping = False
        self._send_signal: Callable[[int], None] | None = None
        self._grace_seconds = program.grace_seconds
        # The process does not end before its jobs have.
        threading.Thread(
            target=self._run, args=(program, reservations, fork), name=f"job-{program.name}"
        ).start()

    @property
    def status(self) -> JobStatus:
        """How it is."""
        return self._status

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for its end, at most so many seconds, and tells whether it has ended."""
        return self._ended.wait(timeout)

    def stop(self) -> None:
        """Asks it to end, and has it killed after its grace period. Does not wait."""
        with self._lock:
            if self._stopping or self._status.phase.is_terminal:
                return
            self._stopping = True
            self._woken.set()
            if self._send_signal is not None:
                self._terminate(self._send_signal)

    def _terminate(self, send_signal: Callable[[int], None]) -> None:
        send_signal(signal.SIGTERM)
        killer = threading.Timer(self._grace_seconds, self._kill, (send_signal,))
        killer.daemon = True
        killer.start()

    def _kill(self, send_signal: Callable[[int], None]) -> None:
        if not self._ended.is_set():
            send_signal(KILL)

    def _run(self, program: Program, reservations: Reservations, fork: bool) -> None:
        reservation = None
        try:
            if program.resources != Resources():
                reservation = self._reserve(program, reservations)
            end = self._execute(program, reservation, fork)
        except (LaunchError, ReservationError) as error:
            end = JobStatus(Phase.FAILED, str(error))
        except Exception as error:  # What ends this thread must reach those who wait.
            end = JobStatus(Phase.FAILED, f"{type(error).__name__}: {error}")
        if reservation is not None:
            try:
                reservations.release(reservation)
            except ReservationError as error:  # It is free again once this process has ended.
                logger.warning("What `%s` used stays reserved: %s", program.name, error)
        self._update(end)
        # Many ended jobs may be remembered, and what these two refer to is large.
        self._changed, self._send_signal = ignore, None
        if end.phase is Phase.SUCCEEDED:
            self.last_lines.clear()
        self._ended.set()

    def _update(self, status: JobStatus) -> None:
        with self._lock:
            self._status = status
        self._changed()

    def _reserve(self, program: Program, reservations: Reservations) -> Reservation | None:
        waiting = JobStatus(Phase.PENDING, "other steps use what it needs of this machine")
        return reservations.reserve(
            program.resources, self._woken, lambda: self._stopping, lambda: self._update(waiting)
        )

    def _execute(self, program: Program, reservation: Reservation | None, fork: bool) -> JobStatus:
        if self._stopping:
            return JobStatus(Phase.STOPPED, "stopped before it started")
        environment = {**program.environment}
        if reservation is not None and reservation.gpus is not None:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(reservation.gpus)
        kills_before = count_out_of_memory_kills()
        request = Request(
            command=[*program.command],
            environment=environment,
            directory=program.directory,
            grace_seconds=program.grace_seconds,
        )
        process = start(request, fork=fork)
        with self._lock:
            self._status = JobStatus(Phase.RUNNING)
            self._send_signal = process.send_signal
            if self._stopping:
                self._terminate(process.send_signal)
        self._changed()
        reader = threading.Thread(target=show, args=(program.name, process.output, self.last_lines))
        reader.start()
        code = process.wait()
        reader.join(timeout=5.0)
        reason = ""
        if code == -KILL and count_out_of_memory_kills() > kills_before:
            reason = f"{describe_exit(code)}, as the machine ran out of memory"
        return self._end(code, reason)

    def _end(self, code: int, reason: str) -> JobStatus:
        phase = Phase.STOPPED if self._stopping else Phase.FAILED
        return JobStatus(Phase.SUCCEEDED if code == 0 else phase, reason, exit_code=code)


def count_out_of_memory_kills() -> int:
    """Counts how often the kernel has killed a process for its memory; 0 where it does not say.

    It asks the cgroup of this process, and where there is none the whole machine (since Linux
    4.13). So a SIGKILL that came with one more is very likely one.
    """
    for counters in (*cgroup_counters(), VMSTAT):
        try:
            text = counters.read_text()
        except OSError:
            continue
        if found := re.search(r"^oom_kill (\d+)$", text, re.MULTILINE):
            return int(found[1])
    return 0


def cgroup_counters() -> list[Path]:
    """Returns the file with the counters of this process's cgroup (version 2), if it has one."""
    try:
        found = re.search(r"^0::/(.*)$", CGROUP.read_text(), re.MULTILINE)
    except OSError:
        return []
    return [CGROUPS / found[1] / "memory.events"] if found else []


def show(name: str, output: IO[bytes], kept: deque[str]) -> None:
    """Prints a process's output line by line, each with the job's name before it, and keeps it.

    What cannot be printed, since the user's terminal or pipe is gone, is dropped: the process shall
    neither wait nor fail for that.
    """
    printable = True
    with output:
        while line := output.readline(LONGEST_LINE):
            text = line.decode(errors="replace").rstrip("\r\n")
            kept.append(shorten(text))
            if printable:
                try:
                    # In one piece, or lines of several steps would mix.
                    print(f"[{name}] {text}\n", end="", flush=True)
                except (OSError, ValueError):
                    printable = False
