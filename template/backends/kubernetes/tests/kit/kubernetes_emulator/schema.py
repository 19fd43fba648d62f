# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the emulator's API serves, and how JSON becomes one of its objects.

The structure comes from the official client's generated models, which come from Kubernetes' own
OpenAPI description: https://kubernetes.io/docs/concepts/overview/kubernetes-api/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_UP, Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from kubernetes import client
from kubernetes.client import models

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


class ApiError(Exception):
    """What the API server answers instead of an object.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
    """

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        """Keeps the HTTP status, the machine-readable reason, the text and the details."""
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> Object:
        """The error as the `Status` object that clients get."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def bad_request(message: str) -> ApiError:
    """The error for what cannot be understood."""
    return ApiError(400, "BadRequest", message)


@dataclass(frozen=True)
class Resource:
    """One kind of object, and where the API has it."""

    kind: str
    plural: str
    group: str = ""
    namespaced: bool = True
    has_status: bool = False
    model: str = ""

    @property
    def root(self) -> str:
        """The name of the client's model."""
        return self.model or f"V1{self.kind}"

    @property
    def api_version(self) -> str:
        """As in an object's `apiVersion`."""
        return f"{self.group}/v1" if self.group else "v1"

    def qualified(self, name: str) -> str:
        """`Job` becomes `Job.batch`, `jobs` becomes `jobs.batch`: so do the server's messages."""
        return f"{name}.{self.group}" if self.group else name

    def not_found(self, name: str) -> ApiError:
        """The error for an object that does not exist."""
        message = f'{self.qualified(self.plural)} "{name}" not found'
        return ApiError(404, "NotFound", message, name=name, group=self.group, kind=self.plural)

    def conflict(self, name: str, why: str, *, reason: str = "Conflict") -> ApiError:
        """The error for a write that came too late."""
        details = {"name": name, "group": self.group, "kind": self.plural}
        return ApiError(409, reason, why, **details)

    def forbidden(self, name: str, why: str) -> ApiError:
        """The error for what is not allowed."""
        message = f'{self.qualified(self.plural)} "{name}" is forbidden: {why}'
        return ApiError(403, "Forbidden", message, name=name, group=self.group, kind=self.plural)


RBAC = "rbac.authorization.k8s.io"
RESOURCES = {
    resource.plural: resource
    for resource in (
        Resource("Pod", "pods", has_status=True),
        Resource("Secret", "secrets"),
        Resource("ServiceAccount", "serviceaccounts"),
        Resource("ConfigMap", "configmaps"),
        Resource("Event", "events", model="CoreV1Event"),
        Resource("Namespace", "namespaces", namespaced=False, has_status=True),
        Resource("Node", "nodes", namespaced=False),
        Resource("ResourceQuota", "resourcequotas", has_status=True),
        Resource("PriorityClass", "priorityclasses", "scheduling.k8s.io", namespaced=False),
        Resource("Job", "jobs", "batch", has_status=True),
        Resource("CronJob", "cronjobs", "batch", has_status=True),
        Resource("Role", "roles", RBAC),
        Resource("RoleBinding", "rolebindings", RBAC),
        Resource("ClusterRole", "clusterroles", RBAC, namespaced=False),
        Resource("ClusterRoleBinding", "clusterrolebindings", RBAC, namespaced=False),
    )
}
KINDS = {resource.kind: resource for resource in RESOURCES.values()}

# Numbers are int32 in the API, except these. The client's models do not tell.
INT64 = {
    "activeDeadlineSeconds",
    "deletionGracePeriodSeconds",
    "expirationSeconds",
    "fsGroup",
    "generation",
    "gracePeriodSeconds",
    "observedGeneration",
    "runAsGroup",
    "runAsUser",
    "startingDeadlineSeconds",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
}
QUANTITIES = {"allocatable", "capacity", "limits", "overhead", "requests", "sizeLimit"}
MICRO_TIMES = {"eventTime", "lastObservedTime"}
# What clients before 28 wrongly insist on.
NOT_REQUIRED = {
    "V1PodFailurePolicyRule": {"onPodConditions"},
    "V1PodFailurePolicyOnPodConditionsPattern": {"status"},
}
ZEROES = {"str": "", "int": 0, "bool": False}


def decode(resource: Resource, body: Any, *, strict: bool = False) -> tuple[Object, list[str]]:
    """Turns a request's JSON into an object: known fields, their types, canonical quantities.

    Unknown fields are dropped; null is the same as absent.

    Args:
        resource: What it ought to be.
        body: The JSON.
        strict: Whether an unknown field is an error. Source:
            https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation

    Returns:
        The object, and what the server warns about.

    Raises:
        ApiError: 400, for what the server cannot decode.
    """
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type Object)")
    kind, version = body.get("kind", resource.kind), body.get("apiVersion", resource.api_version)
    if (kind, version) != (resource.kind, resource.api_version):
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}')
    unknown: list[str] = []
    failed = f'{resource.kind} in version "v1" cannot be handled as a {resource.kind}'
    try:
        decoded = _decode(body, resource.root, "", unknown)
    except ValueError as error:
        message = f"{failed}: {error}"
        raise bad_request(message) from error
    # A status is the server's own, which says more than an older client has names for.
    warnings = [f'unknown field "{path}"' for path in unknown if not path.startswith("status.")]
    if strict and warnings:
        raise bad_request(f"{failed}: strict decoding error: {', '.join(warnings)}")
    decoded |= {"kind": resource.kind, "apiVersion": resource.api_version}
    decoded.setdefault("metadata", {})
    return decoded, warnings


def _decode(value: Any, kind: str, path: str, unknown: list[str]) -> Any:
    several = re.fullmatch(r"list\[(.+)\]|dict\[str, (.+)\]", kind)
    if several and several[1]:
        items = enumerate(_typed(value, list, path, "[]" + several[1]))
        return [_decode(item, several[1], f"{path}[{i}]", unknown) for i, item in items]
    if several:
        items = _typed(value, dict, path, "map").items()
        present = [(key, item) for key, item in items if item is not None]
        return {key: _decode(item, several[2], path, unknown) for key, item in present}
    if hasattr(models, kind):
        return _decode_model(_typed(value, dict, path, kind), kind, path, unknown)
    return _decode_scalar(value, kind, path)


def _decode_scalar(value: Any, kind: str, path: str) -> Any:
    field = path.rpartition(".")[2]
    if kind == "str" and field in QUANTITIES:
        value = canonical_quantity(value)
    elif kind == "str":
        _typed(value, str, path, "string")
    elif kind == "bool":
        _typed(value, bool, path, "bool")
    elif kind == "int":
        bits = 64 if field in INT64 else 32
        number = int(_typed(value, int, path, f"int{bits}"))
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise _unmarshal(f"number {number}", path, f"int{bits}")
    elif kind == "datetime":
        text = _typed(value, str, path, "Time")
        value = canonical_time(text, micro=field in MICRO_TIMES)
    return value  # as it is if its kind is "object": a number or a text, or any JSON


def _decode_model(value: Object, kind: str, path: str, unknown: list[str]) -> Object:
    types = fields_of(kind)
    decoded: Object = {}
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if key not in types:
            unknown.append(below)
        elif item is not None:
            decoded[key] = _decode(item, types[key], below, unknown)
            # The server keeps no empty lists and maps, except where it requires one.
            collection = types[key].startswith(("list", "dict"))
            if collection and not decoded[key] and key not in required_fields(kind):
                del decoded[key]
    if path.startswith("status"):
        # The server writes these even when empty, and the client's models insist on them.
        for key in required_fields(kind) - decoded.keys():
            if types[key] in ZEROES:
                decoded[key] = ZEROES[types[key]]
    return decoded


def _typed(value: Any, expected: type, path: str, go_type: str) -> Any:
    if type(value) is expected:
        return value
    names = {str: "string", bool: "bool", int: "number", float: "number", dict: "object"}
    raise _unmarshal(names.get(type(value), "array"), path, go_type)


def _unmarshal(what: str, path: str, go_type: str) -> ValueError:
    where = f"Go struct field {path} of type {go_type}"
    return ValueError(f"json: cannot unmarshal {what} into {where}")


@cache
def fields_of(kind: str) -> dict[str, str]:
    """The types of the fields that one of the client's models has, by their names in JSON.

    They read `int`, `list[str]`, `dict[str, str]`, `V1Container`, whatever the client's version.
    """
    model = getattr(models, kind)
    types = {}
    for name, type_ in model.openapi_types.items():
        newer = type_.replace("(", "[").replace(")", "]")
        types[model.attribute_map[name]] = newer.replace("Dict[", "dict[").replace("List[", "list[")
    return types


@cache
def required_fields(kind: str) -> frozenset[str]:
    """The names in JSON of the fields that one of the client's models cannot do without."""
    model = getattr(models, kind)
    names = model.attribute_map
    if hasattr(model, "model_fields"):  # from client 37 on
        fields = model.model_fields.items()
        return frozenset(names[name] for name, field in fields if field.is_required())
    configuration = client.Configuration()
    configuration.client_side_validation = False
    empty = model(local_vars_configuration=configuration)
    configuration.client_side_validation = True

    def is_required(name: str) -> bool:
        try:
            setattr(empty, name, None)
        except ValueError:  # so the setters of the models refuse it
            return True
        return False

    required = {key for name, key in names.items() if is_required(name)}
    return frozenset(required - NOT_REQUIRED.get(kind, set()))


def visit(value: Any, kind: str, path: str = "") -> Iterator[tuple[str, str, Object]]:
    """Goes through an object and all objects in it, its status apart.

    Yields:
        The path, the name of the client's model, and the object, each one before those in it.
    """
    if kind.startswith("list["):
        for i, item in enumerate(value):
            yield from visit(item, kind[5:-1], f"{path}[{i}]")
    elif hasattr(models, kind) and path != "status":
        yield path, kind, value
        for key, type_ in fields_of(kind).items():
            if key in value:
                yield from visit(value[key], type_, f"{path}.{key}" if path else key)


# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eEinumkKMGTP]*[-+]?\d*)")
_WRONG_QUANTITY = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(text: str) -> Decimal:
    """The number that a quantity such as `500m` or `4Gi` stands for.

    Raises:
        ValueError: Kubernetes does not know such a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(_WRONG_QUANTITY)
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _DECIMAL:
        return number * _ten(_DECIMAL[suffix])
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    if re.fullmatch(r"[eE][-+]?\d+", suffix):
        return number * _ten(int(suffix[1:]))
    raise ValueError("unable to parse quantity's suffix")


def canonical_quantity(value: Any) -> str:
    """Writes a quantity as the server gives it back: `0.5` as `500m`, `1024Mi` as `1Gi`."""
    if type(value) not in (str, int, float):
        raise ValueError(_WRONG_QUANTITY)
    number = quantity(str(value))
    whole = number == number.to_integral_value()
    if str(value).endswith("i") and whole and abs(number) >= 1024:
        power = max(p for p in (0, *_BINARY.values()) if number % 1024**p == 0)
        return str(int(number) // 1024**power) + ("", *_BINARY)[power]
    number = number.quantize(Decimal("1e-9"), rounding=ROUND_UP)
    if not number:
        return "0"
    suffix, power = next(item for item in reversed(_DECIMAL.items()) if number % _ten(item[1]) == 0)
    return str(int(number / _ten(power))) + suffix


def _ten(power: int) -> Decimal:
    return Decimal(1).scaleb(power)


_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def canonical_time(text: str, *, micro: bool = False) -> str:
    """Writes a time as the server gives it back: UTC, whole seconds (or microseconds).

    Raises:
        ValueError: It is no RFC 3339 time, for instance because it has no time zone.
    """
    match = _TIME.fullmatch(text)
    if not match:
        layout = "2006-01-02T15:04:05Z07:00"
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text}"')
    zone = "+00:00" if match[3] in "Zz" else match[3]
    moment = datetime.fromisoformat(match[1].upper() + zone).astimezone(timezone.utc)
    fraction = f".{(match[2] or '.')[1:7]:0<6}" if micro else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def now() -> str:
    """This moment, in whole seconds, as objects have it."""
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def timestamp(time: str) -> float:
    """One of the times in an object, in seconds since 1970."""
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%S%z").timestamp()
