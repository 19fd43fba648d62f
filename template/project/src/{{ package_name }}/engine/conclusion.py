# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""How a run has ended: what the waiting client is told."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from zenml.enums import ExecutionStatus
from zenml.exceptions import RunStoppedException
from zenml.logger import get_logger

from .protocols import JobStatus, Phase
from .run_store import STOPPED, ZenMLRun, describe_exception, end_run, get_run, is_unexplained
from .sightings import NO_REASON, describe_end
from .texts import LONGEST_ERROR, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from zenml.models import PipelineRunResponse

logger = get_logger(__name__)

WAS_STOPPED = "The run was stopped."


def settle_run(
    run_id: UUID, end: JobStatus, jobs_of_steps: Callable[[], Mapping[str, JobStatus]]
) -> PipelineRunResponse:
    """Tells ZenML how a run and its steps have ended, as far as they could not say so themselves.

    Args:
        run_id: The run in ZenML.
        end: How the job of its controller or function has ended.
        jobs_of_steps: Returns how the last jobs of its steps are, by the steps' names.

    Returns:
        The run, as it was before.
    """
    run = get_run(run_id)
    if run.status in STOPPED or (end.phase is Phase.STOPPED and not run.status.is_finished):
        end_run(run_id, WAS_STOPPED, failed=False)
    elif not run.status.is_successful and run.status is not ExecutionStatus.PAUSED:
        snapshot = run.snapshot
        assert snapshot is not None
        store = ZenMLRun(snapshot, run)
        known = run.steps.keys() | (() if snapshot.is_dynamic else snapshot.step_configurations)
        jobs = jobs_of_steps()
        for name, job in jobs.items():
            if job.phase is Phase.FAILED and name in known:
                store.end_step(name, describe_end(job), stopped=False)
        # Also of a run that has failed: steps may be open that only its own job could have ended.
        causes = "; ".join(describe_failed_steps(run, jobs)) if is_unexplained(run) else ""
        end_run(run_id, describe_own_job(end), failed=True, causes=causes)
    return run


def describe_own_job(end: JobStatus) -> str:
    """Says how the job of a run's controller or function has ended that was to end the run."""
    succeeded = end.phase is Phase.SUCCEEDED
    why = "it ended without a report" if succeeded else describe_end(end)
    return f"its own job failed: {why}"


def raise_for_run(
    run_id: UUID, end: JobStatus, jobs_of_steps: Callable[[], Mapping[str, JobStatus]]
) -> None:
    """Says how a run has ended, and tells ZenML if the run's own job could not.

    The arguments are those of `settle_run`.

    Raises:
        RuntimeError: If the run failed; the message names the steps and the causes.
        RunStoppedException: If it was stopped.
    """
    jobs_of_steps = cache(jobs_of_steps)
    before = settle_run(run_id, end, jobs_of_steps)
    if before.status is ExecutionStatus.PAUSED:
        logger.info("The run is paused. `zenml pipeline runs resume` lets it go on.")
        return
    if before.status.is_successful:
        if end.phase is Phase.FAILED:
            logger.warning("The run succeeded, and its job failed: %s", describe_end(end))
        return
    run = get_run(run_id)
    if run.status in STOPPED:
        raise RunStoppedException(WAS_STOPPED)
    causes = describe_failed_steps(run, jobs_of_steps())
    if not before.status.is_finished:
        causes = [describe_own_job(end), *causes]
    why = "; ".join(causes) or run.get_body().status_reason or NO_REASON
    raise RuntimeError(shorten(f"The run failed: {why}", LONGEST_ERROR))


def describe_failed_steps(run: PipelineRunResponse, jobs: Mapping[str, JobStatus]) -> list[str]:
    """Names the steps of a run that failed, and why.

    Args:
        run: The run.
        jobs: How the last jobs of its steps are, as far as the platform knows them.
    """
    lines = []
    for name, step in run.steps.items():
        if step.status.is_failed:
            # What an inline step of a dynamic pipeline has raised, its run may know alone.
            why = describe_exception(step.exception_info or run.exception_info)
            job = jobs.get(name)
            # A step that the platform has told to end knows no more than that.
            if job is not None and job.reason and job.reason not in why:
                why = f"{job.reason} ({why})"
            logs = [log.uri for log in step.log_collection or () if log.uri]
            lines.append(f"`{name}` failed: {why}" + "".join(f" (log: {uri})" for uri in logs[:1]))
    return lines
