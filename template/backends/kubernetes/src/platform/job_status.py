# YOURS: what a Job's and its pod's status mean
"""What has become of a Job, and why, as its status and that of its newest pod tell."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from ..engine.protocols import JobStatus, Phase

if TYPE_CHECKING:
    from .client import Object

# How long what a pod says may come after what its Job says of it, in seconds.
LATE_SECONDS = 5.0

# How long a Job may be without a pod before its events are looked at, in seconds.
POD_SECONDS = 5.0

# What Kubernetes calls it when it cannot create a pod of a Job, which it tries again and again; and
# what says that it never will, since a rule forbids it. A quota may be free again, and what the
# server does not know yet, such as what is used of a quota, it will know.
REFUSED = "FailedCreate"
NEVER = re.compile(r" is (forbidden|invalid): (?!exceeded|status unknown|not yet ready)| denied ")

# Annotations of a Job: its key, and for how long and for what its pod must not wait.
KEY = "job_key"
STARTUP_TIMEOUT = "pod_startup_timeout"
HOPELESS_REASONS = "fail_on_container_waiting_reasons"


def status_of(job: Object, pod: Object | None, now: float, event: Object | None) -> JobStatus:
    """Tells what has become of a Job.

    Args:
        job: The Job.
        pod: Its newest pod.
        now: The server's time, in seconds since the epoch.
        event: The newest that tells why it gets no pod.
    """
    conditions = true_conditions(job)
    phase = pod["status"].get("phase") if pod else None
    # A pod says so a second or two before its Job does.
    if "Complete" in conditions or phase == "Succeeded":
        return JobStatus(Phase.SUCCEEDED, exit_code=0)
    if failed := conditions.get("Failed"):
        is_news = now - time_of(failed, "lastTransitionTime") < LATE_SECONDS
        if phase not in ("Pending", "Running") or not is_news:
            return why_failed(failed, pod)
    word, reason = why_refused(job, pod, event)
    if not reason and (failed or phase in ("Running", "Failed")):
        return JobStatus(Phase.RUNNING)
    if not reason:
        word, reason = why_waiting(pod)
    annotations = job["metadata"].get("annotations") or {}
    longest = annotations.get(STARTUP_TIMEOUT)
    hopeless = word in (REFUSED, *annotations.get(HOPELESS_REASONS, "").split())
    if longest and now - time_of(job["metadata"], "creationTimestamp") > float(longest):
        reason = f"not started within {longest} seconds ({reason or 'its pod is not there yet'})"
        hopeless = True
    return JobStatus(Phase.PENDING, reason, hopeless=hopeless)


def lacks_pod(job: Object, pod: Object | None, now: float) -> bool:
    """Tells whether a Job has waited for a pod for so long that its events are worth a look."""
    if pod and pod["status"].get("phase") != "Failed":
        return False
    age = now - time_of(job["metadata"], "creationTimestamp")
    return age > POD_SECONDS and not (true_conditions(job) or job.get("status", {}).get("active"))


def why_refused(job: Object, pod: Object | None, event: Object | None) -> tuple[str, str]:
    """Tells by an event why a Job gets no further pod: one word if it never will; a sentence."""
    made = (pod or job)["metadata"]["creationTimestamp"]
    if not event or (event["lastTimestamp"] or made) < made:
        return "", ""
    word = REFUSED if NEVER.search(event["message"]) else ""
    # What comes first names the pod, and so is another text at each try.
    return word, f"{REFUSED}: {event['message'].split(' is forbidden: ', 1)[-1]}"


def why_failed(failed: Object, pod: Object | None) -> JobStatus:
    """Tells why a Job has failed: its pod knows best, unless the Job has stopped it."""
    _, waiting = why_waiting(pod)
    if failed.get("reason") == "DeadlineExceeded":
        late = "its deadline is exceeded"
        return JobStatus(Phase.FAILED, f"{late} ({waiting})" if waiting else late)
    if pod is None:
        return JobStatus(Phase.FAILED, failed.get("message") or failed.get("reason") or "")
    status = pod["status"]
    disruption = true_conditions(pod).get("DisruptionTarget", {})
    ends = [state.get("terminated") or {} for state in container_states(pod)]
    code = next((end["exitCode"] for end in ends if end.get("exitCode")), None)
    if status.get("reason") == "Evicted":
        reason = f"evicted: {status.get('message', '')}".strip(": ")
    elif disruption:
        reason = f"taken away by the cluster: {disruption.get('message') or disruption['reason']}"
    elif any(end.get("reason") == "OOMKilled" for end in ends):
        limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
        limit = f" of {limits['memory']}" if "memory" in limits else ""
        reason = f"out of memory: it needed more than its limit{limit} (OOMKilled)"
    elif code is not None:
        reason = ""  # The exit code says it.
    else:
        reason = waiting or status.get("message") or "its pod was deleted"
    return JobStatus(Phase.FAILED, reason, exit_code=code, preempted=bool(disruption))


def why_waiting(pod: Object | None) -> tuple[str, str]:
    """Tells what a pod waits for: Kubernetes' one word, and a sentence."""
    if pod is None:
        return "", ""
    waits = [state.get("waiting") or {} for state in container_states(pod)]
    conditions = pod["status"].get("conditions") or []
    waits += [c for c in conditions if (c["type"], c["status"]) == ("PodScheduled", "False")]
    for wait in waits:
        word = wait.get("reason", "")
        if word not in ("", "ContainerCreating", "PodInitializing"):
            return word, f"{word}: {wait.get('message', '')}".strip(": ")
    return "", ""


def container_states(pod: Object) -> list[Object]:
    """Returns the states of a pod's containers; those that prepare it come first."""
    kinds = ("initContainerStatuses", "containerStatuses")
    return [each["state"] for kind in kinds for each in pod["status"].get(kind) or []]


def true_conditions(thing: Object) -> dict[str, Object]:
    """Returns the conditions that hold, by their type."""
    conditions = thing.get("status", {}).get("conditions") or []
    return {each["type"]: each for each in conditions if each["status"] == "True"}


def time_of(thing: Object, field: str) -> float:
    """Reads a time that Kubernetes has written, in seconds since the epoch."""
    return datetime.strptime(thing[field], "%Y-%m-%dT%H:%M:%S%z").timestamp()


def without_ballast(thing: Object) -> Object:
    """Returns what is looked at of a Job or pod: a run may have thousands."""
    metadata, status = thing["metadata"], thing.get("status", {})
    if status.get("phase") == "Succeeded":
        status = {"phase": "Succeeded"}
    kept = ("name", "creationTimestamp", "annotations", "ownerReferences")
    slim: Object = {"metadata": {each: metadata[each] for each in kept if each in metadata}}
    if status.get("phase") == "Failed":
        slim["spec"] = {"containers": thing["spec"]["containers"][:1]}
    return {**slim, "status": status}
