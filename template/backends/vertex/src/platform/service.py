# YOURS: how the engine's pipelines and jobs run on Vertex AI
"""Vertex AI, as the engine sees it: pipeline jobs for executions, custom jobs for the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from zenml.constants import METADATA_ORCHESTRATOR_LOGS_URL, METADATA_ORCHESTRATOR_URL

from ..engine.job_specs import CONTROLLER_STEP
from ..engine.protocols import JobKey, Role
from ..engine.services.protocols import PipelineService, PipelineSpec
from ..engine.services.requests import as_pipeline
from ..engine.services.secrets import kept
from ..engine.slugs import unique_name
from . import manifests
from .google_cloud import (
    BAD_REQUEST,
    CONFLICT,
    NOT_FOUND,
    GoogleCloud,
    NoAnswerError,
    RefusedError,
)
from .job_status import is_ending, status_of, word_of
from .names import CUSTOM, LONGEST_JOB_ID, LONGEST_LABEL, PIPELINE, JobName, own_job
from .schedules import time_zone_of, with_time_zone, write_schedule
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from zenml.config.schedule import Schedule

    from ..config import Config, Settings
    from ..engine.protocols import JobHandle, JobSpec, JobStatus
    from .google_cloud import Object

# The labels of custom jobs, by which they are found: the parts of the job's key.
RUN, STEP, ATTEMPT = "zenml_run", "zenml_step", "zenml_attempt"
OWN_STEP = "function"  # The step in the key of a function's job is no label.

# The label that names the secret of a run; and that of a schedule's pipeline jobs, which names the
# schedule, and its secret.
SECRET = "zenml_secret"  # noqa: S105 - no secret
SCHEDULE = "zenml_schedule"


class VertexService(PipelineService):
    """Runs pipelines and jobs on Vertex AI."""

    transient = (NoAnswerError,)
    unknown_seconds = 60.0
    poll_seconds = 5.0

    def __init__(self, config: Config, cloud: GoogleCloud, root: Callable[[], str]) -> None:
        """Asks nobody yet.

        Args:
            config: The orchestrator's config.
            cloud: The login.
            root: Returns where in Cloud Storage the files of pipelines go.
        """
        self._config, self._cloud, self._root = config, cloud, root
        # When jobs were created by this process, by their names.
        self._created: dict[JobHandle, float] = {}
        # The labels of the jobs that were looked at.
        self._labels: dict[JobHandle, Mapping[str, str]] = {}

    @property
    def parent(self) -> str:
        """What jobs and schedules belong to: a region of the project.

        Raises:
            ValueError: If neither the config nor the login has a project.
        """
        own = own_job()
        # What Google's libraries take for the project in a job is one of Google's own:
        # https://cloud.google.com/vertex-ai/docs/training/code-requirements
        project = self._config.project or (
            JobName.parse(own).project if own else self._cloud.project
        )
        if not project:
            raise ValueError(
                "It is not known which Google Cloud project to use: set `project` on the "
                "orchestrator, or GOOGLE_CLOUD_PROJECT."
            )
        return f"projects/{project}/locations/{self._config.location}"

    def validate(self, job: JobSpec) -> None:
        """Refuses what Vertex AI does not have or does not take."""
        if cast("Settings", job.settings).max_parallelism is not None:
            raise ValueError(
                "`max_parallelism` is set. Vertex AI starts every step that can start, and has no "
                "such limit: leave it out."
            )
        self._written(job, {})

    def submit(self, job: JobSpec) -> JobHandle:
        """Creates a pipeline job or a custom job, unless there is one of this key."""
        name = unique_name(job.name, unique=str(job.key), max_length=LONGEST_LABEL)
        keeps = cast("Settings", job.settings).secret_manager and job.role is not Role.STEP
        with kept(self.secret_store if keeps else None, job, name) as hidden:
            handle = self._create(hidden, {SECRET: name} if keeps else {})
        self._created[handle] = time.monotonic()
        return handle

    def _create(self, job: JobSpec, labels: Mapping[str, str]) -> JobHandle:
        made = self._written(job, labels)
        if not isinstance(job, PipelineSpec):
            # Its name is the service's, so that one that is there has to be looked for.
            if known := self._list_custom(made["labels"]):
                return self._handle(known[0]["name"])
            return self._handle(self._ask("POST", f"{self.parent}/{CUSTOM}", made)["name"])
        job_id = unique_name(job.name, unique=str(job.key), max_length=LONGEST_JOB_ID)
        try:
            self._ask("POST", f"{self.parent}/{PIPELINE}", made, pipelineJobId=job_id)
        except RefusedError as error:
            if error.status != CONFLICT:
                raise
        return f"{self.parent}/{PIPELINE}/{job_id}"

    def _written(self, job: JobSpec, labels: Mapping[str, str]) -> Object:
        """Returns a job as Vertex AI takes it."""
        parent = self.parent
        if isinstance(job, PipelineSpec):
            made = manifests.pipeline_job(job, self._config, parent, self._root())
            made["labels"] |= {RUN: job.key.run, **labels}
            return made
        step = OWN_STEP if job.key.step == CONTROLLER_STEP else job.key.step
        key = {RUN: job.key.run, STEP: step, ATTEMPT: str(job.key.attempt)}
        return manifests.single_job(job, self._config, parent, {**key, **labels})

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Asks how jobs are, one by one."""
        found = {handle: self._get(handle) for handle in handles}
        return {handle: status_of(job) for handle, job in found.items() if job is not None}

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        """Tells how the tasks of a pipeline job are that have begun."""
        job = self._get(handle) or {}
        tasks = job.get("pipelineSpec", {}).get("root", {}).get("dag", {}).get("tasks", {})
        names = {key: each["taskInfo"]["name"] for key, each in tasks.items()}
        names |= {name: name for name in names.values()}  # It is not said which it answers with.
        details = job.get("jobDetail", {}).get("taskDetails", [])
        return {
            names[each["taskName"]]: status_of(each)
            for each in details
            if "startTime" in each and each.get("taskName") in names
        }

    def stop(self, handle: JobHandle) -> None:
        """Cancels a job, unless it has ended."""
        try:
            self._ask("POST", f"{handle}:cancel")
        except RefusedError as error:
            if error.status == NOT_FOUND:
                since = self._created.get(handle, -self.unknown_seconds)
                if time.monotonic() - since < self.unknown_seconds:
                    raise NoAnswerError(f"{handle} is not there yet.") from error
                return
            # It says so of what has ended.
            if error.status != BAD_REQUEST or not is_ending(self._get(handle) or {}):
                raise

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Returns no lines: Cloud Logging has them, and `links` say where."""
        return iter(())

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the custom jobs of a run."""
        found = {}
        for job in self._list_custom({RUN: run}):
            labels = job["labels"]
            if STEP not in labels:  # A task of a pipeline job, whose labels it has.
                continue
            step = CONTROLLER_STEP if labels[STEP] == OWN_STEP else labels[STEP]
            found[JobKey(run, step, int(labels[ATTEMPT]))] = self._handle(job["name"])
        return found

    def current_job(self) -> JobHandle | None:
        """Reads what jobs are told of themselves."""
        own = own_job()
        return own and self._handle(own)

    def _handle(self, name: str) -> JobHandle:
        """Writes a job's name in one way: Vertex AI answers with the project's number."""
        job = JobName.parse(name)
        return f"{self.parent}/{job.kind}/{job.id}"

    def links(self, handle: JobHandle) -> Mapping[str, str]:
        """Returns the job's page in the console, and its logs."""
        job = JobName.parse(handle)
        return {
            METADATA_ORCHESTRATOR_URL: job.console_url,
            METADATA_ORCHESTRATOR_LOGS_URL: job.logs_url,
        }

    def clean_up(self, handle: JobHandle) -> None:
        """Deletes the secret of a run, if it has one. A schedule keeps its own."""
        if handle not in self._labels:
            self._get(handle)
        if name := self._labels.get(handle, {}).get(SECRET):
            self.secret_store.delete(self.secret_store.reference(name))

    def will_restart(self) -> bool:
        """Tells whether this process's job, which is told to end, is started again."""
        own = own_job()
        if own is None or JobName.parse(own).kind != CUSTOM:
            return False
        found = self._get(own)
        return found is not None and not is_ending(found)

    # ---- Schedules

    def create_schedule(self, schedule: Schedule, job: JobSpec) -> str:
        """Creates a schedule of Vertex AI, which creates a pipeline job at each firing."""
        settings = cast("Settings", job.settings)
        zone, most = settings.schedule_time_zone, settings.schedule_max_concurrent_runs
        when = write_schedule(schedule, zone, most)
        name = unique_name(str(schedule.name), unique=str(job.key), max_length=LONGEST_LABEL)
        schedules = f"{self.parent}/schedules"
        if known := next(self._pages(schedules, "schedules", f'display_name="{name}"'), None):
            return str(known["name"])
        store = self.secret_store if settings.secret_manager else None
        with kept(store, as_pipeline(job), name, for_good=True) as hidden:
            made = manifests.pipeline_job(hidden, self._config, self.parent, self._root())
            made["labels"][SCHEDULE] = name
            request = {"parent": self.parent, "pipelineJob": made}
            body = {"displayName": name, **when, "createPipelineJobRequest": request}
            return str(self._ask("POST", schedules, body)["name"])

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None:
        """Changes when a schedule is due, pauses it, or lets it go on."""
        found = self._ask("GET", handle)
        if cron:
            due = with_time_zone(cron, time_zone_of(found["cron"]))
            self._ask("PATCH", handle, {"name": handle, "cron": due}, updateMask="cron")
        # Vertex AI does not take either twice.
        if active is not None and active is (word_of(found) == "PAUSED"):
            self._ask("POST", f"{handle}:{'resume' if active else 'pause'}", {})

    def delete_schedule(self, handle: str) -> None:
        """Deletes a schedule with its secret, and cancels its pipeline jobs in progress."""
        try:
            found = self._ask("GET", handle)
            self._ask("DELETE", handle)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return
            raise
        name = found["createPipelineJobRequest"]["pipelineJob"]["labels"][SCHEDULE]
        jobs = f"{self.parent}/{PIPELINE}"
        for each in [*self._pages(jobs, PIPELINE, f'labels.{SCHEDULE}="{name}"')]:
            if not is_ending(each):
                self.stop(each["name"])
        self.secret_store.delete(self.secret_store.reference(name))

    # ---- Requests

    @property
    def secret_store(self) -> Secrets:
        """Secret Manager, for jobs whose settings say so."""
        _, project, *_ = self.parent.split("/")
        return Secrets(self._cloud, self._config, project)

    def _get(self, handle: JobHandle) -> Object | None:
        """Returns a job; None if it is not there."""
        try:
            found = self._ask("GET", handle)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        self._labels[handle] = found.get("labels", {})
        return found

    def _list_custom(self, labels: Mapping[str, str]) -> list[Object]:
        key = {name: labels[name] for name in (RUN, STEP, ATTEMPT) if name in labels}
        wanted = " AND ".join(f'labels.{name}="{value}"' for name, value in key.items())
        return [*self._pages(f"{self.parent}/{CUSTOM}", CUSTOM, wanted)]

    def _pages(self, path: str, key: str, wanted: str) -> Iterator[Object]:
        return self._cloud.pages(self._url(path), key, filter=wanted)

    def _ask(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        return self._cloud.request(method, self._url(path), body, **query)

    def _url(self, path: str) -> str:
        host = self._config.api_endpoint or f"{self._config.location}-aiplatform.googleapis.com"
        return f"{host if '://' in host else f'https://{host}'}/v1/{path}"
