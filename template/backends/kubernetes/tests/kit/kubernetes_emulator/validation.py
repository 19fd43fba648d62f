# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the API server refuses.

Sources, beside each field's page in https://kubernetes.io/docs/reference/kubernetes-api/:
- https://kubernetes.io/docs/concepts/workloads/controllers/job/
- https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
- https://kubernetes.io/docs/concepts/configuration/secret/
"""

from __future__ import annotations

import base64
import binascii
import json
import zoneinfo
from typing import TYPE_CHECKING, Any

from .defaults import UID_LABELS
from .formats import (
    DATA_KEY,
    ENV_NAME,
    FIELD_PATH,
    LABEL,
    LABEL_VALUE,
    PATH_SEGMENT,
    QUALIFIED_NAME,
    SUBDOMAIN,
    Format,
    Problems,
    schedule_problem,
)
from .schema import RBAC, Object, Resource, bad_request, quantity, required_fields, visit

if TYPE_CHECKING:
    from collections.abc import Callable

# What fields of the client's models may hold: a number not below another, some words, a format.
ALLOWED: dict[str, dict[str, int | tuple[str, ...] | Format]] = {
    "V1PodSpec": {
        "restartPolicy": ("Always", "OnFailure", "Never"),
        "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "activeDeadlineSeconds": 1,
        "terminationGracePeriodSeconds": 0,
        "serviceAccountName": SUBDOMAIN,
        "priorityClassName": SUBDOMAIN,
        "hostname": LABEL,
    },
    "V1Container": {"name": LABEL, "imagePullPolicy": ("Always", "IfNotPresent", "Never")},
    "V1Volume": {"name": LABEL},
    "V1EnvVar": {"name": ENV_NAME},
    "V1ConfigMapKeySelector": {"key": DATA_KEY},
    "V1SecretKeySelector": {"key": DATA_KEY},
    "V1ObjectFieldSelector": {"fieldPath": FIELD_PATH},
    "V1Toleration": {
        "key": QUALIFIED_NAME,
        "operator": ("Equal", "Exists"),
        "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    },
    "V1JobSpec": {
        "parallelism": 0,
        "completions": 0,
        "backoffLimit": 0,
        "activeDeadlineSeconds": 0,
        "ttlSecondsAfterFinished": 0,
        "completionMode": ("NonIndexed", "Indexed"),
        "podReplacementPolicy": ("Failed", "TerminatingOrFailed"),
    },
    "V1PodFailurePolicyRule": {"action": ("Count", "FailIndex", "FailJob", "Ignore")},
    "V1PodFailurePolicyOnExitCodesRequirement": {"operator": ("In", "NotIn")},
    "V1PodFailurePolicyOnPodConditionsPattern": {
        "type": QUALIFIED_NAME,
        "status": ("False", "True", "Unknown"),
    },
    "V1CronJobSpec": {
        "concurrencyPolicy": ("Allow", "Forbid", "Replace"),
        "startingDeadlineSeconds": 0,
        "successfulJobsHistoryLimit": 0,
        "failedJobsHistoryLimit": 0,
    },
    "V1RoleRef": {"kind": ("Role", "ClusterRole")},
    "RbacV1Subject": {"kind": ("ServiceAccount", "User", "Group")},
    "V1Subject": {"kind": ("ServiceAccount", "User", "Group")},
}


def validate(resource: Resource, obj: Object, old: Object | None = None) -> None:
    """Refuses what the real server refuses of an object whose defaults are filled in.

    Args:
        resource: The kind.
        obj: The object as it would be stored.
        old: What is stored now, if this is an update.

    Raises:
        ApiError: 422, with a cause for each field, or 400.
    """
    problems, name = Problems(), obj["metadata"]["name"]
    parts = list(visit(obj, resource.root))
    for path, kind, value in parts:
        for key in sorted(required_fields(kind) - value.keys()):
            problems.required(f"{path}.{key}" if path else key)
    problems.refuse(resource, name)  # since the checks below rely on what is required
    named = PATH_SEGMENT if resource.group == RBAC else SUBDOMAIN
    problems.invalid("metadata.name", name, named.problem(name))
    for path, kind, value in parts:
        for key, allowed in ALLOWED.get(kind, {}).items():
            if key in value:
                _check(problems, f"{path}.{key}", value[key], allowed)
        if kind in PARTS:
            PARTS[kind](problems, path, value)
    if resource.kind in WHOLES:
        WHOLES[resource.kind](problems, obj, old)
    problems.refuse(resource, name)


def _check(
    problems: Problems, path: str, value: Any, allowed: int | tuple[str, ...] | Format
) -> None:
    if isinstance(allowed, Format):
        problems.invalid(path, value, allowed.problem(value))
    elif isinstance(allowed, tuple):
        problems.one_of(path, value, allowed)
    elif value < allowed:
        problems.invalid(path, value, f"must be greater than or equal to {allowed}")


def _metadata(problems: Problems, path: str, meta: Object) -> None:
    _labels(problems, f"{path}.labels", meta.get("labels", {}))
    annotations, limit = meta.get("annotations", {}), 256 * 1024
    for key in annotations:
        problems.invalid(f"{path}.annotations", key, QUALIFIED_NAME.problem(key.lower()))
    if sum(len((key + value).encode()) for key, value in annotations.items()) > limit:
        why = f"Too long: may not be more than {limit} bytes"
        problems.add("TooLong", f"{path}.annotations", why)
    owners = meta.get("ownerReferences", [])
    for i, owner in enumerate(owners):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner[key]:
                problems.invalid(f"{path}.ownerReferences[{i}].{key}", "", "must not be empty")
    controllers = [owner["kind"] for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        why = "Only one reference can have Controller set to true"
        problems.invalid(f"{path}.ownerReferences", controllers, why)
    for finalizer in meta.get("finalizers", []):
        if "/" not in finalizer and finalizer not in ("foregroundDeletion", "orphan"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            problems.invalid(f"{path}.finalizers", finalizer, why)


def _labels(problems: Problems, path: str, labels: dict[str, str]) -> None:
    for key, value in labels.items():
        problems.invalid(path, key, QUALIFIED_NAME.problem(key))
        problems.invalid(path, value, LABEL_VALUE.problem(value))


def _pod_spec(problems: Problems, path: str, spec: Object) -> None:
    if not spec["containers"]:
        problems.required(f"{path}.containers")
    _labels(problems, f"{path}.nodeSelector", spec.get("nodeSelector", {}))
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    _unique(problems, f"{path}.volumes", volumes)
    containers = spec.get("initContainers", []) + spec["containers"]
    _unique(problems, f"{path}.containers", [container["name"] for container in containers])
    for container in containers:
        mounts = container.get("volumeMounts", [])
        for name in {mount["name"] for mount in mounts}.difference(volumes):
            field = f"{path}.containers.volumeMounts.name"
            problems.add("NotFound", field, f"Not found: {json.dumps(name)}")
        paths = [mount["mountPath"] for mount in mounts]
        _unique(problems, f"{path}.containers.volumeMounts.mountPath", paths)


def _unique(problems: Problems, path: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            problems.add("Duplicate", path, f"Duplicate value: {json.dumps(name)}")


def _container(problems: Problems, path: str, container: Object) -> None:
    image = container.get("image", "")
    if not image:
        problems.required(f"{path}.image")
    elif image != image.strip():
        problems.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _volume(problems: Problems, path: str, volume: Object) -> None:
    sources = sorted(volume.keys() - {"name"})
    if not sources:
        problems.required(path, "must specify a volume type")
    for source in sources[1:]:
        problems.forbidden(f"{path}.{source}", "may not specify more than 1 volume type")


def _variable(problems: Problems, path: str, variable: Object) -> None:
    source = variable.get("valueFrom")
    if source is not None and variable.get("value"):
        problems.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    if source is not None and len(source) != 1:
        several = "may not have more than one field specified at a time"
        why = several if source else "must specify one of the sources"
        problems.invalid(f"{path}.valueFrom", "", why)


def _variables(problems: Problems, path: str, source: Object) -> None:
    if len({"configMapRef", "secretRef"} & source.keys()) != 1:
        problems.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")


def _toleration(problems: Problems, path: str, toleration: Object) -> None:
    if not toleration.get("key") and toleration.get("operator") != "Exists":
        why = "operator must be Exists when `key` is empty, which means"
        problems.invalid(f"{path}.operator", "", f'{why} "match all values and all keys"')
    if toleration.get("operator") == "Exists" and toleration.get("value"):
        why = "value must be empty when `operator` is 'Exists'"
        problems.invalid(f"{path}.operator", toleration["value"], why)
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        problems.invalid(f"{path}.effect", toleration.get("effect", ""), why)


def _resources(problems: Problems, path: str, resources: Object) -> None:
    # https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
    limits = {key: quantity(value) for key, value in resources.get("limits", {}).items()}
    requests = {key: quantity(value) for key, value in resources.get("requests", {}).items()}
    for place, amounts in (("limits", limits), ("requests", requests)):
        for key, amount in amounts.items():
            where = f"{path}.{place}[{key}]"
            problems.invalid(f"{path}.{place}", key, _resource_problem(key))
            if amount < 0:
                problems.invalid(where, str(amount), "must be greater than or equal to 0")
            if "/" in key and amount != amount.to_integral_value():
                problems.invalid(where, str(amount), "must be an integer")
    for key, amount in requests.items():
        where, limit = f"{path}.requests", resources.get("limits", {}).get(key)
        fixed = "/" in key or key.startswith("hugepages-")
        if fixed and limit is None:
            why = "Limit must be set for non overcommitable resources"
            problems.required(f"{path}.limits", why)
        elif fixed and amount != limits[key]:
            problems.invalid(where, str(amount), f"must be equal to {key} limit of {limit}")
        elif limit is not None and amount > limits[key]:
            why = f"must be less than or equal to {key} limit of {limit}"
            problems.invalid(where, str(amount), why)


def _resource_problem(key: str) -> str | None:
    known = key in ("cpu", "memory", "ephemeral-storage") or key.startswith("hugepages-")
    if "/" not in key and not known:
        return "must be a standard resource type or fully qualified"
    return QUALIFIED_NAME.problem(key)


def _job_spec(problems: Problems, path: str, spec: Object) -> None:
    pod, where = spec["template"]["spec"], f"{path}.template.spec.restartPolicy"
    problems.one_of(where, pod["restartPolicy"], ("Never", "OnFailure"))
    if spec.get("manualSelector") or spec.get("completionMode") == "Indexed":
        raise bad_request("this emulator has no Indexed Jobs and no manual selectors")
    if "podFailurePolicy" not in spec:
        return
    if pod["restartPolicy"] != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        problems.invalid(where, pod["restartPolicy"], why)
    policy = spec.get("podReplacementPolicy")
    problems.one_of(f"{path}.podReplacementPolicy", policy, ("Failed",))
    containers = {c["name"] for c in pod.get("initContainers", []) + pod["containers"]}
    for i, rule in enumerate(spec["podFailurePolicy"]["rules"]):
        name = rule.get("onExitCodes", {}).get("containerName")
        if name is not None and name not in containers:
            why = "must be one of the container or initContainer names in the pod template"
            field = f"{path}.podFailurePolicy.rules[{i}].onExitCodes.containerName"
            problems.invalid(field, name, why)


def _failure_rule(problems: Problems, path: str, rule: Object) -> None:
    # https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
    if rule["action"] == "FailIndex":
        why = "requires the backoffLimitPerIndex to be set"
        problems.invalid(f"{path}.action", rule["action"], why)
    if bool(rule.get("onExitCodes")) == bool(rule.get("onPodConditions")):
        why = "specifying one of OnExitCodes and OnPodConditions, not both, is required"
        problems.invalid(path, rule, why)


def _exit_codes(problems: Problems, path: str, codes: Object) -> None:
    values = codes["values"]
    if not 1 <= len(values) <= 255:
        problems.invalid(f"{path}.values", values, "must have 1 to 255 items")
    if values != sorted(set(values)):
        problems.invalid(f"{path}.values", values, "must be ordered, without duplicates")
    if codes["operator"] == "In" and 0 in values:
        problems.invalid(f"{path}.values", 0, "must not be 0 for the In operator")


def _cron_job_spec(problems: Problems, path: str, spec: Object) -> None:
    schedule, zone = spec["schedule"], spec.get("timeZone")
    why = schedule_problem(schedule)
    if "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    problems.invalid(f"{path}.schedule", schedule, why)
    if zone is not None and zone not in zoneinfo.available_timezones():
        problems.invalid(f"{path}.timeZone", zone, f"unknown time zone {zone}")
    if "selector" in spec["jobTemplate"]["spec"]:
        field = f"{path}.jobTemplate.spec.selector"
        problems.invalid(field, "", "`selector` will be auto-generated")


def _rule(problems: Problems, path: str, rule: Object) -> None:
    for key in ("verbs", "apiGroups", "resources"):
        if not rule.get(key) and "nonResourceURLs" not in rule:
            problems.required(f"{path}.{key}", "must contain at least one value")


def _subject(problems: Problems, path: str, subject: Object) -> None:
    if subject["kind"] == "ServiceAccount" and not subject.get("namespace"):
        problems.required(f"{path}.namespace")


PARTS: dict[str, Callable[[Problems, str, Object], None]] = {
    "V1ObjectMeta": _metadata,
    "V1PodSpec": _pod_spec,
    "V1Container": _container,
    "V1Volume": _volume,
    "V1EnvVar": _variable,
    "V1EnvFromSource": _variables,
    "V1Toleration": _toleration,
    "V1ResourceRequirements": _resources,
    "V1JobSpec": _job_spec,
    "V1PodFailurePolicyRule": _failure_rule,
    "V1PodFailurePolicyOnExitCodesRequirement": _exit_codes,
    "V1CronJobSpec": _cron_job_spec,
    "V1PolicyRule": _rule,
    "RbacV1Subject": _subject,
    "V1Subject": _subject,  # its name in older clients
}


# -- What the server refuses of a whole object -----------------------------------------------------


def _pod(problems: Problems, obj: Object, old: Object | None) -> None:
    if old and _lasting(old["spec"]) != _lasting(obj["spec"]):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`"
        )
        problems.forbidden("spec", why)


def _lasting(spec: Object) -> Object:
    free = ("activeDeadlineSeconds", "tolerations", "containers", "initContainers")
    lasting = {key: value for key, value in spec.items() if key not in free}
    for key in ("containers", "initContainers"):
        lasting[key] = [{**container, "image": ""} for container in spec.get(key, [])]
    return lasting


def _job(problems: Problems, obj: Object, old: Object | None) -> None:
    spec = obj["spec"]
    if spec.get("selector", {}).get("matchLabels") != {UID_LABELS[1]: obj["metadata"]["uid"]}:
        problems.invalid("spec.selector", spec.get("selector"), "`selector` not auto-generated")
    if old:
        before = old["spec"]
        for key in ("completions", "completionMode", "selector", "podFailurePolicy"):
            problems.unchanged(f"spec.{key}", before.get(key), spec.get(key))
        # https://kubernetes.io/docs/concepts/workloads/controllers/job/#mutable-scheduling-directives
        free = before.get("suspend") and not old.get("status", {}).get("startTime")
        pair = [_template(before["template"], free), _template(spec["template"], free)]
        problems.unchanged("spec.template", *pair)


def _template(template: Object, free: Any) -> Object:
    directives = ("nodeSelector", "tolerations", "affinity", "schedulingGates") if free else ()
    meta = dict(template.get("metadata", {}))
    for key in ("labels", "annotations") if free else ():
        meta.pop(key, None)
    spec = {key: value for key, value in template["spec"].items() if key not in directives}
    return {"metadata": meta, "spec": spec}


def _cron_job(problems: Problems, obj: Object, old: Object | None) -> None:
    name = obj["metadata"]["name"]
    # The controller appends 11 characters for the names of Jobs.
    if not old and len(name) > 52:
        problems.invalid("metadata.name", name, "must be no more than 52 characters")


def _secret(problems: Problems, obj: Object, old: Object | None) -> None:
    try:
        data = {k: base64.b64decode(v, validate=True) for k, v in obj.get("data", {}).items()}
    except binascii.Error as error:
        message = 'Secret in version "v1" cannot be handled as a Secret: illegal base64 data'
        raise bad_request(message) from error
    _data(problems, obj, old, {key: len(value) for key, value in data.items()})
    if old:
        problems.unchanged("type", old["type"], obj["type"])
    docker = ".dockerconfigjson"
    if obj["type"] == f"kubernetes.io{docker.replace('.', '/')}" and docker not in data:
        problems.required(f"data[{docker}]")


def _config_map(problems: Problems, obj: Object, old: Object | None) -> None:
    sizes = {key: len(value) for key, value in obj.get("data", {}).items()}
    sizes |= {key: len(value) * 3 // 4 for key, value in obj.get("binaryData", {}).items()}
    _data(problems, obj, old, sizes)


def _data(problems: Problems, obj: Object, old: Object | None, sizes: dict[str, int]) -> None:
    for key in sizes:
        problems.invalid(f"data[{key}]", key, DATA_KEY.problem(key))
    if sum(sizes.values()) > 1 << 20:
        problems.add("TooLong", "data", f"Too long: may not be more than {1 << 20} bytes")
    if old and old.get("immutable"):
        for key in ("data", "binaryData", "immutable"):
            if old.get(key) != obj.get(key):
                problems.forbidden(key, "field is immutable when `immutable` is set")


def _event(problems: Problems, obj: Object, old: Object | None) -> None:
    namespace = obj["involvedObject"].get("namespace", "default")
    if not old and namespace != obj["metadata"]["namespace"]:
        why = "does not match event.namespace"
        problems.invalid("involvedObject.namespace", namespace, why)


def _role_binding(problems: Problems, obj: Object, old: Object | None) -> None:
    if old and old["roleRef"] != obj["roleRef"]:
        problems.invalid("roleRef", obj["roleRef"], "cannot change roleRef")


WHOLES: dict[str, Callable[[Problems, Object, Object | None], None]] = {
    "Pod": _pod,
    "Job": _job,
    "CronJob": _cron_job,
    "Secret": _secret,
    "ConfigMap": _config_map,
    "Event": _event,
    "RoleBinding": _role_binding,
    "ClusterRoleBinding": _role_binding,
}
