# YOURS: what Kubernetes is asked for: Jobs, pods, Secrets
"""Manifests, as `kubectl get --output=json` would show them.

Every field is described at https://kubernetes.io/docs/reference/kubernetes-api/. All that is used
here is there since Kubernetes 1.27.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

from kubernetes.client import ApiClient, V1PodSpec
from zenml.config.global_config import GlobalConfiguration
from zenml.constants import ENV_ZENML_LOCAL_STORES_PATH
from zenml.integrations.kubernetes.pod_settings import KubernetesPodSettings

from ..engine.exit_codes import RUN_FAILED
from ..engine.protocols import Role
from ..engine.slugs import label_value, unique_name
from ..resources import container_resources, quantities
from ..run_id import CONTROLLER_FIELDS, RunId
from .job_status import HOPELESS_REASONS, KEY, STARTUP_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Config, Settings
    from ..engine.protocols import JobSpec
    from .client import Object

CONTAINER = "main"

# What stands for the pod's own image in `additional_pod_spec_args`, for a sidecar, say.
IMAGE = "{" * 2 + " image " + "}" * 2

# A CronJob's name may have 52 characters: it adds eleven to make the names of its Jobs. A Job's may
# have 63, since its pods carry it as a label. All of ours fit both.
LONGEST_NAME, LONGEST_LABEL = 52, 63

# The annotations that hold a whole text, of which a label has no room for more than a part.
ANNOTATIONS = {"pipeline_name": "pipeline", "step_name": "step_name"}

# What a controller's pod alone has: its own name, and that of the Secret, which it tells the steps.
POD_VARIABLE = f"{RunId.variable}_POD"
SECRET_VARIABLE = f"{RunId.variable}_SECRET"

# What a process needs no more than. It may still run as root, since the images that ZenML builds
# do; `DockerSettings(user=...)` and the pod settings' `container_security_context` change that.
# https://kubernetes.io/docs/concepts/security/pod-security-standards/
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

# A controller's pod that loses its node is replaced and goes on; one that says that the run has
# failed is not; anything else counts as a crash.
# https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
ON_FAILURE = {"containerName": CONTAINER, "operator": "In", "values": [RUN_FAILED]}
ON_DISRUPTION = [{"type": "DisruptionTarget", "status": "True"}]
RESTART_AFTER_CRASHES = {
    "rules": [
        {"action": "Ignore", "onPodConditions": ON_DISRUPTION},
        {"action": "FailJob", "onExitCodes": ON_FAILURE},
    ]
}


def owner_reference(name: str, uid: str, kind: str = "Job") -> Object:
    """Returns what an object's `ownerReferences` say. It is deleted with its owner."""
    return {"apiVersion": "batch/v1", "kind": kind, "name": name, "uid": uid}


def job_name(job: JobSpec) -> str:
    """Names the Job of a key, whoever submits it."""
    prefix = cast("Settings", job.settings).job_name_prefix or ""
    return unique_name(prefix, job.name, unique=str(job.key), max_length=LONGEST_NAME)


def job_manifest(job: JobSpec, config: Config) -> Object:
    """Makes a Job. A controller's is suspended until its Secret is there."""
    settings = cast("Settings", job.settings)
    labels = {name: label_value(text, LONGEST_LABEL) for name, text in job.labels.items()}
    labels["component"] = "step" if job.role is Role.STEP else "orchestrator"
    texts = {name: job.labels.get(label) for name, label in ANNOTATIONS.items()}
    annotations = given({**texts, KEY: str(job.key)})
    spec: Object = {
        "template": pod_template(job, config, labels, annotations),
        "ttlSecondsAfterFinished": settings.ttl_seconds_after_finished,
    }
    if job.role is Role.STEP:
        spec |= {"backoffLimit": 0, "activeDeadlineSeconds": settings.active_deadline_seconds}
        annotations[HOPELESS_REASONS] = " ".join(settings.fail_on_container_waiting_reasons)
        if settings.pod_startup_timeout:
            annotations[STARTUP_TIMEOUT] = str(settings.pod_startup_timeout)
    else:
        spec["backoffLimit"] = settings.orchestrator_job_backoff_limit
        spec |= {"podFailurePolicy": RESTART_AFTER_CRASHES, "suspend": True}
    metadata = {"name": job_name(job), "labels": labels, "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": given(spec)}


def secret_manifest(values: Mapping[str, str], owner: Object) -> Object:
    """Makes the Secret of a run or a schedule: of its owner's name, and deleted with it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": owner["name"], "ownerReferences": [owner]},
        "immutable": True,
        "stringData": dict(values),
    }


def pod_template(job: JobSpec, config: Config, labels: Object, annotations: Object) -> Object:
    """Makes the pod of a Job from the pod settings and what we need; ours comes last."""
    settings, user = cast("Settings", job.settings), pod_settings(job)
    is_step = job.role is Role.STEP
    account = settings.step_pod_service_account_name if is_step else settings.service_account_name
    spec = given(
        {
            "restartPolicy": "Never",
            "automountServiceAccountToken": not is_step,
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": round(job.grace_seconds),
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container(job)],
            "nodeSelector": user.node_selectors,
            "affinity": user.affinity,
            "tolerations": user.tolerations,
            "volumes": user.volumes,
            "imagePullSecrets": [{"name": name} for name in user.image_pull_secrets],
            "schedulerName": user.scheduler_name,
            "hostIPC": user.host_ipc,
        }
    )
    if config.local:
        add_local_stores(spec, GlobalConfiguration().local_stores_path)
    for name, value in user.additional_pod_spec_args.items():
        # They may have the Python client's objects in them, and what stands for the image.
        text = json.dumps(ApiClient().sanitize_for_serialization(value))
        text = text.replace(json.dumps(IMAGE), json.dumps(job.image))
        merge(spec, pod_spec_field(name), json.loads(text))
    metadata = {"labels": user.labels | labels, "annotations": user.annotations | annotations}
    return {"metadata": metadata, "spec": spec}


def container(job: JobSpec) -> Object:
    """Makes the one container of a pod."""
    settings, user = cast("Settings", job.settings), pod_settings(job)
    is_step = job.role is Role.STEP
    # The run ID is known of a step, and of a run that is resumed. Otherwise Kubernetes tells it.
    known = {name: text for name, text in job.environment.items() if name == RunId.variable}
    fields: dict[str, str] = {}
    secret = job_name(job)
    if is_step:
        secret = os.environ.get(SECRET_VARIABLE) or job.parent or secret
    else:
        fields = {POD_VARIABLE: "metadata.name", **CONTROLLER_FIELDS}
        known[SECRET_VARIABLE] = secret
    wanted = quantities(job.resources, settings.gpu_resource)
    privileges = {"privileged": True} if settings.privileged and is_step else RESTRICTED
    return given(
        {
            "name": CONTAINER,
            "image": job.image,
            # All of it is the command, so that an image's own entrypoint has no say.
            "command": [literal(word) for word in job.command],
            "env": [  # What comes last counts.
                *(plain_variable(*each) for each in job.environment.items()),
                *(secret_variable(name, secret) for name in job.secrets),
                *user.env,
                *(field_variable(*each) for each in fields.items() if each[0] not in known),
                *(plain_variable(*each) for each in known.items()),
            ],
            "envFrom": user.env_from,
            "resources": container_resources(wanted, user.resources),
            "volumeMounts": user.volume_mounts,
            "securityContext": {**privileges, **user.container_security_context},
        }
    )


def pod_settings(job: JobSpec) -> KubernetesPodSettings:
    """Returns what the user says about the pod of a job."""
    settings = cast("Settings", job.settings)
    chosen = settings.pod_settings if job.role is Role.STEP else settings.orchestrator_pod_settings
    return chosen or KubernetesPodSettings()


def add_local_stores(spec: Object, path: str) -> None:
    """Lets a pod have ZenML's local stores at their path here, as the user whom they belong to."""
    (only,) = spec["containers"]
    volume = {"name": "local-stores", "hostPath": {"path": path, "type": "Directory"}}
    merge(spec, "volumes", [volume])
    merge(only, "volumeMounts", [{"name": "local-stores", "mountPath": path}])
    merge(only, "env", [plain_variable(ENV_ZENML_LOCAL_STORES_PATH, path)])
    if hasattr(os, "getuid"):
        merge(spec, "securityContext", {"runAsUser": os.getuid(), "runAsGroup": os.getgid()})


def plain_variable(name: str, value: str) -> Object:
    """Makes a variable with a value that everybody may read."""
    return {"name": name, "value": literal(value)}


def secret_variable(name: str, secret: str) -> Object:
    """Makes a variable whose value is in a Secret, under the variable's name."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}


def field_variable(name: str, path: str) -> Object:
    """Makes a variable by which a pod knows itself.

    https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
    """
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def literal(text: str) -> str:
    """Protects a text from Kubernetes, which would expand `$(NAME)` and `$$` in it."""
    return text.replace("$", "$$")


def pod_spec_field(name: str) -> str:
    """Finds the field that `additional_pod_spec_args` means, in Kubernetes' spelling or Python's.

    Raises:
        ValueError: If a pod has no such field.
    """
    fields: dict[str, str] = V1PodSpec.attribute_map
    found = fields.get(name, name)
    if found in fields.values():
        return found
    raise ValueError(
        f"`additional_pod_spec_args` has `{name}`, but a pod has no such field. They are listed at "
        "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec."
    )


def given(fields: Object) -> Object:
    """Leaves out the fields that say nothing."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def merge(spec: Object, name: str, value: Any) -> None:
    """Adds a value to an object: to the list or the mapping that is there, or as a field."""
    present = spec.get(name)
    if isinstance(present, list) and isinstance(value, list):
        spec[name] = present + value
    elif isinstance(present, dict) and isinstance(value, dict):
        spec[name] = present | value
    elif value is not None:
        spec[name] = value
