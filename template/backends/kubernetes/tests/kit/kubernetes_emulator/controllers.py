# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The controllers that run in a cluster: Jobs, CronJobs and garbage collection.

They hear of each change at once and act in the event loop's next turn. A CronJob fires only when
`fire` is called.

- https://kubernetes.io/docs/concepts/workloads/controllers/job/
- https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
- https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .defaults import replacement_policy
from .schema import KINDS, RESOURCES, ApiError, Object, decode, now, timestamp
from .store import JOBS, PODS, Change, Ref, Store, controller_of

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE_ACCOUNTS = RESOURCES["serviceaccounts"]
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class Controllers:
    """Does what the controllers do whenever something in a store changes."""

    def __init__(self, store: Store, pod_backoff_seconds: float) -> None:
        """Listens to a store.

        Args:
            store: The objects.
            pod_backoff_seconds: How long a Job waits after its first failed pod; it doubles with
                each further one. The real one waits 10 seconds.
        """
        self._store = store
        self._jobs = _JobController(store, pod_backoff_seconds, self._later)
        self._pending: set[tuple[Callable[[Ref], None], Ref]] = set()
        store.listeners.append(self._observe)

    def _observe(self, change: Change) -> None:
        ref = change.ref
        self._soon(self._collect, ref)
        if ref.resource.kind == "Namespace" and change.type == "ADDED":
            meta = {"name": "default"}
            account, _ = decode(SERVICE_ACCOUNTS, {"metadata": meta})
            self._store.create(SERVICE_ACCOUNTS, ref.name, account)
        if ref.resource is PODS:
            self._jobs.observe(change)
        owner = controller_of(change.obj)
        for kind, sync in (("Job", self._jobs.sync), ("CronJob", self._sync_cron_job)):
            if owner.get("kind") == kind:
                self._soon(sync, Ref(KINDS[kind], ref.namespace, owner["name"]))
            if ref.resource.kind == kind:
                self._soon(sync, ref)
        if change.type == "DELETED":
            for dependent in self._dependents(change.obj):
                self._soon(self._collect, Ref.of(dependent))
            for other in change.obj["metadata"].get("ownerReferences", []):
                owner_kind = KINDS.get(other["kind"])
                if owner_kind:
                    self._soon(self._collect, Ref(owner_kind, ref.namespace, other["name"]))

    def _soon(self, act: Callable[[Ref], None], ref: Ref) -> None:
        """Acts on an object once in the next turn, however often this is asked for before."""
        if (act, ref) not in self._pending:
            self._pending.add((act, ref))
            asyncio.get_running_loop().call_soon(self._act, act, ref)

    def _act(self, act: Callable[[Ref], None], ref: Ref) -> None:
        self._pending.discard((act, ref))
        act(ref)

    def _later(self, seconds: float, ref: Ref) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), self._soon, self._jobs.sync, ref)

    # -- Garbage collection --------------------------------------------------------------------

    def _dependents(self, owner: Object) -> list[Object]:
        uid = owner["metadata"]["uid"]
        return [
            obj
            for obj in self._store.everything()
            if any(o["uid"] == uid for o in obj["metadata"].get("ownerReferences", []))
        ]

    def _collect(self, ref: Ref) -> None:
        obj = self._store.find(ref)
        if obj is None:
            return
        finalizers = obj["metadata"].get("finalizers", [])
        if "orphan" in finalizers:
            for dependent in self._dependents(obj):
                self._release(Ref.of(dependent), {obj["metadata"]["uid"]})
            self._finalize(ref, "orphan")
        elif "foregroundDeletion" in finalizers:
            dependents = self._dependents(obj)
            for dependent in dependents:
                self._collect_dependent(Ref.of(dependent))
            if not any(self._blocks(Ref.of(dependent), obj) for dependent in dependents):
                self._finalize(ref, "foregroundDeletion")
        else:
            self._collect_dependent(ref)

    def _collect_dependent(self, ref: Ref) -> None:
        obj = self._store.find(ref)
        owners = obj["metadata"].get("ownerReferences", []) if obj else []
        if not obj or not owners or "deletionTimestamp" in obj["metadata"]:
            return
        there, leaving = set(), set()
        for owner in owners:
            found = self._owner(ref, owner)
            if found and "foregroundDeletion" in found["metadata"].get("finalizers", []):
                leaving.add(owner["uid"])
            elif found or owner["kind"] not in KINDS:
                there.add(owner["uid"])
        if there:
            self._release(ref, {owner["uid"] for owner in owners} - there)
        else:
            deep = leaving and self._dependents(obj)
            policy = {"propagationPolicy": "Foreground" if deep else "Background"}
            self._store.delete(ref, policy)

    def _owner(self, dependent: Ref, owner: Object) -> Object | None:
        # An owner is in the same namespace, or in none.
        resource = KINDS.get(owner["kind"])
        place = dependent.namespace if resource and resource.namespaced else ""
        found = self._store.find(Ref(resource, place, owner["name"])) if resource else None
        return found if found and found["metadata"]["uid"] == owner["uid"] else None

    def _blocks(self, ref: Ref, owner: Object) -> bool:
        obj, uid = self._store.find(ref), owner["metadata"]["uid"]
        references = obj["metadata"].get("ownerReferences", []) if obj else []
        return any(o["uid"] == uid and o.get("blockOwnerDeletion") for o in references)

    def _release(self, ref: Ref, uids: set[str]) -> None:
        def change(obj: Object) -> None:
            meta = obj["metadata"]
            left = [owner for owner in meta["ownerReferences"] if owner["uid"] not in uids]
            meta["ownerReferences"] = left
            if not left:
                del meta["ownerReferences"]

        if uids:
            self._store.modify(ref, change)

    def _finalize(self, ref: Ref, finalizer: str) -> None:
        def change(obj: Object) -> None:
            obj["metadata"]["finalizers"].remove(finalizer)
            if not obj["metadata"]["finalizers"]:
                del obj["metadata"]["finalizers"]

        self._store.modify(ref, change)

    # -- CronJobs ------------------------------------------------------------------------------

    def fire(self, ref: Ref) -> str:
        """Creates the Job that a CronJob would create at this minute.

        Returns:
            The Job's name.

        Raises:
            RuntimeError: The real controller would not create one: the CronJob is suspended, or
                its concurrency policy is `Forbid` and a Job of it is still active.
            ApiError: There is no such CronJob.
        """
        cron_job = self._store.get(ref)
        spec, template = cron_job["spec"], cron_job["spec"]["jobTemplate"]
        active = [job for job in self._jobs_of(cron_job) if not is_finished(job)]
        if spec["suspend"]:
            raise RuntimeError(f"CronJob {ref.name} is suspended")
        if active and spec["concurrencyPolicy"] == "Forbid":
            why = "Not starting job because prior execution is running and concurrency policy is"
            self._store.tell(cron_job, "Normal", "JobAlreadyActive", f"{why} Forbid")
            raise RuntimeError(f"CronJob {ref.name}: {why} Forbid")
        if spec["concurrencyPolicy"] == "Replace":
            for job in active:
                self._store.delete(Ref.of(job), {"propagationPolicy": "Background"})
        last = cron_job.get("status", {}).get("lastScheduleTime")
        minutes = int(time.time()) // 60
        if last:  # two firings in a minute happen only here
            minutes = max(minutes, int(timestamp(last)) // 60 + 1)
        while self._store.find(Ref(JOBS, ref.namespace, f"{ref.name}-{minutes}")):
            minutes += 1
        meta = copy.deepcopy(template.get("metadata", {}))
        scheduled = f"{datetime.fromtimestamp(minutes * 60, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        meta["name"] = f"{ref.name}-{minutes}"
        meta["annotations"] = meta.get("annotations", {}) | {SCHEDULED: scheduled}
        meta["ownerReferences"] = [_reference(cron_job)]
        job, _ = decode(JOBS, {"metadata": meta, "spec": template["spec"]})
        self._store.create(JOBS, ref.namespace, job)
        self._store.tell(cron_job, "Normal", "SuccessfulCreate", f"Created job {meta['name']}")
        self._set_status(ref, {**cron_job.get("status", {}), "lastScheduleTime": scheduled})
        self._sync_cron_job(ref)
        return str(meta["name"])

    def _jobs_of(self, cron_job: Object) -> list[Object]:
        uid, place = cron_job["metadata"]["uid"], cron_job["metadata"]["namespace"]
        jobs = [j for j in self._store.select(JOBS, place) if controller_of(j).get("uid") == uid]
        return sorted(jobs, key=lambda job: job["metadata"]["annotations"][SCHEDULED])

    def _sync_cron_job(self, ref: Ref) -> None:
        cron_job = self._store.find(ref)
        if cron_job is None or "deletionTimestamp" in cron_job["metadata"]:
            return
        jobs, status = self._jobs_of(cron_job), dict(cron_job.get("status", {}))
        active = [job for job in jobs if not is_finished(job)]
        status["active"] = [_object_reference(job) for job in active]
        ended = [job["status"]["completionTime"] for job in jobs if is_finished(job, "Complete")]
        if ended:
            status["lastSuccessfulTime"] = max([*ended, status.get("lastSuccessfulTime", "")])
        if not active:
            del status["active"]
        self._set_status(ref, status)
        spec = cron_job["spec"]
        for condition, limit in (
            ("Complete", spec["successfulJobsHistoryLimit"]),
            ("Failed", spec["failedJobsHistoryLimit"]),
        ):
            finished = [job for job in jobs if is_finished(job, condition)]
            for job in finished[: max(0, len(finished) - limit)]:
                if "deletionTimestamp" not in job["metadata"]:
                    self._store.delete(Ref.of(job), {"propagationPolicy": "Background"})

    def _set_status(self, ref: Ref, status: Object) -> None:
        self._store.modify(ref, lambda obj: obj | {"status": status}, status=True)


@dataclass
class _Tally:
    """What the Job controller remembers of one Job."""

    counted: set[str] = field(default_factory=set)
    """Pods that have been counted, and those that are not to be."""
    gone: list[Object] = field(default_factory=list)
    """Pods that were removed since the last look."""
    failures: int = 0
    """In a row."""
    last_failure: float = 0.0
    refusals: int = 0
    """How often in a row the API server has refused a pod."""
    started: float = 0.0
    """When the Job got its start time, which only has whole seconds."""


class _JobController:
    def __init__(
        self, store: Store, backoff_seconds: float, later: Callable[[float, Ref], None]
    ) -> None:
        self._store, self._backoff, self._later = store, backoff_seconds, later
        self._tallies: dict[str, _Tally] = {}

    def observe(self, change: Change) -> None:
        """Takes down a pod that was removed."""
        owner = controller_of(change.obj)
        if change.type == "DELETED" and owner.get("kind") == "Job":
            self._tallies.setdefault(owner["uid"], _Tally()).gone.append(change.obj)

    def sync(self, ref: Ref) -> None:
        """Brings a Job's pods and status to what they ought to be."""
        job = self._store.find(ref)
        if job is None:
            return
        if is_finished(job):
            self._expire(ref, job)
            return
        tally = self._tallies.setdefault(job["metadata"]["uid"], _Tally())
        status = copy.deepcopy(job.get("status", {}))
        self._resume_or_suspend(job, status, tally)
        failure = self._count(job, status, tally) or self._failure(ref, job, status, tally)
        active = [pod for pod in self._pods(job) if _is_active(pod)]
        if failure:
            # Pods that still run when a Job fails count as failed.
            _set_condition(status, "FailureTarget", *failure)
            status["failed"] = status.get("failed", 0) + len(active)
            self._remove(active, tally)
        elif job["spec"]["suspend"]:
            self._remove(active, tally)
        elif _is_complete(job, status, active):
            _set_condition(status, "SuccessCriteriaMet", *COMPLETE)
        elif "deletionTimestamp" not in job["metadata"]:
            self._replenish(ref, job, status, tally)
        pods = [pod for pod in self._pods(job) if not _is_over(pod)]
        status["active"] = sum(map(_is_active, pods))
        status["terminating"] = len(pods) - status["active"]
        status["ready"] = sum(_is_true(pod["status"], "Ready") for pod in pods if _is_active(pod))
        status["uncountedTerminatedPods"] = {}
        if not status["active"]:
            del status["active"]
        if not pods and (failure or _is_true(status, "SuccessCriteriaMet")):
            self._finish(job, status, failure)
        self._store.modify(ref, lambda obj: obj | {"status": status}, status=True)

    def _pods(self, job: Object) -> list[Object]:
        meta = job["metadata"]
        pods = self._store.select(PODS, meta["namespace"])
        return [pod for pod in pods if controller_of(pod).get("uid") == meta["uid"]]

    def _resume_or_suspend(self, job: Object, status: Object, tally: _Tally) -> None:
        was = _is_true(status, "Suspended")
        if job["spec"]["suspend"] and not was:
            _set_condition(status, "Suspended", "JobSuspended", "Job suspended")
            status.pop("startTime", None)
            self._store.tell(job, "Normal", "Suspended", "Job suspended")
        elif was and not job["spec"]["suspend"]:
            _set_condition(status, "Suspended", "JobResumed", "Job resumed", "False")
            self._store.tell(job, "Normal", "Resumed", "Job resumed")
        if not job["spec"]["suspend"] and "startTime" not in status:
            status["startTime"], tally.started = now(), time.monotonic()

    def _count(self, job: Object, status: Object, tally: _Tally) -> tuple[str, str] | None:
        """Counts the pods that have ended since; returns why the Job has failed by that."""
        gone, tally.gone, failure = tally.gone, [], None
        # With the policy `Failed`, a pod that is being stopped is no failure yet.
        waits = replacement_policy(job["spec"]) == "Failed"
        for pod in [*gone, *self._pods(job)]:
            meta, phase = pod["metadata"], pod["status"]["phase"]
            leaves = "deletionTimestamp" in meta and not (waits and phase != "Pending")
            failed = phase == "Failed" or leaves or pod in gone
            if meta["uid"] in tally.counted or not (failed or phase == "Succeeded"):
                continue
            tally.counted.add(meta["uid"])
            if phase == "Succeeded":
                status["succeeded"] = status.get("succeeded", 0) + 1
                tally.failures = 0
                continue
            action, why = _apply_failure_policy(job, pod)
            tally.failures, tally.last_failure = tally.failures + 1, time.monotonic()
            if action != "Ignore":
                status["failed"] = status.get("failed", 0) + 1
            if action == "FailJob" and failure is None:
                failure = ("PodFailurePolicy", why)
        return failure

    def _failure(
        self, ref: Ref, job: Object, status: Object, tally: _Tally
    ) -> tuple[str, str] | None:
        spec = job["spec"]
        if _is_true(status, "SuccessCriteriaMet"):
            return None
        for condition in status.get("conditions", []):
            if condition["type"] == "FailureTarget":
                return condition["reason"], condition["message"]
        limit, restarts = spec["backoffLimit"], 0
        if spec["template"]["spec"]["restartPolicy"] == "OnFailure":
            restarts = sum(_restarts(pod) for pod in self._pods(job) if not _is_over(pod))
        if status.get("failed", 0) > limit or restarts >= max(1, limit):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if "activeDeadlineSeconds" in spec and "startTime" in status:
            left = tally.started + spec["activeDeadlineSeconds"] - time.monotonic()
            if left <= 0:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self._later(left, ref)
        return None

    def _remove(self, pods: list[Object], tally: _Tally) -> None:
        tally.counted |= {pod["metadata"]["uid"] for pod in pods}
        for pod in pods:
            self._store.delete(Ref.of(pod), {})

    def _replenish(self, ref: Ref, job: Object, status: Object, tally: _Tally) -> None:
        spec, pods = job["spec"], [pod for pod in self._pods(job) if not _is_over(pod)]
        active = [pod for pod in pods if _is_active(pod)]
        wanted = spec["parallelism"]
        if "completions" in spec:
            wanted = min(wanted, spec["completions"] - status.get("succeeded", 0))
        elif status.get("succeeded"):
            wanted = len(active)  # one of the pods found the queue empty: no new ones
        missing = wanted - len(pods if replacement_policy(spec) == "Failed" else active)
        self._remove(active[wanted:], tally)
        # https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy
        pause = min(self._backoff * 2 ** (tally.failures - 1), 600) if tally.failures else 0
        left = tally.last_failure + pause - time.monotonic()
        if missing > 0 and left > 0:
            self._later(left, ref)
            return
        for _ in range(missing):
            self._create_pod(ref, job, tally)

    def _create_pod(self, ref: Ref, job: Object, tally: _Tally) -> None:
        template = job["spec"]["template"]
        meta = copy.deepcopy(template.get("metadata", {}))
        meta |= {"generateName": f"{ref.name}-", "ownerReferences": [_reference(job)]}
        pod, _ = decode(PODS, {"metadata": meta, "spec": template["spec"]})
        try:
            name = self._store.create(PODS, ref.namespace, pod)["metadata"]["name"]
        except ApiError as error:
            self._store.tell(job, "Warning", "FailedCreate", f"Error creating: {error.message}")
            # Really after 1 second, doubling up to 60: a tenth of the pause after a failed pod.
            self._later(self._backoff / 10 * 2 ** min(tally.refusals, 6), ref)
            tally.refusals += 1
        else:
            tally.refusals = 0
            self._store.tell(job, "Normal", "SuccessfulCreate", f"Created pod: {name}")

    def _finish(self, job: Object, status: Object, failure: tuple[str, str] | None) -> None:
        if failure:
            _set_condition(status, "Failed", *failure)
            self._store.tell(job, "Warning", *failure)
        else:
            _set_condition(status, "Complete", *COMPLETE)
            status["completionTime"] = now()
            self._store.tell(job, "Normal", "Completed", "Job completed")

    def _expire(self, ref: Ref, job: Object) -> None:
        # https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None or "deletionTimestamp" in job["metadata"]:
            return
        ended = [c for c in job["status"]["conditions"] if c["type"] in ("Complete", "Failed")]
        left = timestamp(ended[0]["lastTransitionTime"]) + seconds - time.time()
        if left > 0:
            self._later(left, ref)
        else:
            self._store.delete(ref, {"propagationPolicy": "Foreground"})


COMPLETE = ("CompletionsReached", "Reached expected number of succeeded pods")


def is_finished(job: Object, kind: str = "") -> bool:
    """Whether a Job has ended; or ended in one way, `Complete` or `Failed`."""
    status = job.get("status", {})
    return any(_is_true(status, one) for one in ([kind] if kind else ["Complete", "Failed"]))


def _is_true(status: Object, condition: str) -> bool:
    conditions = status.get("conditions", [])
    return any((c["type"], c["status"]) == (condition, "True") for c in conditions)


def _set_condition(
    status: Object, kind: str, reason: str, message: str, value: str = "True"
) -> None:
    if value == "True" and _is_true(status, kind):
        return
    others = [c for c in status.get("conditions", []) if c["type"] != kind]
    condition = {
        "type": kind,
        "status": value,
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [*others, condition]


def _is_over(pod: Object) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def _is_active(pod: Object) -> bool:
    return not _is_over(pod) and "deletionTimestamp" not in pod["metadata"]


def _restarts(pod: Object) -> int:
    return sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))


def _is_complete(job: Object, status: Object, active: list[Object]) -> bool:
    succeeded = int(status.get("succeeded", 0))
    if "completions" not in job["spec"]:
        return succeeded > 0 and not active
    return succeeded >= int(job["spec"]["completions"])


def _apply_failure_policy(job: Object, pod: Object) -> tuple[str, str]:
    """What the first rule that a failed pod matches says, and the controller's words for why."""
    # https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for i, rule in enumerate(job["spec"].get("podFailurePolicy", {}).get("rules", [])):
        rest = f"matching {rule['action']} rule at index {i}"
        for pattern in rule.get("onPodConditions", []):
            wanted = (pattern["type"], pattern["status"])
            if any((c["type"], c["status"]) == wanted for c in pod["status"].get("conditions", [])):
                return rule["action"], f"Pod {name} has condition {pattern['type']} {rest}"
        for container, code in _exit_codes(pod, rule.get("onExitCodes", {}).get("containerName")):
            codes = rule.get("onExitCodes", {"operator": "In", "values": []})
            if (code in codes["values"]) == (codes["operator"] == "In"):
                what = f"Container {container} for pod {name} failed with exit code {code}"
                return rule["action"], f"{what} {rest}"
    return "Count", ""


def _exit_codes(pod: Object, only: str | None) -> list[tuple[str, int]]:
    status = pod["status"]
    containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    ended = [(c["name"], c.get("state", {}).get("terminated", {})) for c in containers]
    codes = [(name, state.get("exitCode", 0)) for name, state in ended]
    return [(name, code) for name, code in codes if code and only in (None, name)]


def _reference(owner: Object) -> Object:
    reference = {key: owner[key] for key in ("apiVersion", "kind")}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    return reference | {"controller": True, "blockOwnerDeletion": True}


def _object_reference(obj: Object) -> Object:
    reference = {key: obj[key] for key in ("apiVersion", "kind")}
    keys = ("name", "namespace", "uid", "resourceVersion")
    return reference | {key: obj["metadata"][key] for key in keys}
