# YOURS: how jobs run. Change paths, fields and words until it is your service.
"""The platform: a job service that is asked over HTTP.

It is written for the service in `tests/example_service.py`, which says what each path takes and
answers. The engine does the rest: it asks again when there is no answer, polls, and recovers.
"""

from __future__ import annotations

import os
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import urllib3

from .engine.log_lines import read_lines
from .engine.protocols import JobKey, JobPlatform, JobRefused, JobStatus, Phase, Role
from .engine.slugs import label_value, unique_name
from .resources import read_resources, shortfalls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .config import Config, Settings
    from .engine.protocols import JobHandle, JobSpec

# How long names and labels may be, in characters. The engine's `slugs` know two common alphabets.
LONGEST = 63

# The variable by which the service tells each job its ID, and ours that tells what the job is for.
ID_VARIABLE = "SERVICE_JOB_ID"
ROLE_VARIABLE = "JOB_ROLE"

# What the service's words mean. A word that is not here says nothing of an end.
PHASES = {
    "queued": Phase.PENDING,
    "running": Phase.RUNNING,
    "succeeded": Phase.SUCCEEDED,
    "failed": Phase.FAILED,
    "lost": Phase.FAILED,
    "cancelled": Phase.STOPPED,
}

# The statuses that are worth another try, and those of a login that is wrong.
OVERLOADED = {HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)}
NO_LOGIN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

# How long a connection and an answer may take, in seconds.
TIMEOUT = urllib3.Timeout(connect=5, read=30)


class ServiceUnavailableError(Exception):
    """The service does not answer, or is overloaded. It is worth another try."""

    retry_after: float | None = None  # How long the service wants the engine to wait, in seconds.


class ServiceError(ValueError):
    """The service refuses what it should answer: its address or the login may be wrong."""


class HttpPlatform(JobPlatform):
    """Runs jobs on the service."""

    transient = (ServiceUnavailableError,)
    unknown_seconds = 0.0  # The service knows at once what it has accepted.

    def __init__(self, config: Config) -> None:
        """Asks nobody yet."""
        self._config = config
        self._http = urllib3.PoolManager(maxsize=8, retries=False, timeout=TIMEOUT)
        self.poll_seconds = config.poll_seconds

    def validate(self, job: JobSpec) -> None:
        """Refuses what no machine of the service has, and a step that could block its run."""
        problems = shortfalls(read_resources(job.resources), self._config)
        queue = self._config.controller_queue
        if job.role is Role.STEP and cast("Settings", job.settings).queue == queue:
            problems.append(f"queue={queue}, in which controllers would wait for their own steps")
        if problems:
            raise ValueError(
                f"`{job.name}` asks for {'; '.join(problems)}. Ask for less, or for another queue, "
                "or tell the orchestrator that there is more."
            )

    def submit(self, job: JobSpec) -> JobHandle:
        """Creates a job. The service gives the same key the same job."""
        settings = cast("Settings", job.settings)
        environment = {**settings.environment, **job.environment, ROLE_VARIABLE: job.role.value}
        body = {
            "key": str(job.key),
            "name": unique_name(job.name, unique=str(job.key), max_length=LONGEST),
            "queue": settings.queue if job.role is Role.STEP else self._config.controller_queue,
            "image": job.image,
            "command": list(job.command),
            "environment": environment,
            "secrets": dict(job.secrets),
            "resources": read_resources(job.resources),
            "labels": {name: label_value(text, LONGEST) for name, text in job.labels.items()},
            "grace_seconds": job.grace_seconds,
        }
        answer = self._send("POST", "/jobs", body)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise JobRefused(reason_of(answer))
        return str(answer.json()["id"])

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks for all jobs with one request."""
        found = self._ask("POST", "/jobs/query", {"ids": list(handles)}).json()
        return {job["id"]: status_of(job) for job in found["jobs"]}

    def stop(self, handle: JobHandle) -> None:
        """Cancels a job. The service sends SIGTERM, and SIGKILL after the job's grace period."""
        self._ask("POST", f"/jobs/{handle}/cancel", may_be_unknown=True)

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Reads what a job has written, a piece at a time."""

        def read(offset: int) -> bytes:
            answer = self._ask("GET", f"/jobs/{handle}/log?offset={offset}", may_be_unknown=True)
            return b"" if answer.status == HTTPStatus.NOT_FOUND else answer.data

        def has_ended() -> bool:
            status = self.describe([handle]).get(handle)
            return status is None or status.phase.is_terminal

        return read_lines(read, has_ended if follow else lambda: True)

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Lists the jobs with the label of a run, page by page."""
        found: dict[JobKey, JobHandle] = {}
        page: int | None = 0
        while page is not None:
            answer = self._ask("GET", f"/jobs?label=run_id={run}&after={page}").json()
            found |= {JobKey.parse(job["key"]): job["id"] for job in answer["jobs"]}
            page = answer["next"]
        return found

    def current_job(self) -> JobHandle | None:
        """Reads the ID that the service gives to each process of a job."""
        return os.environ.get(ID_VARIABLE)

    # ---- Requests

    def _ask(
        self, method: str, path: str, body: Any = None, *, may_be_unknown: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """Sends a request that the service answers, unless what it is about is unknown."""
        answer = self._send(method, path, body)
        is_unknown = answer.status == HTTPStatus.NOT_FOUND and may_be_unknown
        if answer.status >= HTTPStatus.BAD_REQUEST and not is_unknown:
            raise ServiceError(f"The job service answers {method} {path}: {reason_of(answer)}")
        return answer

    def _send(self, method: str, path: str, body: Any = None) -> urllib3.BaseHTTPResponse:
        url = self._config.url.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self._config.token}"} if self._config.token else {}
        try:
            answer = self._http.request(method, url, json=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnavailableError(f"The job service does not answer: {error}") from error
        if answer.status in NO_LOGIN:
            raise ServiceError(
                f"The job service does not accept the orchestrator's `token`: {reason_of(answer)}. "
                "Set a valid one: `zenml orchestrator update NAME --token=...`."
            )
        if answer.status in OVERLOADED:
            overloaded = ServiceUnavailableError(f"The job service: {reason_of(answer)}")
            with suppress(urllib3.exceptions.InvalidHeader):
                overloaded.retry_after = urllib3.Retry().get_retry_after(answer)
            raise overloaded
        return answer


def status_of(job: Mapping[str, Any]) -> JobStatus:
    """Reads how a job is."""
    return JobStatus(
        PHASES.get(job["state"], Phase.RUNNING),
        reason=job["reason"],
        exit_code=job["exit_code"],
        preempted=job["state"] == "lost",
    )


def reason_of(answer: urllib3.BaseHTTPResponse) -> str:
    """Returns why the service refuses, in its own words."""
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status} {answer.reason}"
