# YOURS: when a schedule of Vertex AI is due
"""Schedules: ZenML's as those of Vertex AI, which are cron expressions.

https://cloud.google.com/vertex-ai/docs/pipelines/schedule-pipeline-run
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenml.config.schedule import Schedule

CRON_FIELDS = 5

MINUTE, HOUR, DAY, WEEK = (
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(weeks=1),
)

ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+(.*)", re.DOTALL)


def write_schedule(wanted: Schedule, time_zone: str, most_runs: int) -> dict[str, Any]:
    """Says when Vertex AI is to start a pipeline.

    Args:
        wanted: ZenML's schedule.
        time_zone: Of a cron expression, such as `Europe/Zurich`.
        most_runs: How many runs may be started at the same time.

    Returns:
        Fields of a `Schedule`.

    Raises:
        ValueError: If it cannot keep to the schedule.
    """
    if wanted.catchup:
        raise ValueError(
            "The schedule has `catchup`. Vertex AI does not make up for what was missed before a "
            "schedule was made: leave it out."
        )
    found: dict[str, Any] = {"maxConcurrentRunCount": most_runs}
    now = datetime.now(timezone.utc)
    start = wanted.start_time or now
    if wanted.cron_expression:
        found["cron"] = with_time_zone(wanted.cron_expression, time_zone)
    elif wanted.interval_second:
        start = start.replace(second=0, microsecond=0)  # Or the first would come an interval late.
        found["cron"] = with_time_zone(every(wanted.interval_second, start), "UTC")
    else:  # ZenML takes no schedule that has none of them.
        assert wanted.run_once_start_time is not None
        due = wanted.run_once_start_time
        # A cron expression has whole minutes.
        due += timedelta(seconds=-due.second % 60)
        if due <= now:
            raise ValueError(
                f"The schedule's `run_once_start_time` {due:%Y-%m-%d %H:%M} (UTC) is past."
            )
        found["cron"] = with_time_zone(f"{due.minute} {due.hour} {due.day} {due.month} *", "UTC")
        found["maxRunCount"] = 1
        start = max(start, due - MINUTE)  # A cron expression has no year.
    if start > now:  # A start that is past is as good as none.
        found["startTime"] = start.isoformat()
    if wanted.end_time is not None:
        found["endTime"] = wanted.end_time.isoformat()
    return found


def with_time_zone(cron: str, time_zone: str) -> str:
    """Writes a cron expression with a time zone, unless it has one.

    Raises:
        ValueError: If it is not one of five fields.
    """
    found = ZONE.fullmatch(cron.strip())
    zone, fields = found.groups() if found else (time_zone, cron)
    if len(fields.split()) != CRON_FIELDS:
        raise ValueError(
            f"The schedule's cron expression `{cron}` has {len(fields.split())} fields. Give it "
            "five: minute, hour, day of the month, month, day of the week."
        )
    return f"CRON_TZ={zone} {' '.join(fields.split())}"


def time_zone_of(cron: str) -> str:
    """Returns the time zone of a cron expression; UTC if it has none."""
    found = ZONE.fullmatch(cron)
    return found.group(1) if found else "UTC"


def every(interval: timedelta, start: datetime) -> str:
    """Writes an interval as a cron expression.

    Args:
        interval: The interval.
        start: When it begins, in UTC.

    Raises:
        ValueError: If cron has no such interval: it counts anew each hour, day and week.
    """
    minute, hour = start.minute, start.hour
    if interval < HOUR and divides(interval, HOUR, MINUTE):
        minutes = interval // MINUTE
        return f"{minute % minutes}-59/{minutes} * * * *"
    if interval < DAY and divides(interval, DAY, HOUR):
        hours = interval // HOUR
        return f"{minute} {hour % hours}-23/{hours} * * *"
    if interval == DAY:
        return f"{minute} {hour} * * *"
    if interval == WEEK:
        return f"{minute} {hour} * * {start.isoweekday() % 7}"
    raise ValueError(
        f"The schedule's interval is {interval.total_seconds():g} seconds. Vertex AI's schedules "
        "are cron expressions, which have whole minutes that divide an hour, whole hours that "
        "divide a day, a day, or a week: give it such an `interval_second`, or a `cron_expression`."
    )


def divides(interval: timedelta, whole: timedelta, unit: timedelta) -> bool:
    """Tells whether an interval is a number of units, and divides something without a rest."""
    return interval >= unit and not interval % unit and not whole % interval
