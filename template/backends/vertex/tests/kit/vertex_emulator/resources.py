# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What all resources have in common: numbers, times, lists, and operations that take a while.

https://google.aip.dev/160 (filters), https://google.aip.dev/151 (operations)
"""

from __future__ import annotations

import operator
import random
import re
import time
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform_v1.types import DeleteOperationMetadata
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, timestamp_pb2
from google.rpc import status_pb2
from .api import ApiError, refuse_if

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_SIZE = 100
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
TERM = re.compile(r'\s*(NOT\s+)?([\w.-]+)\s*(<=|>=|!=|=|<|>|:)\s*("(?:[^"\\]|\\.)*"|[^\s()"]+)\s*')
CONNECTIVE = re.compile(r"(AND|OR)\b")
TIMES = ("create_time", "update_time", "end_time", "start_time", "next_run_time")


def new_number() -> str:
    """Returns the ID of a new resource."""
    return str(random.randrange(10**18, 9 * 10**18))  # noqa: S311 - not a secret


def problem(code: int, message: str) -> Any:
    """Returns a `google.rpc.Status`."""
    return status_pb2.Status(code=code, message=message)


def timestamp(seconds: float) -> Any:
    """Returns a time as a message, to the microsecond."""
    found = timestamp_pb2.Timestamp()
    found.FromMicroseconds(int(seconds * 10**6))
    return found


def set_times(message: Any, owner: Any) -> None:
    """Fills in when something was created, started, ended and updated."""
    for field, attribute in (
        ("create_time", "created"),
        ("start_time", "started"),
        ("end_time", "ended"),
        ("update_time", "updated"),
    ):
        seconds = getattr(owner, attribute, None)
        if seconds is not None:
            getattr(message, field).CopyFrom(timestamp(seconds))


def page(
    messages: Sequence[Any], request: Any, fields: Sequence[str], order: str = ""
) -> tuple[list[Any], str]:
    """Returns one page of a list, and the token of the next.

    Args:
        messages: All resources.
        request: The request, with the usual fields of such requests.
        fields: The fields that a filter may look at, beside times and labels.
        order: What to sort by. If nothing, the newest comes first.

    Raises:
        ApiError: The filter, the order or the token is not valid.
    """
    chosen = [each for each in messages if matches(each, request.filter, fields)]
    # The last one counts most, and sorting keeps the order of what is equal.
    for part in reversed((order or "create_time desc").split(",")):
        name, _, direction = part.strip().partition(" ")
        refuse_if(name not in TIMES, f"Invalid order_by: {name!r}")
        refuse_if(direction.strip() not in ("", "asc", "desc"), f"Invalid order_by: {part!r}")
        key = operator.attrgetter(name)
        chosen.sort(key=lambda each: key(each).ToNanoseconds(), reverse=direction == "desc")
    token, size = request.page_token or "0", request.page_size or PAGE_SIZE
    refuse_if(not token.isdecimal() or size < 0, "Invalid page_token or page_size")
    end = int(token) + size
    return chosen[int(token) : end], str(end) if end < len(chosen) else ""


def matches(message: Any, text: str, fields: Sequence[str]) -> bool:
    """Tells whether a resource passes a filter, which has no parentheses.

    "The OR operator has higher precedence than AND".

    Raises:
        ApiError: The filter is not valid.
    """
    found, rest, either, connective = True, text.strip(), False, "AND"
    while rest:
        term = TERM.match(rest)
        refuse_if(term is None, f"Invalid filter: {text!r}")
        assert term is not None
        value = compare(message, term, fields) != bool(term[1])
        either = value if connective == "AND" else either or value
        rest = rest[term.end() :]
        following = CONNECTIVE.match(rest)
        refuse_if(rest and following is None, f"Invalid filter: {text!r}")
        if following is not None:
            connective, rest = following[1], rest[following.end() :]
            refuse_if(not rest.strip(), f"Invalid filter: {text!r}")
        if following is None or connective == "AND":
            found = found and either
    return found


def compare(message: Any, term: re.Match[str], fields: Sequence[str]) -> bool:
    """Tells whether a comparison holds."""
    name, comparison, value = term[2], term[3], term[4]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    if name in TIMES and hasattr(message, name):
        return compare_times(message, name, comparison, value)
    if (name, comparison) == ("labels", ":"):
        name, value = f"labels.{value}", "*"
    if name.startswith("labels."):
        actual = message.labels.get(name.partition(".")[2])
    else:
        refuse_if(name not in fields, f"Invalid filter: there is no field {name!r}")
        actual = field_of(message, name)
    if comparison == ":":
        pattern = ".*".join(map(re.escape, value.split("*")))
        return actual is not None and bool(re.fullmatch(pattern, actual, re.DOTALL))
    refuse_if(comparison not in ("=", "!="), f"Invalid filter: {name} {comparison}")
    return bool(COMPARISONS[comparison](actual, value))


def compare_times(message: Any, name: str, comparison: str, value: str) -> bool:
    """Tells whether a comparison of times holds. One that is not set is neither late nor early."""
    if comparison == ":" or not message.HasField(name):
        return bool(message.HasField(name)) and value == "*"
    moment = timestamp_pb2.Timestamp()
    try:
        moment.FromJsonString(value)
    except ValueError as error:
        raise ApiError("INVALID_ARGUMENT", f"Invalid filter: {value!r} is no time") from error
    actual = getattr(message, name).ToNanoseconds()
    return bool(COMPARISONS[comparison](actual, moment.ToNanoseconds()))


def field_of(message: Any, name: str) -> str:
    """Returns a field's value as filters have it."""
    if name == "pipeline_job_user_id":
        return str(message.name.rpartition("/")[2])
    if name == "pipeline_name":
        return str(message.pipeline_spec["pipelineInfo"]["name"])
    if name == "create_pipeline_job_request":
        return "set" if message.HasField(name) else ""
    field = message.DESCRIPTOR.fields_by_name[name]
    value = getattr(message, name)
    if field.enum_type is not None:
        return str(field.enum_type.values_by_number[value].name)
    return str(value)


class Operations:
    """Operations that take a while, such as deleting something."""

    def __init__(self, parent: str) -> None:
        """Starts with none.

        Args:
            parent: Where they are.
        """
        self._parent = parent
        self._known: dict[str, Any] = {}

    def functions(self) -> dict[str, Callable[[Any], Any]]:
        """Returns what carries out the methods, by their names."""
        return {"GetOperation": self._get, "WaitOperation": self._get}

    def begin(self) -> Any:
        """Returns an operation that is not done yet. It is when somebody asks for it."""
        operation = operations_pb2.Operation(name=f"{self._parent}/operations/{new_number()}")
        metadata = DeleteOperationMetadata.pb()()
        now = timestamp(time.time())
        metadata.generic_metadata.create_time.CopyFrom(now)
        metadata.generic_metadata.update_time.CopyFrom(now)
        operation.metadata.Pack(metadata)
        self._known[operation.name] = operation
        return operation

    def _get(self, request: Any) -> Any:
        if request.name not in self._known:
            raise ApiError("NOT_FOUND", f"Operation {request.name} is not found.")
        done = operations_pb2.Operation()
        done.CopyFrom(self._known[request.name])
        done.done = True
        done.response.Pack(empty_pb2.Empty())
        return done
