# YOURS: how pipelines and jobs run.
"""The service, over HTTP: it takes whole pipelines, and single jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import urllib3

from .engine.protocols import JobKey, JobRefused, JobStatus, Phase
from .engine.services.protocols import PipelineService, PipelineSpec
from .run_id import RunId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .engine.protocols import JobHandle, JobSpec

# The service refuses variables that are longer, or empty. Our container restores them.
LONGEST_VARIABLE = 256
MOST_CPUS = 64

OK, OVERLOADED = 200, 503

# What the service's words mean. It has others, for what is not over.
PHASES = {
    "QUEUED": Phase.PENDING,
    "OK": Phase.SUCCEEDED,
    "ERROR": Phase.FAILED,
    "HALTED": Phase.STOPPED,
}


class ServiceUnavailableError(Exception):
    """The service does not answer. It is worth another try."""


class ToyService(PipelineService):
    """Runs pipelines and jobs on the service."""

    transient = (ServiceUnavailableError,)
    unknown_seconds = 10.0
    poll_seconds = 0.2

    def __init__(self, url: str) -> None:
        """Asks nobody yet."""
        self._url = url
        self._http = urllib3.PoolManager(maxsize=4, retries=False, timeout=30.0)

    def validate(self, job: JobSpec) -> None:
        """Refuses what no machine of the service has."""
        jobs = job.steps if isinstance(job, PipelineSpec) else [job]
        if greedy := [each for each in jobs if (each.resources.cpu_count or 0) > MOST_CPUS]:
            asked = ", ".join(f"`{each.name}`: {each.resources.cpu_count}" for each in greedy)
            raise ValueError(f"cpu_count is {asked}. Ask for at most {MOST_CPUS}.")

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts a pipeline or a job. The service gives the same key the same one."""
        secret = str(job.key).replace("/", "-")
        body: dict[str, Any] = {"key": str(job.key), "run": job.key.run, "secret": secret}
        hidden = dict(job.secrets)
        if isinstance(job, PipelineSpec):
            upstream = {name: list(names) for name, names in job.upstream.items()}
            steps = {each.name: written(each, hidden) for each in job.steps}
            body |= {"steps": steps, "upstream": upstream, "mode": job.mode and job.mode.value}
        else:
            body |= written(job, hidden)
        self._ask("PUT", f"/secrets/{secret}", hidden)
        return str(self._ask("POST", "/jobs", body)["handle"])

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks how executions and jobs are."""
        found = self._ask("POST", "/query", {"handles": list(handles)})
        return {handle: status_of(job) for handle, job in found.items()}

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        """Asks how the steps of an execution are."""
        found = self._ask("GET", f"/jobs/{handle}/steps")
        return {name: status_of(step) for name, step in found.items()}

    def stop(self, handle: JobHandle) -> None:
        """Stops an execution or a job."""
        self._ask("POST", f"/jobs/{handle}/stop")

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns no lines: the service shows them on a page of its own."""
        return iter(())

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the executions and jobs of a run."""
        found = self._ask("GET", f"/runs/{run}")
        return {JobKey.parse(key): handle for key, handle in found.items()}

    def current_job(self) -> JobHandle | None:
        """Reads what the service tells each container."""
        return os.environ.get("TOY_JOB")

    def links(self, handle: JobHandle) -> Mapping[str, str]:
        """Returns the page of an execution or a job."""
        return {"orchestrator_url": f"{self._url}/pages/{handle}"}

    def clean_up(self, handle: JobHandle) -> None:
        """Deletes the secret."""
        self._ask("DELETE", f"/jobs/{handle}/secret")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self._http.request(method, self._url + path, json=body)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnavailableError(f"The service does not answer: {error}") from error
        if answer.status == OVERLOADED:
            raise ServiceUnavailableError("The service is overloaded.")
        if answer.status != OK:
            raise JobRefused(answer.data.decode())
        return answer.json()


def written(job: JobSpec, hidden: dict[str, str]) -> dict[str, Any]:
    """Writes a job as the service takes it; what it does not take of the environment is hidden."""
    fitting: dict[str, str] = {}
    # An isolated step knows the ID from the job that submits it.
    for name, value in {RunId.variable: "$ID", **job.environment}.items():
        (fitting if 0 < len(value) <= LONGEST_VARIABLE else hidden)[name] = value
    return {
        "name": job.name,
        "role": job.role.value,
        "command": list(job.command),
        "environment": fitting,
        "resources": job.resources.model_dump(mode="json", exclude_none=True),
        "grace_seconds": job.grace_seconds,
    }


def status_of(job: Mapping[str, Any]) -> JobStatus:
    """Reads how something is."""
    return JobStatus(PHASES.get(job["state"], Phase.RUNNING), job["reason"], job["exit_code"])
