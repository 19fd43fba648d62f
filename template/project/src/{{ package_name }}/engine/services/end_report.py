# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What ZenML is told of a process that has ended, by the supervisor of its container."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

from zenml.enums import ExecutionMode, ExecutionStatus
from zenml.logger import get_logger

from ..run_store import (
    STOPPED,
    TERMINAL,
    ZenMLRun,
    active_orchestrator,
    end_run,
    end_step_run,
    find_run,
    get_run,
    get_snapshot,
    get_step_run,
    is_dynamic,
)
from .secrets import SECRET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zenml.models import PipelineRunResponse, PipelineSnapshotResponse

logger = get_logger(__name__)


def report_end(
    arguments: Sequence[str],
    cause: str,
    *,
    told_to_end: bool,
    fail_fast: bool,
    will_restart: Callable[[], bool],
) -> bool:
    """Tells ZenML how a process has ended, unless it did so itself; and stops what it leaves.

    Args:
        arguments: Those of ZenML's entrypoint, which say what the process was to do.
        cause: How it ended.
        told_to_end: Whether the service has asked the container to end.
        fail_fast: Whether the other steps of the run are to be stopped.
        will_restart: Tells whether the service starts this container again.

    Returns:
        Whether what it was to do had succeeded before.
    """
    job = parse(arguments)
    if job.step_run_id:
        step_run = get_step_run(UUID(job.step_run_id))
        if step_run.status not in TERMINAL:
            run = get_run(step_run.pipeline_run_id)
            end_step_run(step_run, cause, stopped=was_stopped(run, told_to_end=told_to_end))
        return step_run.status.is_successful
    snapshot = get_snapshot(UUID(job.snapshot_id))
    orchestrator = active_orchestrator()
    found = run_of(job, snapshot, orchestrator)
    if found is None:  # Nothing is left open in ZenML.
        return False
    stopped = was_stopped(found, told_to_end=told_to_end)
    if job.step_name:
        store = ZenMLRun(snapshot, found)
        store.end_step(job.step_name, cause, stopped=stopped)
        if store.step_record(job.step_name).succeeded:
            return True
        if fail_fast and not stopped:
            orchestrator.stop_others(found)
        return False
    if found.status.is_finished or found.status is ExecutionStatus.PAUSED:
        return not found.status.is_failed
    if stopped or not (told_to_end and will_restart()):
        orchestrator.stop_others(found)
        end_run(found.id, f"The pipeline's function failed: {cause}", failed=not stopped)
    return False


def clean_up(arguments: Sequence[str]) -> None:
    """Deletes the secret of a run that ends with this process: nobody else may see its end.

    If it cannot be done, it stays until somebody looks at the run. That of a schedule stays anyhow.

    Args:
        arguments: Those of ZenML's entrypoint.
    """
    job = parse(arguments)
    reference = os.environ.get(SECRET_VARIABLE)
    if reference is None or job.step_run_id:  # The function that waits for the step ends the run.
        return
    try:
        snapshot, orchestrator = get_snapshot(UUID(job.snapshot_id)), active_orchestrator()
        run = run_of(job, snapshot, orchestrator)
        if run is not None and run.schedule is None and is_over(run, snapshot):
            orchestrator.service.secret_store.delete(reference)
    except Exception as error:
        logger.warning("The run's secret is not deleted by its last job: %s", error)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads what a process was to do."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("--snapshot_id", "--run_id", "--step_name", "--step_run_id"):
        parser.add_argument(option)
    return parser.parse_known_args(arguments)[0]


def run_of(
    job: argparse.Namespace, snapshot: PipelineSnapshotResponse, orchestrator: Any
) -> PipelineRunResponse | None:
    """Finds the run that a process belongs to; None if ZenML does not know it yet."""
    if job.run_id:
        return get_run(UUID(job.run_id))
    return find_run(snapshot, orchestrator.get_orchestrator_run_id())


def is_over(run: PipelineRunResponse, snapshot: PipelineSnapshotResponse) -> bool:
    """Tells whether no step of a run is in progress, or can still begin.

    ZenML has a static run as failed as soon as a step is, while others may go on.
    """
    if is_dynamic(run):
        return run.status.is_finished or run.status is ExecutionStatus.PAUSED
    # Steps that have failed, and those below them. They are in an order in which they can run.
    cut_off: set[str] = set()
    for name, step in snapshot.step_configurations.items():
        begun = run.steps.get(name)
        if begun is None and cut_off.isdisjoint(step.spec.upstream_steps):
            return False
        if begun is not None and not begun.status.is_finished:
            return False
        if begun is None or not begun.status.is_successful:
            cut_off.add(name)
    return True


def was_stopped(run: PipelineRunResponse, *, told_to_end: bool) -> bool:
    """Tells whether a process ends because of its run, and not by a fault of its own."""
    goes_on = run.config.execution_mode is ExecutionMode.CONTINUE_ON_FAILURE
    return run.status in STOPPED or (told_to_end and run.status.is_failed and not goes_on)
