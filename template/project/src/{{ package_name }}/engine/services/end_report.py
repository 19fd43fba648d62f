# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What ZenML is told of a process that has ended, by the supervisor of its container."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from uuid import UUID

from zenml.client import Client
from zenml.enums import ExecutionMode, ExecutionStatus
from zenml.logger import get_logger

from ..run_store import (
    STOPPED,
    TERMINAL,
    ZenMLRun,
    end_run,
    end_step_run,
    find_run,
    get_run,
    get_snapshot,
    get_step_run,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zenml.models import PipelineRunResponse

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
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("--snapshot_id", "--run_id", "--step_name", "--step_run_id"):
        parser.add_argument(option)
    job, _ = parser.parse_known_args(arguments)
    if job.step_run_id:
        step_run = get_step_run(UUID(job.step_run_id))
        if step_run.status not in TERMINAL:
            run = get_run(step_run.pipeline_run_id)
            end_step_run(step_run, cause, stopped=was_stopped(run, told_to_end=told_to_end))
        return step_run.status.is_successful
    snapshot = get_snapshot(UUID(job.snapshot_id))
    # A `ServiceOrchestrator`, which cannot be named here: its module imports that of our caller.
    orchestrator: Any = Client().active_stack.orchestrator
    found = (
        get_run(UUID(job.run_id))
        if job.run_id
        else find_run(snapshot, orchestrator.get_orchestrator_run_id())
    )
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


def was_stopped(run: PipelineRunResponse, *, told_to_end: bool) -> bool:
    """Tells whether a process ends because of its run, and not by a fault of its own."""
    goes_on = run.config.execution_mode is ExecutionMode.CONTINUE_ON_FAILURE
    return run.status in STOPPED or (told_to_end and run.status.is_failed and not goes_on)
