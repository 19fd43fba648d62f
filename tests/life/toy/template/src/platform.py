# YOURS: how jobs run.
"""The platform: it runs jobs as processes, as simply as can be."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from .engine.protocols import JobKey, JobStatus, Phase
from .engine.secret_env import split_secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .engine.protocols import JobHandle, JobSpec


class ToyPlatform:
    """Runs jobs as processes of this machine. Only the process that submits them knows them."""

    transient: tuple[type[Exception], ...] = ()
    unknown_seconds = 0.0
    poll_seconds = 0.2

    _jobs: ClassVar[dict[JobHandle, subprocess.Popen[bytes]]] = {}
    _stopped: ClassVar[set[JobHandle]] = set()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def validate(self, job: JobSpec) -> None:
        """Takes every job."""

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts a process, once for each key."""
        handle = str(job.key)
        inherited, _ = split_secrets(os.environ)
        with self._lock:
            if handle not in self._jobs:
                self._jobs[handle] = subprocess.Popen(
                    job.command,
                    env={**inherited, **job.environment, **job.secrets},
                    start_new_session=True,
                )
        return handle

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Tells how processes are."""
        return {handle: self._status(handle) for handle in handles if handle in self._jobs}

    def _status(self, handle: JobHandle) -> JobStatus:
        code = self._jobs[handle].poll()
        if code is None:
            return JobStatus(Phase.RUNNING)
        ended = Phase.STOPPED if handle in self._stopped else Phase.FAILED
        return JobStatus(Phase.SUCCEEDED if code == 0 else ended, exit_code=code)

    def stop(self, handle: JobHandle) -> None:
        """Asks a process to end, and kills it after a second."""
        if handle in self._jobs and handle not in self._stopped:
            self._stopped.add(handle)
            self._send(handle, signal.SIGTERM)
            threading.Timer(1.0, self._send, (handle, signal.SIGKILL)).start()

    def _send(self, handle: JobHandle, number: int) -> None:
        if self._jobs[handle].poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._jobs[handle].pid, number)

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns no lines: processes print them."""
        return iter(())

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the processes of a run."""
        keys = [JobKey.parse(handle) for handle in list(self._jobs)]
        return {key: str(key) for key in keys if key.run == run}

    def current_job(self) -> JobHandle | None:
        """Returns None: no process can look after the job that it belongs to."""
        return None
