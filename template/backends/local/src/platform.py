# YOURS: how jobs run. To run them somewhere else, replace what is in here.
"""The platform: it runs jobs as processes of this machine.

A job belongs to the process that submits it, and ends with it. So only that process knows it.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from zenml.config.global_config import GlobalConfiguration

from .engine.processes.launcher import PROJECT, ForkServer, inherited_environment
from .engine.processes.process_job import ProcessJob, Program
from .engine.processes.reservations import Reservations, Resources
from .engine.protocols import JobKey, Role
from .resources import detect_capacity, from_settings, shortfalls

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from .config import Config, Settings
    from .engine.protocols import JobHandle, JobSpec, JobStatus

    Watcher = Callable[[JobHandle | None], None]


class LocalPlatform:
    """Runs jobs as processes, as many at a time as there are resources for."""

    # No request can get lost on the way, and each change is reported.
    transient: tuple[type[Exception], ...] = ()
    poll_seconds = 60.0
    unknown_seconds = 0.0

    # ZenML may make several objects of one orchestrator. The processes are the same.
    _jobs: ClassVar[dict[JobHandle, ProcessJob]] = {}
    _watchers: ClassVar[list[tuple[str, Watcher]]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, config: Config) -> None:
        """Looks at the machine; starts nothing yet."""
        self._capacity = detect_capacity(config)
        fork = config.warm_start if config.warm_start is not None else sys.platform == "linux"
        self._fork = fork and hasattr(os, "fork")
        folder = Path(GlobalConfiguration().config_directory, PROJECT)
        self._reservations = Reservations(folder / "reservations.db", self._capacity)

    def warm_up(self) -> None:
        """Gets ready for jobs that come soon. Returns at once."""
        if self._fork:
            ForkServer.variables()

    def validate(self, job: JobSpec) -> None:
        """Refuses what this machine can never run."""
        found = shortfalls(from_settings(job.resources), self._capacity)
        if found:
            raise ValueError(
                f"`{job.name}` asks for {'; '.join(found)}. Lower its resource settings, or tell "
                "the orchestrator with `cpu_count`, `memory` or `gpus` that there is more."
            )

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts a job as soon as there is enough for it.

        The function of a dynamic pipeline reserves nothing. Steps with resource settings, the
        pipeline's own included, run isolated from it and reserve for themselves; if it held a
        share as well, they could wait for it for ever.
        """
        handle, reserves = str(job.key), job.role is Role.STEP
        inherited = inherited_environment(fork=self._fork)
        settings = cast("Settings", job.settings).environment
        with self._lock:
            if handle not in self._jobs:
                program = Program(
                    name=job.name,
                    command=job.command,
                    environment={**inherited, **settings, **job.environment, **job.secrets},
                    directory=job.directory or str(Path.cwd()),
                    resources=from_settings(job.resources) if reserves else Resources(),
                    grace_seconds=job.grace_seconds,
                )
                self._jobs[handle] = ProcessJob(
                    program,
                    self._reservations,
                    fork=self._fork,
                    changed=partial(self._report, job.key.run, handle),
                )
        return handle

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Tells how jobs of this process are."""
        return {handle: self._jobs[handle].status for handle in handles if handle in self._jobs}

    def stop(self, handle: JobHandle) -> None:
        """Asks a job to end, and has it killed after its grace period."""
        if job := self._jobs.get(handle):
            job.stop()

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns the last lines of a job that failed: all are printed as they come."""
        job = self._jobs.get(handle)
        return iter(() if follow or job is None else [*job.last_lines])

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the jobs of a run that this process has submitted."""
        keys = [JobKey.parse(handle) for handle in list(self._jobs)]
        return {key: str(key) for key in keys if key.run == run}

    def current_job(self) -> JobHandle | None:
        """Returns None: no process can look after the job that it belongs to."""
        return None

    @contextmanager
    def watch(self, run: str, changed: Watcher) -> Iterator[None]:
        """Reports changes to the jobs of a run."""
        watcher = (run, changed)
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def _report(self, run: str, handle: JobHandle) -> None:
        for watched, changed in list(self._watchers):
            if watched == run:
                changed(handle)
