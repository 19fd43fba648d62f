# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What clients write into requests: selectors and patches.

- https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
- https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
- https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from .schema import ApiError, Object, Resource, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    Match = Callable[[Object], bool]

INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
FIELDS = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    "jobs": ("status.successful",),
    "events": (*(f"involvedObject.{key}" for key in INVOLVED), "reason", "type"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
}
# How a strategic merge patch tells the items of a list apart. Other lists are replaced. Source:
# `x-kubernetes-patch-merge-key` in https://kubernetes.io/docs/concepts/overview/kubernetes-api/
MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
}

_REQUIREMENT = re.compile(
    r"\s*(!?)\s*([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*"
)


def label_match(selector: str) -> Match:
    """Whether an object has the labels that a selector asks for.

    Raises:
        ApiError: 400, if it is no selector.
    """
    requirements = [_requirement(part) for part in re.split(r",(?![^(]*\))", selector) if selector]
    return lambda obj: all(
        test(obj["metadata"].get("labels", {}).get(key)) for key, test in requirements
    )


def _requirement(part: str) -> tuple[str, Callable[[str | None], bool]]:
    match = _REQUIREMENT.fullmatch(part)
    if not match or (match[1] and (match[3] or match[5])):
        raise bad_request(f"unable to parse requirement: {part}")
    absent, key, equals, value, within, several = match.groups()
    values = {item.strip() for item in several.split(",")} if within else {value}
    if not equals and not within:
        return key, lambda label: (label is None) is bool(absent)
    if equals == "!=" or within == "notin":
        return key, lambda label: label not in values
    return key, lambda label: label in values


def field_match(resource: Resource, selector: str) -> Match:
    """Whether an object has the fields that a selector asks for.

    Raises:
        ApiError: 400, if it is no selector, or names a field that the server does not index.
    """
    tests = []
    for part in filter(None, selector.split(",")):
        match = re.fullmatch(r"\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*", part)
        if not match:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
        known = ("metadata.name", "metadata.namespace", *FIELDS.get(resource.plural, ()))
        if match[1] not in known:
            raise bad_request(f"field label not supported: {match[1]}")
        tests.append((match[1], match[2] != "!=", match[3]))
    return lambda obj: all((_field(obj, path) == value) is wanted for path, wanted, value in tests)


def _field(obj: Any, path: str) -> str:
    if path == "status.successful":  # the one field that is named differently
        path = "status.succeeded"
        return str(obj.get("status", {}).get("succeeded", 0))
    for key in path.split("."):
        obj = obj.get(key, {})
    return str(obj or "")


def apply_patch(content_type: str, obj: Object, patch: Any) -> Object:
    """Applies a patch of any of the three kinds that change an object.

    Args:
        content_type: The request's media type, which says what kind of patch it is.
        obj: The object; it is left as it is.
        patch: The patch, as JSON.

    Returns:
        The patched object.

    Raises:
        ApiError: The patch does not fit the object, or is of another kind.
    """
    patched = copy.deepcopy(obj)
    if content_type == "application/json-patch+json" and isinstance(patch, list):
        for operation in patch:
            _json_patch(patched, operation)
        return patched
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal the patch into Go value of type map")
    if content_type == "application/merge-patch+json":
        return dict(_merge(patched, patch))
    if content_type == "application/strategic-merge-patch+json":
        return dict(_merge(patched, patch, strategic=True))
    message = f"the body of the request was in an unknown format: {content_type}"
    raise ApiError(415, "UnsupportedMediaType", message)


def _merge(old: Any, patch: Any, *, strategic: bool = False) -> Any:
    if not isinstance(patch, dict):
        return patch
    if any(key.startswith("$") for key in patch):
        raise bad_request("this emulator knows no directives ($patch) in patches")
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif strategic and key in MERGE_KEYS and isinstance(value, list):
            merged[key] = _merge_list(merged.get(key, []), value, MERGE_KEYS[key])
        elif strategic and key == "finalizers":
            merged[key] = list(dict.fromkeys([*merged.get(key, []), *value]))
        else:
            merged[key] = _merge(merged.get(key), value, strategic=strategic)
    return merged


def _merge_list(old: list[Any], patch: list[Any], key: str) -> list[Any]:
    items = {item.get(key): item for item in old}
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        items[item[key]] = _merge(items.get(item[key], {}), item, strategic=True)
    return list(items.values())


def _json_patch(document: Any, operation: Any) -> None:
    # https://datatracker.ietf.org/doc/html/rfc6902
    try:
        _json_operation(document, operation)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        message = f"the server rejected our request due to an error in our request: {operation}"
        raise ApiError(422, "Invalid", message) from error


def _json_operation(document: Any, operation: Object) -> None:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy.deepcopy(_resolve(document, source))
        if kind == "move":
            _json_operation(document, {"op": "remove", "path": operation["from"]})
        kind = "add"
    else:
        value = operation["value"] if kind != "remove" else None
    if kind == "test" and _resolve(document, path) != value:
        raise ValueError(operation)
    parent, key = _resolve(document, path[:-1]), path[-1]
    if kind == "add" and isinstance(parent, list):
        parent.insert(len(parent) if key == "-" else int(key), value)
    elif kind == "add":
        parent[key] = value
    elif kind in ("replace", "remove"):
        _resolve(document, path)  # it has to exist
        place = int(key) if isinstance(parent, list) else key
        if kind == "replace":
            parent[place] = value
        else:
            del parent[place]
    elif kind != "test":
        raise ValueError(kind)


def _pointer(path: str) -> list[str]:
    return [key.replace("~1", "/").replace("~0", "~") for key in path.split("/")[1:]]


def _resolve(document: Any, keys: list[str]) -> Any:
    for key in keys:
        document = document[int(key) if isinstance(document, list) else key]
    return document
