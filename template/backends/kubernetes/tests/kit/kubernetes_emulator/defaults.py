# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the API server fills in.

Sources: each field's page in https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import base64
import copy
from typing import TYPE_CHECKING

from kubernetes.client import V1JobSpec
from .schema import visit

if TYPE_CHECKING:
    from .schema import Object, Resource

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
DEFAULTS: dict[str, Object] = {
    "V1Pod": {
        "spec": {},
    },
    "V1PodTemplateSpec": {
        "spec": {},
    },
    "V1PodSpec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
        "securityContext": {},
    },
    "V1Container": {
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "resources": {},
    },
    "V1ContainerPort": {"protocol": "TCP"},
    "V1ObjectFieldSelector": {"apiVersion": "v1"},
    "V1SecretVolumeSource": {"defaultMode": 0o644},
    "V1ConfigMapVolumeSource": {"defaultMode": 0o644},
    "V1HostPathVolumeSource": {"type": ""},
    "V1Job": {
        "spec": {},
    },
    "V1JobSpec": {
        "template": {},
    },
    "V1PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
    "V1CronJob": {
        "spec": {},
    },
    "V1JobTemplateSpec": {
        "spec": {},
    },
    "V1CronJobSpec": {
        "jobTemplate": {},
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    "V1Secret": {"type": "Opaque"},
}
# Of a Job itself; not of a CronJob's template, which the server leaves alone.
JOB_DEFAULTS = {
    "parallelism": 1,
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "manualSelector": False,
}


def fill_in(resource: Resource, obj: Object) -> None:
    """Sets what the client left out, as the server does when it reads an object."""
    for path, kind, value in visit(obj, resource.root):
        _default(value, DEFAULTS.get(kind, {}))
        if kind == "V1Container":
            _fill_in_container(value)
        elif kind == "V1PodSpec":
            account = value.get("serviceAccountName") or value.get("serviceAccount")
            account = "default" if resource.kind == "Pod" and not account else account
            if account:
                value["serviceAccountName"] = value["serviceAccount"] = account
        elif (kind, path) == ("V1JobSpec", "spec"):
            if "parallelism" not in value:
                _default(value, {"completions": 1})
            _default(value, JOB_DEFAULTS)
            if "pod_replacement_policy" in V1JobSpec.attribute_map:  # older clients have none
                _default(value, {"podReplacementPolicy": replacement_policy(value)})
    if resource.kind == "Secret":
        text = obj.pop("stringData", {})
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
        obj["data"] = obj.get("data", {}) | encoded
    elif resource.kind in ("Pod", "Namespace"):
        phase = "Pending" if resource.kind == "Pod" else "Active"
        _default(obj.setdefault("status", {}), {"phase": phase})


def replacement_policy(spec: Object) -> str:
    """Tells when a Job replaces a pod: once it is terminating, or only once it has failed."""
    default = "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed"
    return str(spec.get("podReplacementPolicy", default))


def _default(obj: Object, defaults: Object) -> None:
    for key, value in defaults.items():
        obj.setdefault(key, copy.deepcopy(value))


def _fill_in_container(container: Object) -> None:
    image = container.get("image", "").rpartition("/")[2]
    newest = "@" not in image and image.rpartition(":")[2] in (image, "latest")
    container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
    resources = container["resources"]
    if "limits" in resources:
        resources["requests"] = resources["limits"] | resources.get("requests", {})


def select_pods(job: Object) -> None:
    """Gives a new Job the selector and the labels that its pods are known by."""
    meta, spec = job["metadata"], job["spec"]
    if "selector" not in spec:
        labels = dict.fromkeys(UID_LABELS, meta["uid"]) | dict.fromkeys(NAME_LABELS, meta["name"])
        template = spec["template"].setdefault("metadata", {})
        template["labels"] = template.get("labels", {}) | labels
        auto = {UID_LABELS[1]: meta["uid"]}
        spec["selector"] = {"matchLabels": auto}
    if not meta.get("labels"):
        meta["labels"] = dict(spec["template"].get("metadata", {}).get("labels", {}))
