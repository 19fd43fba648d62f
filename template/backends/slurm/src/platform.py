# YOURS: how jobs run.
"""The platform: a cluster, by the commands of its scheduler.

Each job has a folder in one that all nodes share: `<folder>/<run>/<name>`. It is of mode 0700, and
has the job's key, its number, its log, and in `private` its environment with the secrets (0600),
until it has ended. So nothing secret is in a command line or in a script. What runs is `job.sh`,
which writes the exit code beside the folder, to `<name>.exit`: a job that has left the scheduler's
queue is still known, and one look into the run's folder tells which jobs have ended.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from . import scheduler
from .engine.log_lines import read_lines
from .engine.protocols import JobKey, JobPlatform, JobRefused, JobStatus, Phase, Role
from .engine.slugs import unique_name
from .resources import options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from .config import Config, Settings
    from .engine.protocols import JobHandle, JobSpec

LONGEST_NAME = 63

# What follows the name of a job's folder in that of the file with its exit code.
EXIT = ".exit"

# The variables that tell a process which job it is of, and what that is for.
HANDLE_VARIABLE = "SLURM_PLATFORM_JOB"
ID_VARIABLE = "SLURM_PLATFORM_ID"
ROLE_VARIABLE = "JOB_ROLE"

SCRIPT = Path(__file__).with_name("job.sh").read_text()

# How much of a log is read at a time, in bytes.
PIECE = 64 * 1024

# How often a watch looks which jobs have ended, in seconds.
LOOK_SECONDS = 0.1


class SlurmPlatform(JobPlatform):
    """Runs jobs on a cluster."""

    transient = scheduler.TRANSIENT
    unknown_seconds = 10.0

    def __init__(self, config: Config) -> None:
        """Asks nobody yet."""
        self._folder, self._cluster = Path(config.folder), config.cluster
        self.poll_seconds = config.poll_seconds
        self._refusal_of = cache(scheduler.refusal_of)
        # The watches that are open; the queue as it was last, and when it was asked for.
        self._watches: list[threading.Event] = []
        self._queue: dict[str, JobStatus] = {}
        self._asked = float("-inf")
        self._lock = threading.Lock()

    def validate(self, job: JobSpec) -> None:
        """Lets the scheduler refuse what no node has, once for all jobs that ask for the same."""
        asked = options(job.resources, cast("Settings", job.settings))
        if said := self._refusal_of(*asked):
            fields = job.resources.model_dump(exclude_none=True, exclude_unset=True)
            raise ValueError(
                f"`{job.name}` cannot run with {fields} and its settings ({' '.join(asked)}). The "
                f"scheduler says: {said} Ask for less, or for another partition."
            )

    def submit(self, job: JobSpec) -> JobHandle:
        """Submits a job, unless one of its key was submitted before."""
        name = unique_name(job.name, unique=str(job.key), max_length=LONGEST_NAME)
        folder = self._folder / job.key.run / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The answer to an earlier submission may have been lost.
            known = (folder / "key").exists() and number_of(folder, scheduler.list_jobs("list"))
            return f"{job.key.run}/{name}/{known or self._submit(folder, job)}"

    def _submit(self, folder: Path, job: JobSpec) -> str:
        """Writes what a job needs into its folder, and submits it. Returns its number."""
        settings = cast("Settings", job.settings)
        submitted = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        python = {sys.executable: settings.python or sys.executable}
        words = [*settings.command_prefix, *(python.get(word, word) for word in job.command)]
        variables = {**settings.environment, **job.environment, **job.secrets}
        # Processes that share ZenML's folder read what another is just writing.
        variables |= {ROLE_VARIABLE: job.role.value, "ZENML_CONFIG_PATH": f"{folder}/private/zenml"}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        own_number = f'"${scheduler.NUMBER_VARIABLE}"'
        exports += [f"export {HANDLE_VARIABLE}={job.key.run}/{folder.name}/{own_number}"]
        exports += [f"export {ID_VARIABLE}={self._cluster}-{own_number}-{submitted}"]
        exports += [f"_grace={job.grace_seconds}"]
        begin = f"cd {shlex.quote(job.directory or '.')} && exec {shlex.join(words)}"
        (folder / "private").mkdir(mode=0o700, exist_ok=True)
        for file, lines in {
            "private/environment": [*exports, "_job() {", begin, "}"],
            "submitted": [submitted],
            "script": ["#!/bin/sh", f"cd {shlex.quote(str(folder))} || exit", SCRIPT],
            "key": [str(job.key)],
        }.items():
            (folder / file).touch(mode=0o600)
            (folder / file).write_text("\n".join(lines), encoding="utf-8")
        # The engine tries a step again itself.
        requeue = scheduler.REQUEUE[job.role is not Role.STEP]
        asked = [*options(job.resources, settings), f"{folder}/script"]
        try:
            answer = scheduler.run(
                "submit", *asked, name=folder.name, folder=str(folder), requeue=requeue
            )
        except (JobRefused, ValueError):
            shutil.rmtree(folder / "private")
            raise
        number = answer.strip().partition(";")[0]
        (folder / "number").write_text(number)
        # What is known of the queue may be older. Other threads may be reading it.
        self._queue = {**self._queue, f"{folder.name}/{number}": JobStatus(Phase.PENDING)}
        return number

    @contextmanager
    def watch(self, run: str, changed: Callable[[JobHandle | None], None]) -> Iterator[None]:
        """Looks which jobs have written how they ended. That asks the scheduler for nothing."""
        over = threading.Event()

        def look() -> None:
            seen: set[str] = set()
            while not over.wait(LOOK_SECONDS):
                with suppress(OSError):  # The next look may find the folder.
                    files = os.listdir(self._folder / run)  # noqa: PTH208 - it is ten times as fast
                    found = {file for file in files if file.endswith(EXIT)}
                    for name in (file.removesuffix(EXIT) for file in found - seen):
                        changed(f"{run}/{name}/{read(self._folder / run / name / 'number')}")
                    seen = found

        self._watches.append(over)
        threading.Thread(target=look, name=f"watch of {run}", daemon=True).start()
        try:
            yield
        finally:
            self._watches.remove(over)
            over.set()

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks for all jobs with one command; for those that it has forgotten, the accounting.

        While there is a watch, it asks once in an interval, and not for jobs that have succeeded.
        """
        known = [h for h in handles if read((self._folder / h).parent / "number") == number(h)]
        asked = [h for h in known if not self._watches or self._exit_code(h) != "0"]
        jobs = named(asked, self._listed() if asked else {})
        open_ = [number(h) for h in asked if h not in jobs or jobs[h].phase is Phase.STOPPED]
        with suppress(JobRefused, ValueError):  # There may be no accounting.
            told = scheduler.list_jobs("account", jobs=",".join(open_)) if open_ else {}
            jobs |= {h: job for h, job in named(asked, told).items() if job.phase.is_terminal}
        return {h: status for h in known if (status := self._status_of(h, jobs.get(h)))}

    def _listed(self) -> dict[str, JobStatus]:
        """Returns the queue, which is asked for once in an interval while there is a watch."""
        with self._lock:
            now = time.monotonic()
            if not self._watches or now >= self._asked + self.poll_seconds:
                self._queue, self._asked = scheduler.list_jobs("list"), now
            return self._queue

    def _status_of(self, handle: JobHandle, listed: JobStatus | None) -> JobStatus | None:
        """Says how a job is, by what the scheduler and its folder have of it."""
        folder, code = (self._folder / handle).parent, self._exit_code(handle)
        stopped, status = (folder / "stopped").exists(), listed or JobStatus(Phase.FAILED)
        if status.phase is Phase.FAILED and (stopped or code == "0"):
            status = replace(status, phase=Phase.SUCCEEDED if code == "0" else Phase.STOPPED)
        if status.phase.is_terminal:
            shutil.rmtree(folder / "private", ignore_errors=True)
            status = replace(status, exit_code=int(code) if code else None)
        return status if listed or code or stopped else None  # With none, it is lost.

    def stop(self, handle: JobHandle) -> None:
        """Sends SIGTERM. The job's own script kills what is left after the grace period."""
        folder = (self._folder / handle).parent
        job = named([handle], scheduler.list_jobs("list")).get(handle)
        if job is None or job.phase.is_terminal or (folder / "told").exists():
            return  # A second SIGTERM would interrupt how it ends.
        (folder / "stopped").touch()  # A job that begins from here on ends at once, by itself.
        scheduler.run("cancel" if job.phase is Phase.PENDING else "terminate", job=number(handle))
        (folder / "told").touch()

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Reads what a job has written, a piece at a time."""
        log = (self._folder / handle).parent / "log"

        def piece(offset: int) -> bytes:
            with suppress(FileNotFoundError), log.open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
            return b""

        def is_over() -> bool:
            status = self.describe([handle]).get(handle)
            return not follow or status is None or status.phase.is_terminal

        return read_lines(piece, is_over)

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Lists the folders of a run. The queue has the numbers of jobs whose answer was lost."""
        jobs = self._listed() if any(self._folder.glob(f"{run}/*/key")) else {}
        keys = {
            f"{run}/{file.parent.name}/{number_of(file.parent, jobs)}": JobKey.parse(read(file))
            for file in self._folder.glob(f"{run}/*/key")
        }
        return {keys[handle]: handle for handle in self.describe(keys)}

    def current_job(self) -> JobHandle | None:
        """Reads what a job's script tells its processes."""
        return os.environ.get(HANDLE_VARIABLE)

    def unique_id(self, handle: JobHandle) -> str:
        """Returns an ID that no other job has, also of another cluster or after years.

        A process of the job has it in `ID_VARIABLE`.
        """
        submitted = read((self._folder / handle).parent / "submitted")
        return f"{self._cluster}-{number(handle)}-{submitted}"

    def _exit_code(self, handle: JobHandle) -> str:
        return read((self._folder / handle).parent.with_suffix(EXIT))


def number(handle: JobHandle) -> str:
    """Returns the scheduler's number of a job."""
    return handle.rpartition("/")[2]


def named(handles: Collection[JobHandle], jobs: dict[str, JobStatus]) -> dict[str, JobStatus]:
    """Finds jobs in a list. A number may be that of another job after a while."""
    return {handle: job for handle in handles if (job := jobs.get(handle.partition("/")[2]))}


def number_of(folder: Path, jobs: dict[str, JobStatus]) -> str:
    """Returns the number of the job of a folder, which may be known to the queue alone."""
    if not (folder / "number").exists():
        for place, job in jobs.items():  # What was refused is listed, too.
            if place.startswith(f"{folder.name}/") and scheduler.REFUSED not in job.reason:
                (folder / "number").write_text(number(place))
    return read(folder / "number")


def read(file: Path) -> str:
    """Reads a small file; nothing if there is none."""
    return file.read_text().strip() if file.exists() else ""
