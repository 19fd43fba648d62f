# YOURS: schedules, which are those of EventBridge Scheduler
"""Schedules: ZenML's as those of EventBridge Scheduler.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenml.config.schedule import Schedule

# Weekdays are counted from 0, which is Sunday, in cron, and from 1 by AWS.
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]

CRON_FIELDS = 5
# AWS has one more, for the year.
AWS_FIELDS = 6


def write_schedule(wanted: Schedule, time_zone: str) -> dict[str, Any]:
    """Says when EventBridge Scheduler is to start a pipeline.

    Args:
        wanted: ZenML's schedule.
        time_zone: Of a cron expression, such as `Europe/Zurich`.

    Returns:
        Arguments of `CreateSchedule`; None for those that are to be left out.

    Raises:
        ValueError: If it cannot keep to the schedule.
    """
    if wanted.catchup:
        raise ValueError(
            "The schedule has `catchup`. EventBridge Scheduler does not make up for what was "
            "missed: leave it out."
        )
    # A start that is past is as good as none, and AWS refuses it.
    begins_later = wanted.start_time is not None and wanted.start_time > datetime.now(timezone.utc)
    return {
        "ScheduleExpression": expression(wanted),
        "ScheduleExpressionTimezone": time_zone if wanted.cron_expression else "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "StartDate": wanted.start_time if begins_later else None,
        "EndDate": wanted.end_time,
    }


def expression(wanted: Schedule) -> str:
    """Writes when a schedule is due.

    Raises:
        ValueError: If that cannot be written.
    """
    if wanted.cron_expression:
        return f"cron({aws_cron(wanted.cron_expression)})"
    if wanted.interval_second:
        return f"rate({rate(wanted.interval_second)})"
    assert wanted.run_once_start_time is not None, "ZenML takes no schedule that has none of them"
    return f"at({wanted.run_once_start_time:%Y-%m-%dT%H:%M:%S})"


def rate(interval: timedelta) -> str:
    """Writes an interval, such as `90 minutes`.

    Raises:
        ValueError: If it is not a number of minutes, the shortest unit that AWS has.
    """
    minutes, rest = divmod(interval, timedelta(minutes=1))
    if minutes < 1 or rest:
        raise ValueError(
            f"The schedule's interval is {interval.total_seconds():g} seconds. EventBridge "
            "Scheduler counts in minutes: make `interval_second` a multiple of 60 seconds."
        )
    return f"{minutes} minute" + ("s" if minutes > 1 else "")


def aws_cron(cron: str) -> str:
    """Writes a cron expression as AWS has it: with a year, and with `?` for either kind of day.

    Args:
        cron: Five fields as cron has them, or six as AWS has them, which stay as they are.

    Raises:
        ValueError: If AWS cannot keep to it.
    """
    fields = re.sub(r"^cron\((.*)\)$", r"\1", cron.strip()).split()
    if len(fields) == AWS_FIELDS:
        return " ".join(fields)
    if len(fields) != CRON_FIELDS:
        raise ValueError(
            f"The schedule's cron expression `{cron}` has {len(fields)} fields. Give it five, as "
            "cron has them, or six, as AWS has them: minutes, hours, day of month, month, day of "
            "week, year."
        )
    minute, hour, day, month, weekday = fields
    day, weekday = (field.replace("?", "*") for field in (day, weekday))
    if day != "*" and weekday != "*":
        raise ValueError(
            f"The schedule's cron expression `{cron}` names days of the month and of the week. To "
            "cron this means either; AWS has no such schedule. Make two schedules of it."
        )
    if weekday == "*":
        return f"{minute} {hour} {day} {month} ? *"
    return f"{minute} {hour} ? {month} {aws_weekdays(weekday)} *"


def aws_weekdays(weekdays: str) -> str:
    """Lists days of the week by name: AWS counts them in another way, and has no steps (`1-5/2`).

    Raises:
        ValueError: If there is no such day of the week, or a part names none.
    """
    found: list[str] = []
    for part in weekdays.split(","):
        days, slash, step = part.partition("/")
        first, _, last = ("0-6" if days == "*" else days).partition("-")
        start = weekday(first)
        # As an end, Sunday is the seventh day.
        end = weekday(last) or (start and 7) if last else 6 if slash else start
        every = int(step) if step.isdecimal() else int(not slash)
        named = WEEKDAYS[start : end + 1 : every] if every else []
        if not named:
            raise ValueError(f"The schedule's cron expression has days of the week `{part}`.")
        found += named
    return ",".join(dict.fromkeys(found))


def weekday(text: str) -> int:
    """Reads a day of the week, as cron has it: a number or a name.

    Raises:
        ValueError: If there is no such day.
    """
    if text.upper() in WEEKDAYS:
        return WEEKDAYS.index(text.upper())
    if text.isdecimal() and int(text) < len(WEEKDAYS):
        return int(text)
    raise ValueError(f"The schedule's cron expression has the day of the week `{text}`.")
