# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What emulators of services have alike: faults on demand, and what tests do to their jobs."""

from __future__ import annotations

import random
import signal
import threading
import uuid
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .timeouts import scaled, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .containers import Container


class Faults:
    """What fails without a reason.

    Attributes:
        rate: The share of the requests that fail, from 0 to 1.
        kinds: The kinds of faults. Half of the resets come after the request was carried out.
        seed: Which of them fail. The same for the same number.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        """Starts with none.

        Args:
            kinds: The kinds that the emulator knows.
        """
        self.rate = 0.0
        self.kinds = kinds
        self.seed = 0
        self._drawn = 0
        self._lock = threading.Lock()

    def draw(self) -> str:
        """Returns the fault of the next request, or nothing. `reset-after` is a kind here."""
        with self._lock:
            self._drawn += 1
            dice = random.Random(f"{self.seed} {self._drawn}")  # noqa: S311 - not a secret
        if dice.random() >= self.rate:
            return ""
        kind = dice.choice(self.kinds)
        return dice.choice(("reset", "reset-after")) if kind == "reset" else kind


def later(seconds: float, function: Callable[[], None]) -> threading.Timer:
    """Calls a function after some seconds, and ends with the program."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), function)
    timer.daemon = True
    timer.start()
    return timer


class EmulatedJob(Protocol):
    """A job of an emulator.

    Attributes:
        container: Where it runs; None if it does not.
        host_crashed: Whether its machine has gone down.
    """

    container: Container | None
    host_crashed: bool


JobType = TypeVar("JobType", bound=EmulatedJob)


class EmulatedJobs(Generic[JobType]):
    """The jobs of an emulator, each of which runs in a container. A subclass says how.

    Attributes:
        all: The jobs.
        hold: Whether jobs that are created stay as they are, without a process.
        closed: Whether the emulator ends.
        stop_seconds: How long a container has from SIGTERM to SIGKILL.
    """

    def __init__(self, lock: threading.RLock, stop_seconds: float) -> None:
        """Starts with none.

        Args:
            lock: Held while jobs change.
            stop_seconds: See above. It is scaled, as the time limits of tests are: else one that is
                too tight for it would only be seen where nothing is scaled.
        """
        self.all: list[JobType] = []
        self.hold = False
        self.closed = False
        self.stop_seconds = scaled(stop_seconds)
        self._lock = lock

    def run_in(self, job: JobType, command: Sequence[str], log: Path) -> Container:
        """Starts a container that sees what a job's does.

        Args:
            job: The job.
            command: What runs in it.
            log: Where its output goes.
        """
        raise NotImplementedError

    def kill(self, job: JobType) -> None:
        """Kills the first process of a job's container, if it runs. The rest dies with it."""
        with self._lock:
            if job.container is not None:
                job.container.send_signal(signal.SIGKILL)

    def crash_host(self, job: JobType) -> None:
        """Lets the machine of a job's container go down."""
        with self._lock:
            job.host_crashed = job.container is not None
            self.kill(job)

    def terminate(self, job: JobType, container: Container) -> None:
        """Asks a job's container to end, and kills it if it does not."""
        container.terminate()
        later(self.stop_seconds, lambda: self.kill(job))


class EmulatedService:
    """What tests do to an emulator, whichever it is. A subclass sets `_jobs` when it starts."""

    _jobs: EmulatedJobs[Any]

    @property
    def hold(self) -> bool:
        """Whether jobs that are created stay as they are, without a process."""
        return self._jobs.hold

    @hold.setter
    def hold(self, value: bool) -> None:
        self._jobs.hold = value

    @property
    def stop_seconds(self) -> float:
        """How long a container has from SIGTERM to SIGKILL."""
        return self._jobs.stop_seconds

    @stop_seconds.setter
    def stop_seconds(self, value: float) -> None:
        self._jobs.stop_seconds = value

    def run_again(self, job: Any, command: Sequence[str]) -> tuple[int, str]:
        """Runs another container that sees what a job's does.

        Args:
            job: The job.
            command: The program and its arguments.

        Returns:
            The exit code, and what was printed.
        """
        log = job.folder / f"again-{uuid.uuid4()}.log"
        code = self._jobs.run_in(job, command, log).wait()
        return code, log.read_text(errors="replace")

    def wait(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Waits until something is true.

        Raises:
            TimeoutError: It has not become true.
        """
        wait_until(condition, seconds, what="what a test waits for", pause=0.01)
