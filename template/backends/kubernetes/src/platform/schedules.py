# YOURS: schedules, which are CronJobs
"""Schedules: what a CronJob can keep to, and how it looks.

It has a cron expression and a time zone, and neither a start nor an end:
https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, cast

from .manifests import given

if TYPE_CHECKING:
    from zenml.config.schedule import Schedule

    from ..config import Settings
    from ..engine.protocols import JobSpec
    from .client import Object


def cron_expression(schedule: Schedule) -> str:
    """Returns the cron expression of a schedule.

    Raises:
        ValueError: If a CronJob cannot keep to the schedule.
    """
    refused = []
    if not schedule.cron_expression:
        refused.append("no `cron_expression`")
    if schedule.start_time is not None and schedule.start_time > datetime.now(timezone.utc):
        refused.append(f"`start_time={schedule.start_time}`, which is to come")
    if schedule.end_time is not None:
        refused.append(f"`end_time={schedule.end_time}`")
    if schedule.catchup:
        refused.append("`catchup`")
    if schedule.cron_expression and not refused:
        return schedule.cron_expression
    raise ValueError(
        f"The schedule has {', '.join(refused)}. Kubernetes starts a schedule at once, keeps it "
        "until it is deleted, and does not make up for what was missed. Give it just a "
        "`cron_expression`; `zenml pipeline schedule update` pauses it and `delete` ends it. The "
        "setting `schedule_time_zone` says in which time zone it is meant."
    )


def cron_job_manifest(controller: Object, job: JobSpec, cron: str) -> Object:
    """Makes a CronJob of the Job that each firing starts. It is suspended, as that is."""
    settings = cast("Settings", job.settings)
    metadata = controller["metadata"]
    spec = {
        "schedule": cron,
        "timeZone": settings.schedule_time_zone,
        "concurrencyPolicy": settings.concurrency_policy,
        "startingDeadlineSeconds": settings.starting_deadline_seconds,
        "successfulJobsHistoryLimit": settings.successful_jobs_history_limit,
        "failedJobsHistoryLimit": settings.failed_jobs_history_limit,
        "suspend": True,
        "jobTemplate": {
            "metadata": {name: metadata[name] for name in ("labels", "annotations")},
            "spec": {**controller["spec"], "suspend": False},
        },
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": given(spec)}
