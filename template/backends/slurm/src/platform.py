# YOURS: how jobs run.
"""The platform: a cluster, by the commands of its scheduler.

Each job has a folder in one that all nodes share: `<folder>/<run>/<name>`. It is of mode 0700, and
has the job's key, its number, its log, in the end its exit code, and in `private` its environment
with the secrets (0600), until it has ended. So nothing secret is in a command line or in a script,
and a job that has left the scheduler's queue is still known. What runs is `job.sh`.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from . import scheduler
from .engine.log_lines import read_lines
from .engine.protocols import JobKey, JobPlatform, JobRefused, JobStatus, Phase, Role
from .engine.slugs import unique_name
from .resources import options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .config import Config, Settings
    from .engine.protocols import JobHandle, JobSpec

LONGEST_NAME = 63

# The variables that tell a process which job it is of, and what that is for.
HANDLE_VARIABLE = "SLURM_PLATFORM_JOB"
ID_VARIABLE = "SLURM_PLATFORM_ID"
ROLE_VARIABLE = "JOB_ROLE"

SCRIPT = Path(__file__).with_name("job.sh").read_text()

# How much of a log is read at a time, in bytes.
PIECE = 64 * 1024


class SlurmPlatform(JobPlatform):
    """Runs jobs on a cluster."""

    transient = scheduler.TRANSIENT
    unknown_seconds = 10.0

    def __init__(self, config: Config) -> None:
        """Asks nobody yet."""
        self._folder, self._cluster = Path(config.folder), config.cluster
        self.poll_seconds = config.poll_seconds
        self._refusal_of = cache(scheduler.refusal_of)
        self._has_accounting = True

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
        settings, own_number = cast("Settings", job.settings), f'"${scheduler.NUMBER_VARIABLE}"'
        submitted = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}"
        python, *arguments = job.command
        if settings.python and python == sys.executable:
            python = settings.python
        command = shlex.join([*settings.command_prefix, python, *arguments])
        variables = {**settings.environment, **job.environment, **job.secrets}
        # Processes that share ZenML's folder read what another is just writing.
        variables |= {ROLE_VARIABLE: job.role.value, "ZENML_CONFIG_PATH": f"{folder}/private/zenml"}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        exports += [f"export {HANDLE_VARIABLE}={job.key.run}/{folder.name}/{own_number}"]
        exports += [f"export {ID_VARIABLE}={self._cluster}-{own_number}-{submitted}"]
        exports += [f"_grace={job.grace_seconds}"]
        begin = f"cd {shlex.quote(job.directory or '.')} && exec {command}"
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
        (folder / "number").write_text(answer.strip().partition(";")[0])
        return read(folder / "number")

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks for all jobs with one command; for those that it has forgotten, the accounting."""
        listed = self._listed("list", handles)
        open_ = [h for h in handles if h not in listed or listed[h].phase is Phase.STOPPED]
        if open_ and self._has_accounting:
            try:
                told = self._listed("account", open_)
                listed |= {handle: job for handle, job in told.items() if job.phase.is_terminal}
            except (JobRefused, ValueError):  # There is none.
                self._has_accounting = False
        found = {handle: self._status_of(handle, listed.get(handle)) for handle in handles}
        return {handle: status for handle, status in found.items() if status}

    def _listed(self, command: str, handles: Collection[str]) -> dict[str, scheduler.Listed]:
        """Lists jobs by their handles. A number may be that of another job after a while."""
        listed = scheduler.list_jobs(command, jobs=",".join(map(number, handles)))
        jobs = {f"{job.name}/{job.number}": job for job in listed}
        places = {handle: handle.partition("/")[2] for handle in handles}
        return {handle: jobs[place] for handle, place in places.items() if place in jobs}

    def _status_of(self, handle: JobHandle, job: scheduler.Listed | None) -> JobStatus | None:
        folder = self._folder_of(handle)
        code, stopped = read(folder / "exit"), (folder / "stopped").exists()
        if read(folder / "number") != number(handle):
            return None
        phase = job.phase if job else Phase.FAILED
        if phase is Phase.FAILED and (stopped or code == "0"):
            phase = Phase.SUCCEEDED if code == "0" else Phase.STOPPED
        if phase.is_terminal:
            shutil.rmtree(folder / "private", ignore_errors=True)
        exit_code = int(code) if code and phase.is_terminal else None
        if job is None:  # With neither, it is lost.
            return JobStatus(phase, exit_code=exit_code) if code or stopped else None
        waits = phase is Phase.PENDING and job.reason not in ("", "None")
        return JobStatus(
            phase,
            reason=f"it waits: {job.reason}" if waits else job.cause,
            exit_code=exit_code,
            preempted=job.word in scheduler.PREEMPTED.split(),
            hopeless=waits and job.reason in scheduler.HOPELESS.split(),
        )

    def stop(self, handle: JobHandle) -> None:
        """Sends SIGTERM. The job's own script kills what is left after the grace period."""
        folder = self._folder_of(handle)
        job = self._listed("list", [handle]).get(handle)
        if job is None or job.phase.is_terminal or (folder / "told").exists():
            return  # A second SIGTERM would interrupt how it ends.
        (folder / "stopped").touch()  # A job that begins from here on ends at once, by itself.
        waits = job.phase is Phase.PENDING
        scheduler.run("cancel" if waits else "terminate", job=number(handle))
        (folder / "told").touch()

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Reads what a job has written, a piece at a time."""
        log = self._folder_of(handle) / "log"

        def piece(offset: int) -> bytes:
            if read(log.with_name("number")) != number(handle) or not log.exists():
                return b""
            with log.open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)

        def is_over() -> bool:
            status = self.describe([handle]).get(handle)
            return not follow or status is None or status.phase.is_terminal

        return read_lines(piece, is_over)

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Lists the folders of a run. The queue has the numbers of jobs whose answer was lost."""
        files = [*self._folder.glob(f"{run}/*/key")]
        listed = scheduler.list_jobs("list") if files else []
        keys = {
            f"{run}/{file.parent.name}/{number_of(file.parent, listed)}": JobKey.parse(read(file))
            for file in files
        }
        return {keys[handle]: handle for handle in self.describe(keys)} if keys else {}

    def current_job(self) -> JobHandle | None:
        """Reads what a job's script tells its processes."""
        return os.environ.get(HANDLE_VARIABLE)

    def unique_id(self, handle: JobHandle) -> str:
        """Returns an ID that no other job has, also of another cluster or after years.

        A process of the job has it in `ID_VARIABLE`.
        """
        submitted = read(self._folder_of(handle) / "submitted")
        return f"{self._cluster}-{number(handle)}-{submitted}"

    def _folder_of(self, handle: JobHandle) -> Path:
        return self._folder / handle.rpartition("/")[0]


def number(handle: JobHandle) -> str:
    """Returns the scheduler's number of a job."""
    return handle.rpartition("/")[2]


def number_of(folder: Path, listed: list[scheduler.Listed]) -> str:
    """Returns the number of the job of a folder, which may be known to the queue alone."""
    if not (folder / "number").exists():
        for job in listed:  # What was refused is listed, too.
            if job.name == folder.name and job.reason != scheduler.REFUSED:
                (folder / "number").write_text(job.number)
    return read(folder / "number")


def read(file: Path) -> str:
    """Reads a small file; nothing if there is none."""
    return file.read_text().strip() if file.exists() else ""
