# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What EventBridge Scheduler says about a schedule, and moto does not check.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from .definition import refused

RATE = re.compile(r"rate\([1-9]\d* (minute|hour|day)s?\)")
AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
CRON = re.compile(r"cron\(([^()]*)\)")

MONTHS = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
]  # fmt: skip
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# The fields of a cron expression: least, most, names (the first is the least), what else there is.
FIELDS: list[tuple[int, int, list[str], str]] = [
    (0, 59, [], ""),
    (0, 23, [], ""),
    (1, 31, [], r"\?|L|LW|\d+W"),
    (1, 12, MONTHS, ""),
    (1, 7, DAYS, r"\?|L|\w+L|\w+#[1-5]"),
    (1970, 2199, [], ""),
]
# "The StartDate you specify cannot be earlier than 5 minutes ago."
# https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
OLDEST_START_SECONDS = 300


class Schedules:
    """What the service does before it creates a schedule."""

    def __init__(self, arn_prefix: str) -> None:
        """Has seen no request yet.

        Args:
            arn_prefix: What the ARNs of schedules begin with.
        """
        self._arn_prefix = arn_prefix
        self._created: dict[str, str] = {}

    def create(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Answers a request that is repeated as it was the first time.

        Args:
            request: The request, which its model allows.

        Returns:
            The answer; None to let moto create the schedule.

        Raises:
            ApiError: The service would refuse it.
        """
        check_schedule(request)
        token = request.get("ClientToken", "")
        if token in self._created:
            return {"ScheduleArn": self._created[token]}
        name = f"{request.get('GroupName', 'default')}/{request['Name']}"
        self._created[token] = self._arn_prefix + name
        return None


def check_schedule(request: dict[str, Any]) -> None:
    """Checks a request that creates or updates a schedule.

    Args:
        request: The request, which its model allows.

    Raises:
        ApiError: The service would refuse it.
    """
    expression = request["ScheduleExpression"]
    if not is_valid(expression):
        raise refused(f"Invalid Schedule Expression {expression}.")
    zone = request.get("ScheduleExpressionTimezone", "UTC")
    if zone not in available_timezones():
        raise refused(f"Invalid Schedule Expression Timezone {zone}.")
    start, end = request.get("StartDate"), request.get("EndDate")
    if start is not None and start < time.time() - OLDEST_START_SECONDS:
        raise refused("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and end <= max(start or 0, time.time()):
        raise refused("The EndDate you specify must come after the StartDate and the current time.")


def is_valid(expression: str) -> bool:
    """Tells whether the service knows what an expression means."""
    if found := AT.fullmatch(expression):
        try:
            datetime.fromisoformat(found[1])
        except ValueError:
            return False
        return True
    if found := CRON.fullmatch(expression):
        fields = found[1].split()
        if len(fields) != len(FIELDS):
            return False
        # One of the two must be a question mark, as both say on which days.
        if (fields[2] == "?") == (fields[4] == "?"):
            return False
        # Of the day of the week, the reference lists no `/` among the wildcards.
        return "/" not in fields[4] and all(map(is_field, fields, FIELDS))
    return RATE.fullmatch(expression) is not None


def is_field(text: str, field: tuple[int, int, list[str], str]) -> bool:
    """Tells whether a text can be a field of a cron expression."""
    least, most, names, others = field

    def number(part: str) -> int:
        return names.index(part.upper()) + least if part.upper() in names else int(part)

    for item in text.split(","):
        if others and re.fullmatch(others, item):
            continue
        span, _, step = item.partition("/")
        ends = [str(least), str(most)] if span == "*" else span.split("-")
        try:
            numbers = [number(end) for end in ends]
            valid_step = not step or int(step) > 0
        except ValueError:
            return False
        inside = all(least <= each <= most for each in numbers)
        if not valid_step or not inside or len(numbers) > 2:
            return False
    return True
