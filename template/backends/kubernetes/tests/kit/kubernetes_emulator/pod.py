# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the documents of a pod say: its environment, what this node cannot give, its status.

Everything here takes and returns plain data; `node.py` acts on it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubernetes.utils import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NAME = "emulator"
ADDRESS = "127.0.0.1"

NOT_OF_PODS = ("activeDeadlineSeconds", "ephemeralContainers")
NOT_OF_CONTAINERS = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


class RefusedError(Exception):
    """The pod asks for something that this node lacks."""


class WaitingError(Exception):
    """A container cannot start yet, and is tried again."""

    def __init__(self, reason: str, message: str) -> None:
        """Notes why, in the words of the container's status."""
        super().__init__(message)
        self.reason = reason


def refuse(spec: Mapping[str, Any]) -> None:
    """Raises a `RefusedError` if a pod asks for what this node lacks."""
    if len(spec["containers"]) > 1:
        raise RefusedError("it runs one container of a pod, not several at a time.")
    for field in NOT_OF_PODS:
        if spec.get(field):
            raise RefusedError(f"it does not know `{field}`.")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for field in (*NOT_OF_CONTAINERS, "restartPolicy"):
            if container.get(field):
                raise RefusedError(f"it does not know `{field}` of a container.")
        for mount in container.get("volumeMounts", []):
            if mount.get("subPath") or mount.get("subPathExpr"):
                raise RefusedError("it does not know `subPath`.")
    for volume in spec.get("volumes", []):
        # The API server adds this one itself, for the service account.
        ours = volume["name"].startswith("kube-api-access-")
        if not ours and not {"hostPath", "emptyDir"} & volume.keys():
            raise RefusedError(f"the volume `{volume['name']}` is of a kind that it does not know.")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)`, as Kubernetes does; `$$` is a plain `$`, unknown names stay.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replace, text)


def container_environment(
    container: Mapping[str, Any],
    pod: Mapping[str, Any],
    services: Mapping[str, str],
    data_of: Callable[[str, str], dict[str, str] | None],
) -> dict[str, str]:
    """Resolves the variables of a container: its `envFrom`, then its `env`.

    https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/

    Args:
        container: The container, of the pod's spec.
        pod: The pod.
        services: The variables that are there for the cluster's services.
        data_of: Reads a "configmap" or "secret" of a name; None if there is none.

    Raises:
        WaitingError: If one of these, or a key of it, is missing and not optional.
    """

    def read(kind: str, reference: Mapping[str, Any]) -> dict[str, str]:
        data = data_of(kind, reference["name"])
        if data is None and not reference.get("optional"):
            message = f'{kind} "{reference["name"]}" not found'
            raise WaitingError("CreateContainerConfigError", message)
        return data or {}

    def resolve(source: Mapping[str, Any]) -> str | None:
        if (field := source.get("fieldRef")) is not None:
            return value_of_field(field["fieldPath"], pod)
        if (resource := source.get("resourceFieldRef")) is not None:
            return value_of_resource(resource, container)
        for field_name, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
            if (reference := source.get(field_name)) is not None:
                value = read(kind, reference).get(reference["key"])
                if value is None and not reference.get("optional"):
                    named = f"{pod['metadata']['namespace']}/{reference['name']}"
                    title = "ConfigMap" if kind == "configmap" else "Secret"
                    message = f"couldn't find key {reference['key']} in {title} {named}"
                    raise WaitingError("CreateContainerConfigError", message)
                return value
        raise RefusedError(f"it does not know the variable's source {dict(source)}.")

    variables: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
            if (reference := source.get(field)) is not None:
                for key, value in read(kind, reference).items():
                    variables[f"{source.get('prefix', '')}{key}"] = value
    for variable in container.get("env") or []:
        if variable.get("valueFrom"):
            resolved = resolve(variable["valueFrom"])
        else:
            resolved = expand(variable.get("value") or "", {**services, **variables})
        if resolved is not None:
            variables[variable["name"]] = resolved
    return {**services, **variables}


def value_of_field(path: str, pod: Mapping[str, Any]) -> str:
    """Returns what a `fieldRef` stands for.

    https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields
    """
    metadata, spec = pod["metadata"], pod["spec"]
    match = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if match is not None:
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": NAME,
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        **dict.fromkeys(("status.podIP", "status.podIPs", "status.hostIP"), ADDRESS),
    }
    if path not in known:
        raise RefusedError(f"it does not know the field `{path}`.")
    return str(known[path])


def value_of_resource(reference: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    """Returns what a `resourceFieldRef` stands for: a whole number of divisors, rounded up.

    https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#downwardapi-resourceFieldRef
    """
    kind, _, name = reference["resource"].partition(".")
    amount = (container.get("resources") or {}).get(kind, {}).get(name)
    if amount is None:
        raise RefusedError(f"the container has no `{reference['resource']}`.")
    divisor = parse_quantity(reference.get("divisor") or "1") or 1
    return str(ceil(parse_quantity(amount) / divisor))


def service_variables(host: str) -> dict[str, str]:
    """Returns the variables by which a container finds the API server.

    https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables

    Args:
        host: Its URL.
    """
    url = urlsplit(host)
    port = str(url.port or 443)
    return {
        "KUBERNETES_SERVICE_HOST": url.hostname or "",
        "KUBERNETES_SERVICE_PORT": port,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }


def events(stream: Any) -> Iterator[dict[str, Any]]:
    """Reads a watch: a JSON document on each line."""
    rest = b""
    for piece in stream.stream():
        *lines, rest = (rest + piece).split(b"\n")
        yield from map(json.loads, filter(bytes.strip, lines))


def state(kind: str, **details: Any) -> dict[str, Any]:
    """Returns what is said of a container's state: "waiting", "running" or "terminated"."""
    runs = kind == "running"
    return {"state": {kind: details}, "ready": runs, "started": runs}


def conditions(
    spec: Mapping[str, Any],
    phase: str,
    known: Sequence[dict[str, Any]],
    containers: Mapping[str, Mapping[str, Any]],
    unschedulable: str,
) -> list[dict[str, Any]]:
    """Returns the conditions of a pod.

    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions

    Args:
        spec: The pod's spec.
        phase: Its phase.
        known: Its conditions so far. Those that are not a node's business stay.
        containers: The statuses of its containers, by name.
        unschedulable: Why no node takes it; empty if one does.
    """
    before = {condition["type"]: condition for condition in known}

    def describe(kind: str, reason: str = "", message: str = "") -> None:
        """Notes a condition, which holds unless there is a reason why not."""
        holds = str(not reason)
        said = {"type": kind, "status": holds, "reason": reason, "message": message}
        same = before.get(kind, {}).get("status") == holds
        said["lastTransitionTime"] = before[kind]["lastTransitionTime"] if same else now()
        before[kind] = {key: value for key, value in said.items() if value}

    if unschedulable:
        describe("PodScheduled", "Unschedulable", unschedulable)
        return [*before.values()]
    describe("PodScheduled")
    unfinished = [
        name
        for name in (container["name"] for container in spec.get("initContainers", []))
        if containers.get(name, {}).get("state", {}).get("terminated", {}).get("exitCode") != 0
    ]
    if unfinished:
        message = f"containers with incomplete status: [{' '.join(unfinished)}]"
        describe("Initialized", "ContainersNotInitialized", message)
    else:
        describe("Initialized")
    names = [container["name"] for container in spec["containers"]]
    unready = [name for name in names if not containers.get(name, {}).get("ready")]
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    for kind in ("ContainersReady", "Ready"):
        if ended:
            describe(kind, ended)
        elif unready:
            message = f"containers with unready status: [{' '.join(unready)}]"
            describe(kind, "ContainersNotReady", message)
        else:
            describe(kind)
    return [*before.values()]


def why_not(program: str) -> str:
    """Says, as container runtimes do, that there is no such program."""
    return (
        "failed to create containerd task: OCI runtime create failed: unable to start container "
        f'process: exec: "{program}": executable file not found in $PATH: unknown'
    )


def now() -> str:
    """Returns the time as Kubernetes writes it: UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
