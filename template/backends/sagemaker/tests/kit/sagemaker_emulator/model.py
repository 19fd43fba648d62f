# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the service's own model says about a request: botocore brings it, and enforces half of it.

A client checks types, required members, unknown members and some minima. The service checks
lengths, patterns, ranges and enumerations as well, which the same model holds.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING, Any

from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Types of values as they are in JSON. A timestamp is a number of seconds, or text.
TYPES: dict[str, tuple[type, ...]] = {
    "blob": (str,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "integer": (int,),
    "list": (list,),
    "long": (int,),
    "map": (dict,),
    "string": (str,),
    "structure": (dict,),
    "timestamp": (int, float, str),
}
# Longer values are cut in messages.
SHOWN = 200


class ApiError(Exception):
    """An error that the service answers with."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Takes what clients see of it.

        Args:
            code: The error's code, such as `ValidationException`.
            message: What is wrong.
            status: The HTTP status.
        """
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@functools.cache
def service_model(name: str) -> Any:
    """Returns botocore's `ServiceModel` of a service, such as `sagemaker`."""
    return Session().get_service_model(name)


def check(shape: Any, value: Any, *, is_variable: Callable[[Any], bool] | None = None) -> None:
    """Checks a request, or an answer, against its shape.

    Args:
        shape: A botocore `Shape`.
        value: The value, as it is in JSON.
        is_variable: Tells the objects that may stand at the place of text, numbers and booleans.

    Raises:
        ApiError: SerializationException, it has the wrong structure; ValidationException, the
            values are not allowed. It names all of these.
    """
    problems = list(_Checker(is_variable or (lambda _: False)).problems(shape, value, ""))
    if problems:
        errors = "error" if len(problems) == 1 else "errors"
        text = f"{len(problems)} validation {errors} detected: {'; '.join(problems)}"
        raise ApiError("ValidationException", text)


class _Checker:
    """Looks through a value."""

    def __init__(self, is_variable: Callable[[Any], bool]) -> None:
        self._is_variable = is_variable

    def problems(self, shape: Any, value: Any, path: str) -> Iterator[str]:
        """Yields what is wrong, in the words of the service."""
        kind = shape.type_name
        if kind not in ("list", "map", "structure") and self._is_variable(value):
            return
        fits = isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")
        if not fits:
            text = f"{type(value).__name__} can not be converted to a {kind}, at '{path}'"
            raise ApiError("SerializationException", text)
        for problem in constraints(shape, value):
            yield f"{shown(value)} at '{path}' failed to satisfy constraint: {problem}"
        if kind == "structure":
            yield from self._members(shape, value, path)
        elif kind == "list":
            for number, item in enumerate(value, start=1):
                yield from self.problems(shape.member, item, f"{path}.{number}.member")
        elif kind == "map":
            for key, item in value.items():
                yield from self.problems(shape.key, key, f"{path}.key")
                yield from self.problems(shape.value, item, f"{path}.{key}.value")

    def _members(self, shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
        # A null is as good as nothing.
        members = {name: item for name, item in value.items() if item is not None}
        if unknown := sorted(members.keys() - shape.members.keys()):
            text = f"Unknown members of {shape.name} at '{path}': {', '.join(unknown)}"
            raise ApiError("SerializationException", text)
        for name in shape.required_members:
            if name not in members:
                where = f"Value null at '{below(path, name)}'"
                yield f"{where} failed to satisfy constraint: Member must not be null"
        for name, item in members.items():
            yield from self.problems(shape.members[name], item, below(path, name))


def below(path: str, name: str) -> str:
    """Returns the path of a member, which begins with a small letter in the service's messages."""
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


def shown(value: Any) -> str:
    """Returns a value for a message."""
    text = str(value)
    return f"Value '{text if len(text) <= SHOWN else text[:SHOWN] + '…'}'"


def constraints(shape: Any, value: Any) -> Iterator[str]:
    """Yields the constraints of a shape itself that a value of the right type does not meet."""
    limits = shape.metadata
    sized = hasattr(value, "__len__")
    what = "length" if sized else "value"
    size = len(value) if sized else value
    if "min" in limits and size < limits["min"]:
        yield f"Member must have {what} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"Member must have {what} less than or equal to {limits['max']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    if "pattern" in limits and compiled(limits["pattern"]).fullmatch(value) is None:
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""Compiles a pattern of the model, which is Java's: `\p{L}` is unknown to Python."""
    return re.compile(re.sub(r"\\p\{(\w+)\}", lambda found: of_category(found[1]), pattern))


@functools.cache
def of_category(name: str) -> str:
    """Returns all characters of a Unicode category, for use in a pattern's square brackets."""
    if name == "Alnum":
        return "a-zA-Z0-9"
    ranges = []
    for category, codes in groupby(range(sys.maxunicode + 1), category_of):
        if category.startswith(name):
            first, *rest = codes
            ranges.append(f"\\U{first:08x}-\\U{rest[-1] if rest else first:08x}")
    return "".join(ranges)


def category_of(code: int) -> str:
    """Returns the Unicode category of a character."""
    return unicodedata.category(chr(code))
