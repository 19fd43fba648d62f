# YOURS: what the engine asks of a platform, answered by Kubernetes
"""Kubernetes as a platform for jobs. A job's handle is the name of its Job."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from zenml.logger import get_logger

from ..engine.protocols import JobKey, JobRefused, Role
from . import manifests
from .client import TRANSIENT, Cluster, NoAnswerError, RefusedError
from .job_status import KEY, REFUSED, lacks_pod, status_of, true_conditions
from .manifests import POD_VARIABLE
from .schedules import cron_expression, cron_job_manifest
from .watching import RunWatch, age, job_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from zenml.config.schedule import Schedule
    from zenml.service_connectors.service_connector import ServiceConnector

    from ..config import Config, Settings
    from ..engine.protocols import JobHandle, JobSpec, JobStatus
    from .client import Object

logger = get_logger(__name__)

# An older Kubernetes drops fields that we rely on without a word, such as `podFailurePolicy`, and
# its pods have no label like the one by which the pods of a Job are found.
OLDEST_VERSION = [1, 27]
JOB_NAME = "batch.kubernetes.io/job-name"

# The phases of a pod that has ended.
ENDED = ("Succeeded", "Failed")

# How late a watch may be, in seconds, before Kubernetes is asked for what it does not know.
LATE_SECONDS = 10.0

# How long a log may take to come, and how long one that is followed may be silent before it breaks
# off, in seconds. The node of a failed pod may be gone too.
LOG_SECONDS, SILENT_SECONDS = 10, 300


class KubernetesPlatform:
    """One namespace of a cluster. Implements the engine's JobPlatform, Watches and Schedules."""

    transient: tuple[type[Exception], ...] = TRANSIENT
    poll_seconds = 5.0
    unknown_seconds = 0.0  # Kubernetes knows at once what it has accepted.

    def __init__(
        self,
        config: Config,
        connector: Callable[[], ServiceConnector | None],
        is_expired: Callable[[], bool],
    ) -> None:
        """Prepares to connect; asks nobody. See `Cluster` for the arguments."""
        self._config = config
        if POD_VARIABLE in os.environ:  # A controller has its own service account.
            config = config.model_copy(update={"kubernetes_context": None})
            connector, is_expired = lambda: None, lambda: False
        self._cluster = Cluster(config, connector, is_expired)
        self._watches: list[RunWatch] = []
        # The run and the UID of each Job that was submitted, listed or read here.
        self._runs: dict[JobHandle, str] = {}
        self._uids: dict[JobHandle, str] = {}
        # The Jobs of steps that were created here, and when: a watch may not know them yet.
        self._created: dict[JobHandle, tuple[float, Object]] = {}

    # ---- Submitting and stopping

    def validate(self, job: JobSpec) -> None:
        """Checks what the user says about the pod."""
        for name in manifests.pod_settings(job).additional_pod_spec_args:
            manifests.pod_spec_field(name)

    def submit(self, job: JobSpec) -> JobHandle:
        """Creates a Job, unless it is there. A controller's gets its Secret before it may run."""
        if job.role is not Role.STEP:
            return self._create_with_secret(manifests.job_manifest(job, self._config), job)
        manifest = manifests.job_manifest(job, self._config)
        if job.parent:
            owner = manifests.owner_reference(job.parent, self.uid_of(job.parent))
            manifest["metadata"]["ownerReferences"] = [owner]
        name: str = manifest["metadata"]["name"]
        if created := self._cluster.request("create", "Job", body=manifest):
            self._created[name] = (time.monotonic(), created)
        self._runs[name] = job.key.run
        return name

    def _create_with_secret(self, manifest: Object, job: JobSpec) -> JobHandle:
        """Creates a controller's Job or a CronJob and its Secret, and lets it run.

        If Kubernetes does not answer, another call does what is left to do. After any other error,
        nothing is left.
        """
        ask, kind, name = self._cluster.request, manifest["kind"], manifest["metadata"]["name"]
        self._check_cluster(cast("Settings", job.settings).service_account_name)
        made = ask("create", kind, body=manifest) or ask("get", kind, name)
        if not made:
            raise TimeoutError(f"The {kind} `{name}` has just been deleted.")
        self._note(made)
        if made["spec"].get("suspend"):  # If not, it was submitted before.
            owner = manifests.owner_reference(name, made["metadata"]["uid"], kind)
            try:
                if job.secrets:
                    secret = manifests.secret_manifest(job.secrets, owner)
                    ask("create", "Secret", body=secret)
                ask("patch", kind, name, {"spec": {"suspend": False}})
            except TRANSIENT:
                raise
            except BaseException:
                self._delete(kind, name)
                raise
        return str(name)

    def _check_cluster(self, account: str) -> None:
        """Refuses a cluster that is too old, or lacks a service account."""
        with suppress(RefusedError):  # We may not know.
            if [] < [*map(int, re.findall(r"\d+", self._version)[:2])] < OLDEST_VERSION:
                raise JobRefused(
                    f"The cluster is Kubernetes {self._version}. It has to be 1.27 or newer."
                )
            if not self._cluster.request("get", "ServiceAccount", account):
                raise JobRefused(
                    f"There is no service account `{account}` in `{self._cluster.namespace}`: "
                    "apply the project's rbac.yaml, or set `service_account_name` to another."
                )

    @cached_property
    def _version(self) -> str:
        """The cluster's version, such as `v1.34.1-eks-113cf36`."""
        return str(self._cluster.request("get", "version").get("gitVersion"))

    def stop(self, handle: JobHandle) -> None:
        """Deletes a Job, and with a controller's those of its steps."""
        self._delete("Job", handle)

    def _delete(self, kind: str, name: str) -> None:
        # It stays until its pods have ended, for which they get their grace period.
        self._cluster.request("delete", kind, name, propagationPolicy="Foreground")

    # ---- Which Job is whose

    def uid_of(self, handle: JobHandle) -> str:
        """Returns the UID of a Job, which no other ever has."""
        if handle not in self._uids:
            if handle == self.current_job():
                return self._own_job["uid"]
            if not self._read(handle):
                raise RuntimeError(f"The Job `{handle}` is not there any more.")
        return self._uids[handle]

    def current_job(self) -> JobHandle | None:
        """Returns the Job of this pod, if it is a controller's."""
        return self._own_job["name"] if POD_VARIABLE in os.environ else None

    @cached_property
    def _own_job(self) -> dict[str, str]:
        """The reference to the Job that has made this pod."""
        name = os.environ[POD_VARIABLE]
        pod = self._cluster.request("get", "Pod", name)
        for owner in (pod and pod["metadata"].get("ownerReferences")) or []:
            if owner["kind"] == "Job":
                return dict(owner)
        raise RuntimeError(
            f"The pod `{name}` ({POD_VARIABLE}) belongs to no Job: the ID of its run is not known."
        )

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Lists the Jobs of a run. One that a schedule has started lacks the run's label."""
        jobs = [job["metadata"] for job in self._list("Job", labelSelector=f"run_id={run}")]
        keys = {str(job["name"]): (job.get("annotations") or {}).get(KEY) for job in jobs}
        return {JobKey.parse(key): name for name, key in keys.items() if key}

    # ---- Looking

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Tells how Jobs are. Those of a run that is watched cost no request."""
        jobs: dict[JobHandle, Object] = {}
        pods: dict[JobHandle, Object] = {}
        unwatched: dict[str, list[JobHandle]] = {}
        for handle in handles:
            run = self._runs.get(handle, "")
            watch = next((each for each in self._watches if each.run == run), None)
            if watch is None:
                unwatched.setdefault(run, []).append(handle)
            elif job := watch.jobs.get(handle):
                jobs[handle] = job
                pods |= {handle: pod} if (pod := watch.newest_pods.get(handle)) else {}
                self._created.pop(handle, None)
            elif not watch.jobs.is_gone(handle):
                created, job = self._created.get(handle, (float("-inf"), {}))
                if time.monotonic() - created < LATE_SECONDS:
                    jobs[handle] = job
                else:
                    unwatched.setdefault("", []).append(handle)
        for run, names in unwatched.items():
            if run and len(names) > 1:  # One request for all.
                selector = f"run_id={run}"
                listed = self._list("Job", labelSelector=selector)
                found = {name: job for job in listed if (name := job["metadata"]["name"]) in names}
            else:
                selector = f"{JOB_NAME} in ({','.join(names)})"
                found = {name: job for name in names if (job := self._read(name))}
            jobs |= found
            if not all("Complete" in true_conditions(job) for job in found.values()):
                pods |= {job_of(pod): pod for pod in self._list("Pod", labelSelector=selector)}
        now = self._cluster.now()
        lacking = {name for name, job in jobs.items() if lacks_pod(job, pods.get(name), now)}
        events = self._refusals(lacking) if lacking else {}
        return {n: status_of(job, pods.get(n), now, events.get(n)) for n, job in jobs.items()}

    def _refusals(self, handles: Collection[JobHandle]) -> dict[JobHandle, Object]:
        """Returns the newest event about each of these Jobs that tells why it gets no pod."""
        try:
            events = self._list("Event", fieldSelector=f"involvedObject.kind=Job,reason={REFUSED}")
        except RefusedError as error:  # An rbac.yaml of before.
            logger.warning("Why Kubernetes creates no pod is in its events: %s", error)
            return {}
        return {n: each for each in events if (n := each["involvedObject"]["name"]) in handles}

    @contextmanager
    def watch(self, run: str, changed: Callable[[JobHandle | None], None]) -> Iterator[None]:
        """Watches the Jobs and pods of a run."""
        with closing(RunWatch(self._cluster, run, changed)) as watch:
            self._watches.append(watch)
            try:
                yield
            finally:
                self._watches.remove(watch)

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Reads the logs of a Job's pods, one after the other: a controller may have several."""
        wait = (LOG_SECONDS, SILENT_SECONDS if follow else LOG_SECONDS)
        query: dict[str, Any] = {"timeout": wait, "follow": str(follow).lower()}
        for pod in self._list("Pod", labelSelector=f"{JOB_NAME}={handle}"):
            path = f"{pod['metadata']['name']}/log"
            try:
                log = self._cluster.open("get", "Pod", path, patient=False, **query)
            except RefusedError as error:  # The pod has not begun, or is gone.
                logger.debug("There is no %s: %s", path, error)
                continue
            with log:
                for line in log:
                    if follow and not (line.endswith(b"\n") or pod["status"]["phase"] in ENDED):
                        raise NoAnswerError(f"{path} has broken off within a line.")
                    yield line.decode(errors="replace").rstrip("\r\n")

    def _read(self, handle: JobHandle) -> Object:
        # By listing, which needs no right that watching does not need too.
        jobs = self._list("Job", fieldSelector=f"metadata.name={handle}")
        return jobs[0] if jobs else {}

    def _list(self, kind: str, **selector: Any) -> list[Object]:
        """Lists Jobs or pods, the newest last."""
        items = self._cluster.request("get", kind, **selector)["items"]
        for item in items if kind == "Job" else []:
            self._note(item)
        return sorted(items, key=age)

    def _note(self, job: Object) -> None:
        metadata = job["metadata"]
        self._uids[metadata["name"]] = metadata["uid"]
        self._runs[metadata["name"]] = metadata["labels"].get("run_id", "")

    # ---- Schedules

    def create_schedule(self, schedule: Schedule, job: JobSpec) -> str:
        """Creates a CronJob, and returns its name."""
        cron = cron_expression(schedule)
        controller = manifests.job_manifest(job, self._config)
        return self._create_with_secret(cron_job_manifest(controller, job, cron), job)

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None:
        """Changes a CronJob's expression, pauses it, or lets it go on."""
        suspend = None if active is None else not active
        if spec := manifests.given({"schedule": cron, "suspend": suspend}):
            self._cluster.request("patch", "CronJob", handle, {"spec": spec})

    def delete_schedule(self, handle: str) -> None:
        """Deletes a CronJob with its Secret and its Jobs, also those in progress."""
        self._delete("CronJob", handle)
