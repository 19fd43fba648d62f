# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The runs that several tests of the contract look at. Each name is a session fixture."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from zenml.client import Client
from zenml.enums import ExecutionMode

from . import harness, pipelines, runs
from .runs import shared_run
from .scenarios import SCENARIOS
from .stage import ProjectStage
from .timeouts import scaled

if TYPE_CHECKING:
    from pathlib import Path

    from zenml.models import PipelineSnapshotResponse
    from zenml.pipelines.pipeline_definition import Pipeline

    from .runs import Outcome, SharedRuns
    from .stored_path import StoredPath


def modest() -> dict[str, Any]:
    """Returns what steps ask for: a bit of everything that the platform takes."""
    offered = harness.current().capabilities.resources
    return {name: value for name, value in harness.current().modest.items() if name in offered}


@shared_run(steps=4)
def static(_: Path) -> Outcome:
    """A finished run of a static pipeline. Its step `left` asks for resources."""
    return runs.execute(pipelines.diamond, modest())


@shared_run(steps=2, dynamic=True)
def dynamic(_: Path) -> Outcome:
    """A finished run of a dynamic pipeline, with isolated steps if they are offered.

    Its step `isolated` asks for resources.
    """
    if not harness.current().capabilities.isolated_steps:
        return runs.execute(pipelines.dynamic_inline)
    return runs.execute(pipelines.dynamic, modest())


@shared_run(steps=1)
def failing(_: Path) -> Outcome:
    """A run whose first step raises an exception."""
    return runs.execute(pipelines.failing)


@shared_run(steps=1)
def killed(_: Path) -> Outcome:
    """A run whose first step is killed."""
    return runs.execute(pipelines.killed)


@shared_run(steps=1)
def stopped(folder: Path | StoredPath) -> Outcome:
    """A run that was stopped by force."""
    return runs.execute_and_stop(pipelines.stopped, folder, graceful=False)


@shared_run(steps=1, dynamic=True)
def dynamic_stopped(folder: Path | StoredPath) -> Outcome:
    """A dynamic run that was stopped by force."""
    return runs.execute_and_stop(pipelines.dynamic_stopped, folder, graceful=False)


@shared_run(steps=1, dynamic=True, runs=2)
def child_stopped(folder: Path | StoredPath) -> Outcome:
    """A run that was stopped by force while its child pipeline worked."""
    return runs.execute_and_stop(pipelines.child_stopped, folder, graceful=False)


@shared_run(steps=1)
def stopped_elsewhere(folder: Path | StoredPath) -> Outcome:
    """A run that another process has stopped, or failed to."""
    return runs.execute_and_stop(pipelines.stopped, folder, graceful=False, elsewhere=True)


@shared_run(steps=1)
def stopped_gently(folder: Path | StoredPath) -> Outcome:
    """A run that was stopped, and whose step could finish."""
    return runs.execute_and_stop(pipelines.stopped_gently, folder, graceful=True)


@shared_run(dynamic=True)
def dynamic_stopped_gently(folder: Path | StoredPath) -> Outcome:
    """A dynamic run that was stopped, and whose step could finish."""
    return runs.execute_and_stop(pipelines.dynamic_stopped_gently, folder, graceful=True)


@shared_run(steps=1)
def dead_before_zenml(_: Path) -> Outcome:
    """A run whose first step cannot even start Python."""
    broken = {"first": {"environment": {"PYTHONHOME": "/nowhere"}}}
    return runs.execute(pipelines.diamond.with_options(steps=broken))


@shared_run(dynamic=True)
def dynamic_failing(_: Path) -> Outcome:
    """A dynamic run whose inline step raises an exception."""
    return runs.execute(pipelines.dynamic_failing)


@shared_run(steps=1, dynamic=True)
def dynamic_killed(_: Path) -> Outcome:
    """A dynamic run whose isolated step is killed."""
    return runs.execute(pipelines.dynamic_killed)


@shared_run(dynamic=True)
def dynamic_orchestration_killed(_: Path) -> Outcome:
    """A dynamic run whose function is killed."""
    return runs.execute(pipelines.dynamic_orchestration_killed)


@shared_run(steps=3)
def retried(folder: Path | StoredPath) -> Outcome:
    """A run whose first step is killed once, and tried again."""
    return runs.execute(pipelines.retried, str(folder))


@shared_run(steps=2)
def retried_in_vain(folder: Path | StoredPath) -> Outcome:
    """A run whose step fails at each try."""
    return in_folder(pipelines.retried_in_vain, folder)


# How many seconds the step beside the failing one takes.
SECONDS = {
    ExecutionMode.FAIL_FAST: 60.0,
    ExecutionMode.STOP_ON_FAILURE: 2.0,
    ExecutionMode.CONTINUE_ON_FAILURE: 0.1,
}


@shared_run(steps=2)
def fail_fast(folder: Path | StoredPath) -> Outcome:
    """A run in which one of two branches fails, and the other is ended."""
    return in_mode(ExecutionMode.FAIL_FAST, folder)


@shared_run(steps=2)
def stop_on_failure(folder: Path | StoredPath) -> Outcome:
    """A run in which one of two branches fails, and no step starts after that."""
    return in_mode(ExecutionMode.STOP_ON_FAILURE, folder)


@shared_run(steps=3)
def continue_on_failure(folder: Path | StoredPath) -> Outcome:
    """A run in which one of two branches fails, and the other goes on."""
    return in_mode(ExecutionMode.CONTINUE_ON_FAILURE, folder)


@shared_run(steps=1, dynamic=True)
def dynamic_with_resources(_: Path) -> Outcome:
    """A dynamic run whose pipeline, and not its step, asks for resources."""
    settings = pipelines.with_resources(modest())
    return runs.execute(pipelines.dynamic_single.with_options(settings=settings))


@shared_run(steps=4)
def again(_: Path) -> Outcome:
    """A second execution of the snapshot of `static`; with a third, if a test looks at that."""
    found = snapshot_of(runs.shared("static"))
    times = 2 if runs.is_wanted("at_the_same_time") else 1
    with ThreadPoolExecutor() as threads:
        one, *others = threads.map(runs.execute_again, [found] * times)
    one.beside = others[0] if others else None
    return one


@shared_run(steps=4)
def at_the_same_time(_: Path) -> Outcome:
    """That second execution, which knows the third as `beside`."""
    outcome: Outcome = runs.shared("again")
    return outcome


@shared_run
def imported_with_flavor(_: Path) -> list[str]:
    """The modules that importing the flavor loads, beside those of `zenml.orchestrators`."""
    program = (
        "import sys, zenml.orchestrators; before = set(sys.modules); "
        f"import {harness.current().flavor.__module__}; print(*set(sys.modules) - before)"
    )
    output = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=scaled(120),
    ).stdout
    return output.split()


# What befalls a platform from outside is for one scenario at a time.
FROM_OUTSIDE = {"crowded_out", "hopeless", "preempt", "lose"}
alone = threading.Lock()


def play(name: str, folder: Path) -> list[str]:
    """Plays a scenario on the project's platform, and returns its story."""
    scenario = SCENARIOS[name]
    with alone if FROM_OUTSIDE.intersection(scenario.needs) else nullcontext():
        stage = ProjectStage(harness.current(), Client().active_stack.orchestrator, folder)
        try:
            scenario.play(stage)
        finally:
            stage.clear()
    return stage.story


for _name in SCENARIOS:
    runs.share(_name, partial(play, _name))


def in_mode(mode: ExecutionMode, folder: Path | StoredPath) -> Outcome:
    """Runs a pipeline with a failing branch in an execution mode."""
    return in_folder(pipelines.modes(mode, SECONDS[mode] * harness.current().pace), folder)


def in_folder(pipeline: Pipeline, folder: Path | StoredPath) -> Outcome:
    """Runs a pipeline that leaves marks in a folder."""
    outcome = runs.execute(pipeline, str(folder))
    outcome.marks = folder
    return outcome


def snapshot_of(outcome: Outcome) -> PipelineSnapshotResponse:
    """Returns the snapshot that was executed."""
    assert outcome.run.snapshot is not None
    return outcome.run.snapshot


@pytest.fixture(scope="session")
def snapshot(static: Outcome) -> PipelineSnapshotResponse:
    """The snapshot of the run `static`."""
    return snapshot_of(static)


@pytest.fixture(scope="session")
def outcome_of(shared_runs: SharedRuns) -> Any:
    """Returns the outcome of a shared run by its name: `outcome_of("static")`."""
    return shared_runs.get
