# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Schedules.

https://cloud.google.com/vertex-ai/docs/pipelines/schedule-pipeline-run
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.types import Schedule as ScheduleMessage
from google.protobuf import empty_pb2
from .api import ApiError, refuse_if
from .checks import check_display_name
from .resources import Operations, new_number, page, timestamp

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from .checks import Checks
    from .pipelines import Pipelines

Schedule = ScheduleMessage.pb()
State = ScheduleMessage.State

ZONE = re.compile(r"(?:CRON_)?TZ=(\S+) (.*)", re.DOTALL)
MONTHS = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
]  # fmt: skip
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# The fields of a cron expression: least, most, names (the first is the least).
FIELDS: list[tuple[int, int, list[str]]] = [
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, MONTHS),
    (0, 7, DAYS),
]
# "The output_only fields will be ignored if specified", in UpdateScheduleRequest.
UPDATED = (
    "display_name", "cron", "start_time", "end_time", "max_run_count", "max_concurrent_run_count",
    "max_concurrent_active_run_count", "allow_queueing", "create_pipeline_job_request",
)  # fmt: skip
FILTERED = ("display_name", "state", "create_pipeline_job_request")


class Schedules:
    """The schedules of a project in a region, and the methods for them."""

    def __init__(
        self, lock: threading.RLock, checks: Checks, pipelines: Pipelines, operations: Operations
    ) -> None:
        """Starts with none.

        Args:
            lock: Held while anything changes.
            checks: What requests are held against.
            pipelines: Creates pipeline jobs.
            operations: Where the operations are that delete schedules.
        """
        self._known: dict[str, Any] = {}
        self._lock, self._checks, self._pipelines = lock, checks, pipelines
        self._operations = operations

    def functions(self) -> dict[str, Callable[[Any], Any]]:
        """Returns what carries out the methods, by their names."""
        return {
            "CreateSchedule": self._create,
            "GetSchedule": lambda request: self._find(request.name),
            "ListSchedules": self._list,
            "UpdateSchedule": self._update,
            "PauseSchedule": self._pause,
            "ResumeSchedule": self._resume,
            "DeleteSchedule": self._delete,
        }

    def fire(self, name: str) -> str:
        """Does what the service does when a schedule is due.

        Args:
            name: The schedule's resource name.

        Returns:
            The resource name of the new pipeline job.

        Raises:
            RuntimeError: It is not active.
            ApiError: There is no such schedule.
        """
        with self._lock:
            schedule = self._find(name)
            if schedule.state != State.ACTIVE:
                raise RuntimeError(f"Schedule {name} is {State(schedule.state).name}")
            run = self._pipelines.create(schedule.create_pipeline_job_request, schedule.name)
            schedule.started_run_count += 1
            response = schedule.last_scheduled_run_response
            response.run_response = "OK"
            response.scheduled_run_time.CopyFrom(timestamp(time.time()))
            if schedule.max_run_count and schedule.started_run_count >= schedule.max_run_count:
                schedule.state = State.COMPLETED
            return run.name

    def _find(self, name: str) -> Any:
        name = self._checks.place(name)
        if name not in self._known:
            raise ApiError("NOT_FOUND", f"Schedule {name} is not found.")
        schedule = self._known[name]
        now = time.time() * 1e6
        if schedule.HasField("end_time") and schedule.end_time.ToMicroseconds() <= now:
            schedule.state = State.COMPLETED
        return schedule

    def _check(self, schedule: Any) -> None:
        check_display_name(schedule.display_name)
        refuse_if(not schedule.cron, "cron is required")
        check_cron(schedule.cron)
        least = schedule.max_concurrent_run_count
        refuse_if(least < 1, "max_concurrent_run_count must be at least 1")
        refuse_if(schedule.max_run_count < 0, "max_run_count must not be negative")
        known = schedule.HasField("create_pipeline_job_request")
        refuse_if(not known, "create_pipeline_job_request is required")
        request = schedule.create_pipeline_job_request
        text = "create_pipeline_job_request.pipeline_job_id must be empty: each run gets its own"
        refuse_if(request.pipeline_job_id, text)
        self._pipelines.check(request)
        if schedule.HasField("end_time"):
            end = schedule.end_time.ToMicroseconds()
            refuse_if(end <= time.time() * 1e6, "end_time must be in the future")
            begins_later = end <= schedule.start_time.ToMicroseconds()
            refuse_if(begins_later, "end_time must be after start_time")

    def _create(self, request: Any) -> Any:
        self._checks.place(request.parent)
        schedule = Schedule()
        schedule.CopyFrom(request.schedule)
        schedule.name = f"{self._checks.parent}/schedules/{new_number()}"
        now = timestamp(time.time())
        schedule.create_time.CopyFrom(now)
        schedule.update_time.CopyFrom(now)
        if not schedule.HasField("start_time"):
            schedule.start_time.CopyFrom(now)
        schedule.state = State.ACTIVE
        self._check(schedule)
        self._known[schedule.name] = schedule
        return schedule

    def _list(self, request: Any) -> Any:
        self._checks.place(request.parent)
        known = [self._find(name) for name in [*self._known]]
        answer = aiplatform_v1.ListSchedulesResponse.pb()()
        found, answer.next_page_token = page(known, request, FILTERED, request.order_by)
        answer.schedules.extend(found)
        return answer

    def _update(self, request: Any) -> Any:
        paths = [*request.update_mask.paths]
        refuse_if(not paths, "update_mask is required")
        with self._lock:
            schedule = self._find(request.schedule.name)
            if schedule.state == State.COMPLETED:
                raise ApiError("FAILED_PRECONDITION", f"Schedule {schedule.name} is completed.")
            changed = Schedule()
            changed.CopyFrom(schedule)
            fields = {path.partition(".")[0] for path in paths}
            unknown = sorted(fields.difference(UPDATED))
            refuse_if(unknown, f"Invalid update_mask: {', '.join(unknown)}")
            request.update_mask.MergeMessage(request.schedule, changed, True, True)
            lost = {each.name for each, _ in schedule.ListFields()}
            lost -= {each.name for each, value in changed.ListFields() if value != ""}
            # It is as good as false, which is a value.
            lost.discard("allow_queueing")
            refuse_if(lost, f"Non-empty fields cannot be unset: {', '.join(sorted(lost))}")
            self._check(changed)
            changed.update_time.CopyFrom(timestamp(time.time()))
            schedule.CopyFrom(changed)
            return schedule

    def _pause(self, request: Any) -> Any:
        with self._lock:
            schedule = self._find(request.name)
            if schedule.state != State.ACTIVE:
                text = f"Schedule {schedule.name} is not active and cannot be paused."
                raise ApiError("FAILED_PRECONDITION", text)
            schedule.state = State.PAUSED
            schedule.last_pause_time.CopyFrom(timestamp(time.time()))
            return empty_pb2.Empty()

    def _resume(self, request: Any) -> Any:
        with self._lock:
            schedule = self._find(request.name)
            if schedule.state != State.PAUSED:
                text = f"Schedule {schedule.name} is not paused and cannot be resumed."
                raise ApiError("FAILED_PRECONDITION", text)
            schedule.state, schedule.catch_up = State.ACTIVE, request.catch_up
            schedule.last_resume_time.CopyFrom(timestamp(time.time()))
            return empty_pb2.Empty()

    def _delete(self, request: Any) -> Any:
        with self._lock:
            del self._known[self._find(request.name).name]
        return self._operations.begin()


def check_cron(text: str) -> None:
    """Checks when a schedule is due.

    Args:
        text: Five fields, maybe with a time zone before them.

    Raises:
        ApiError: It is not valid.
    """
    zone = ZONE.fullmatch(text)
    if zone is not None:
        refuse_if(zone[1] not in available_timezones(), f"Invalid time zone: {zone[1]!r}")
    fields = (zone[2] if zone else text).split()
    valid = len(fields) == len(FIELDS) and all(map(is_field, fields, FIELDS))
    refuse_if(not valid, f"Invalid cron: {text!r}")


def is_field(text: str, field: tuple[int, int, list[str]]) -> bool:
    """Tells whether a text can be a field of a cron expression."""
    least, most, names = field

    def number(part: str) -> int:
        return names.index(part.upper()) + least if part.upper() in names else int(part)

    for item in text.split(","):
        span, _, step = item.partition("/")
        ends = [str(least), str(most)] if span == "*" else span.split("-")
        try:
            numbers = [number(end) for end in ends]
            valid_step = "/" not in item or int(step) > 0
        except ValueError:
            return False
        inside = all(least <= each <= most for each in numbers)
        ordered = numbers == sorted(numbers) and len(numbers) <= len(("first", "last"))
        if not (valid_step and inside and ordered):
            return False
    return True
