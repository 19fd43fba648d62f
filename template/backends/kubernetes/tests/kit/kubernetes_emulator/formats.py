# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What texts in objects may look like, and how the server says what is wrong with an object.

- https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
- https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
- https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
"""

from __future__ import annotations

import calendar
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .schema import ApiError

if TYPE_CHECKING:
    from collections.abc import Collection

    from .schema import Resource


@dataclass(frozen=True)
class Format:
    """What a text may look like."""

    pattern: str
    limit: int
    message: str

    def problem(self, text: str) -> str | None:
        """Why the text is not of this format."""
        if len(text.encode()) > self.limit:
            return f"must be no more than {self.limit} bytes"
        return None if re.fullmatch(self.pattern, text) else self.message


_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
SUBDOMAIN = Format(
    rf"{_LABEL}(\.{_LABEL})*",
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character",
)
LABEL = Format(
    _LABEL,
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
    " and must start and end with an alphanumeric character",
)
LABEL_VALUE = Format(
    f"({_NAME})?",
    63,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character",
)
QUALIFIED_NAME = Format(
    rf"({_LABEL}(\.{_LABEL})*/)?" + r"(?=[^/]{1,63}$)" + _NAME,
    317,
    "name part must consist of at most 63 alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character, with an optional DNS subdomain"
    " prefix and '/'",
)
# https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
FIELD_PATH = Format(
    r"metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?)",
    400,
    "error converting fieldPath: field label not supported",
)
# Newer servers allow more. What is refused here works on none of the older ones.
ENV_NAME = Format(
    r"[-._a-zA-Z][-._a-zA-Z0-9]*",
    10_000,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-',"
    " or '.', and must not start with a digit",
)
DATA_KEY = Format(
    r"(?!\.\.?$)[-._a-zA-Z0-9]+",
    253,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
)
PATH_SEGMENT = Format(r"(?!\.\.?$)[^/%]+", 253, "may not be '.' or '..', nor contain '/' or '%'")


class Problems:
    """Collects everything that is wrong with an object, as the server does before it answers."""

    def __init__(self) -> None:
        """Nothing is wrong so far."""
        self.causes: list[dict[str, str]] = []

    def add(self, reason: str, field: str, message: str) -> None:
        """Takes down one problem."""
        cause = {"reason": f"FieldValue{reason}", "message": message, "field": field}
        self.causes.append(cause)

    def required(self, field: str, why: str = "") -> None:
        """A field that is missing."""
        self.add("Required", field, f"Required value: {why}" if why else "Required value")

    def invalid(self, field: str, value: Any, why: str | None) -> None:
        """A field with a wrong value; no problem if there is no reason why."""
        if why:
            self.add("Invalid", field, f"Invalid value: {json.dumps(value)}: {why}")

    def one_of(self, field: str, value: Any, supported: Collection[str]) -> None:
        """A field that knows few values; no problem if it is absent or has one of them."""
        if value is not None and value not in supported:
            known = ", ".join(f'"{name}"' for name in sorted(supported))
            message = f"Unsupported value: {json.dumps(value)}: supported values: {known}"
            self.add("NotSupported", field, message)

    def forbidden(self, field: str, why: str) -> None:
        """A field that must not be there."""
        self.add("Forbidden", field, f"Forbidden: {why}")

    def unchanged(self, field: str, old: Any, new: Any) -> None:
        """A field that keeps its value for good."""
        if old != new:
            self.invalid(field, new, "field is immutable")

    def refuse(self, resource: Resource, name: str) -> None:
        """Raises the server's error if there is any problem."""
        if not self.causes:
            return
        kind = resource.qualified(resource.kind)
        texts = [f"{cause['field']}: {cause['message']}" for cause in self.causes]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        details = {"name": name, "group": resource.group, "kind": resource.kind}
        message = f'{kind} "{name}" is invalid: {text}'
        raise ApiError(422, "Invalid", message, **details, causes=self.causes)


# Least and greatest number, names of numbers.
_CRON_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name}),
    (0, 6, {name.lower(): (i + 1) % 7 for i, name in enumerate(calendar.day_abbr)}),
)


def schedule_problem(schedule: str) -> str | None:
    """Why the CronJob controller could not read a schedule.

    https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
    """
    macro = "@(yearly|annually|monthly|weekly|daily|midnight|hourly|every %s)"
    if re.fullmatch(macro % r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+", schedule):
        return None
    if schedule.startswith("@"):
        return f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != len(_CRON_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: {fields}"
    for text, known in zip(fields, _CRON_FIELDS, strict=True):
        for part in text.split(","):
            if not _is_cron_range(part, *known):
                return f"failed to parse {part}"
    return None


def _is_cron_range(part: str, least: int, greatest: int, names: dict[str, int]) -> bool:
    match = re.fullmatch(r"([*?]|\w+)(?:-(\w+))?(?:/(\d+))?", part)
    if not match or match[3] == "0" or (match[1] in "*?" and match[2]):
        return False
    ends = [least if match[1] in "*?" else match[1], match[2] or match[1]]
    ends[1] = greatest if ends[1] in ("*", "?") else ends[1]
    numbers = [names.get(str(end).lower(), end) for end in ends]
    if not all(str(number).isdecimal() for number in numbers):
        return False
    return least <= int(numbers[0]) <= int(numbers[1]) <= greatest
