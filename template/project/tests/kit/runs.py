# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Runs of pipelines, and what came of them: for each platform the same."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload
from uuid import uuid4

import pytest
from zenml.client import Client
from zenml.pipelines.run_utils import create_placeholder_run
from zenml.utils import code_utils
from zenml.utils.run_utils import refresh_run_status, stop_run

from . import harness
from .timeouts import scaled, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunResponse, PipelineSnapshotResponse
    from zenml.pipelines.pipeline_definition import Pipeline

    from .harness import Job
    from .stored_path import StoredPath

# How long a run may take, in seconds, before a test gives it up. It is scaled.
RUN_SECONDS = 120.0

# How long a stopped run may take to end, in seconds. It is scaled.
STOP_SECONDS = 30.0

# What the names of all runs of this test run have.
SESSION = uuid4().hex[:12]

# The runs that were made so far, for the reports of failed tests.
journal: list[UUID] = []


@dataclass
class Outcome:
    """What came of a submission.

    Attributes:
        run: The run, as ZenML has it afterwards.
        jobs: What was submitted to the platform.
        error: What `pipeline()` raised, if it did.
        marks: The folder in which its steps left marks, if it was given one.
        status_in_progress: The status of the run while its first step was at work, after ZenML
            asked the orchestrator. Only of runs that were stopped.
        stop_error: What another process said that could not stop the run.
        beside: Another run, which was in progress at the same time.
        seen: What the steps returned that ended well, by name.
    """

    run: PipelineRunResponse
    jobs: list[Job]
    error: BaseException | None = None
    marks: Path | StoredPath | None = None
    status_in_progress: ExecutionStatus | None = None
    stop_error: str = ""
    beside: Outcome | None = None
    seen: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Loads what the steps returned."""
        self.seen = {
            name: step.output.load()
            for name, step in self.run.steps.items()
            if step.status.is_successful and step.outputs
        }

    @property
    def steps(self) -> dict[str, ExecutionStatus]:
        """The status of each step."""
        return {name: step.status for name, step in self.run.steps.items()}

    def jobs_of(self, step: str) -> list[Job]:
        """Returns the jobs of a step: one for each attempt."""
        return [job for job in self.jobs if job.role == "step" and job.name == step]


def named(pipeline: Pipeline) -> tuple[Pipeline, str]:
    """Gives a pipeline's runs names that begin as no others do.

    Returns:
        The pipeline, and how the names begin.
    """
    prefix = f"{pipeline.name[:190]}-{SESSION}-{uuid4().hex[:8]}-"
    # The time makes the name of a rerun another one.
    return pipeline.with_options(run_name=prefix + "{time}"), prefix


def find(prefix: str) -> PipelineRunResponse | None:
    """Finds the first run whose name begins so, as ZenML has it now."""
    runs = Client().list_pipeline_runs(name=f"startswith:{prefix}", sort_by="asc:created", size=1)
    return Client().get_pipeline_run(runs.items[0].id) if runs.items else None


def execute(pipeline: Pipeline, *args: Any, **kwargs: Any) -> Outcome:
    """Runs a pipeline to its end.

    Args:
        pipeline: The pipeline.
        args: Its arguments.
        kwargs: More of them.

    Returns:
        What came of it, whether it failed or not.

    Raises:
        Exception: What `pipeline()` raised, if there is no run.
    """
    return execute_named(*named(pipeline), *args, **kwargs)


def execute_named(pipeline: Pipeline, prefix: str, *args: Any, **kwargs: Any) -> Outcome:
    """Does the same with what `named` has returned, so that the run can be found meanwhile."""
    error = None
    try:
        harness.current().submit(pipeline, *args, **kwargs)
    except Exception as raised:  # The test looks at it.
        error = raised
    run = find(prefix)
    if run is None:
        raise error or RuntimeError(f"ZenML has no run of the pipeline `{pipeline.name}`.")
    return outcome_of(run, error)


def execute_again(snapshot: PipelineSnapshotResponse) -> Outcome:
    """Executes a snapshot once more, as a rerun from a platform's own page would."""
    error = None
    run = create_placeholder_run(snapshot=snapshot)
    try:
        Client().active_stack.submit_pipeline(snapshot=snapshot, placeholder_run=run)
    except Exception as raised:  # The test looks at it.
        error = raised
    return outcome_of(Client().get_pipeline_run(run.id), error)


def execute_and_stop(
    pipeline: Pipeline, marks: Path | StoredPath, *, graceful: bool, elsewhere: bool = False
) -> Outcome:
    """Runs a pipeline and stops it as soon as its first step works.

    Args:
        pipeline: The pipeline; its only argument is a folder for marks.
        marks: The folder.
        graceful: Whether its step may finish. It is let finish a while after the stop.
        elsewhere: Whether another process stops it. If that fails, this one does.

    Returns:
        What came of it.

    Raises:
        TimeoutError: If it did not start, or was not stopped. Nothing is left running.
    """
    pipeline, prefix = named(pipeline)
    errors: list[BaseException | None] = []

    def run_it() -> None:
        try:
            harness.current().submit(pipeline, str(marks))
        except BaseException as raised:  # The test looks at it.
            errors.append(raised)
        else:
            errors.append(None)

    runner = threading.Thread(target=run_it, daemon=True)
    runner.start()
    pids = marks / "pids"
    wait_until(lambda: pids.exists() or errors, RUN_SECONDS, what="the first step is to start")
    run = find(prefix)
    if run is None or not pids.exists():
        raise TimeoutError(f"The first step did not start: {errors}")
    refresh_run_status(run)  # To look at it does not end it.
    status = Client().get_pipeline_run(run.id).status
    stop_error = stop_elsewhere(run.id, graceful=graceful) if elsewhere else ""
    if stop_error or not elsewhere:
        stop_run(Client().get_pipeline_run(run.id), graceful=graceful)
    if graceful:
        refresh_run_status(Client().get_pipeline_run(run.id))  # This does not take the stop back.
        # It is at work, and is left to it.
        runner.join(scaled(harness.current().seconds_to_notice))
        (marks / "go").touch()
    runner.join(scaled(STOP_SECONDS))
    if runner.is_alive():  # Not stopped: the test fails, and leaves nothing behind.
        harness.current().end(run, pids)
        runner.join(scaled(STOP_SECONDS))
        raise TimeoutError("The run was not stopped.")
    outcome = outcome_of(Client().get_pipeline_run(run.id), errors[0])
    outcome.marks = marks
    outcome.status_in_progress = status
    outcome.stop_error = stop_error
    return outcome


def stop_elsewhere(run_id: UUID, *, graceful: bool) -> str:
    """Stops a run from a new process, as a user does with ZenML's command line.

    Returns:
        What the process wrote, if it failed.
    """
    program = Path(__file__).with_name("stop_run.py")
    done = subprocess.run(
        [sys.executable, str(program), str(run_id), "gracefully" if graceful else "forcefully"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=scaled(RUN_SECONDS),
        check=False,
    )
    return done.stdout or "no output" if done.returncode else ""


def outcome_of(run: PipelineRunResponse, error: BaseException | None = None) -> Outcome:
    """Puts together what came of a run."""
    journal.append(run.id)
    return Outcome(run, harness.current().jobs(run), error)


# ---- Processes of steps


def noted(pids: Path) -> list[int]:
    """Reads the process IDs that a step has noted."""
    found = [int(pid) for pid in pids.read_text().split()]
    assert found
    return found


def alive(pids: Path | StoredPath) -> list[Any]:
    """Lists those of the noted processes that still run, after a moment's grace."""
    assert pids.read_text().split()

    def left() -> list[Any]:
        return harness.current().living(pids)

    try:
        wait_until(lambda: not left(), 15, what="the processes are to end")
    except TimeoutError:
        return left()
    return []


# ---- Runs that several tests look at

# What makes each shared run, by name. It gets a folder of its own.
_makers: dict[str, Callable[[Any], Any]] = {}

# How many jobs each of them runs, beside those of controllers and functions; and how many of these.
_jobs: dict[str, tuple[int, int, bool]] = {}

# The one of this test session, once it is there.
_active: list[SharedRuns] = []


@overload
def shared_run(make: Callable[[Any], Any]) -> Any: ...


@overload
def shared_run(
    *, steps: int = 0, dynamic: bool = False, runs: int = 1
) -> Callable[[Callable[[Any], Any]], Any]: ...


def shared_run(
    make: Callable[[Any], Any] | None = None,
    *,
    steps: int = 0,
    dynamic: bool = False,
    runs: int = 1,
) -> Any:
    """Makes a session fixture of a function that runs a pipeline, or anything that takes long.

    All shared runs that the selected tests ask for run at the same time, when the first is asked
    for: by a test's argument, or by a parameter that is its name. They are over before the test
    begins, so a test may then change this process's environment.

    Args:
        make: Runs a pipeline, and returns the outcome. It gets a new folder. It must not change
            this process's environment.
        steps: How many jobs steps have, about.
        dynamic: Whether the pipeline is dynamic.
        runs: How many runs there are.

    Returns:
        The fixture, under the name of the function; without `make`, what makes it.
    """

    def decorate(make: Callable[[Any], Any]) -> Any:
        name = make.__name__
        share(name, make, (steps, runs if steps or dynamic else 0, dynamic))

        def outcome(shared_runs: SharedRuns) -> Any:
            return shared_runs.get(name)

        outcome.__doc__ = make.__doc__
        return pytest.fixture(scope="session", name=name)(outcome)

    return decorate(make) if make else decorate


def share(
    name: str, make: Callable[[Any], Any], jobs: tuple[int, int, bool] = (0, 0, False)
) -> None:
    """Lets something be done once, beside the shared runs: `outcome_of(name)` has what it returns.

    Args:
        name: Its name, which is a parameter of each test that wants it.
        make: Does it. It gets a new folder.
        jobs: How many jobs it runs, as in `_jobs`.
    """
    _makers[name] = make
    _jobs[name] = jobs


def jobs_of(names: Collection[str], *, isolated: bool, controllers: bool) -> int:
    """Returns how many jobs shared runs have, about.

    Args:
        names: Which.
        isolated: Whether steps of dynamic pipelines have jobs of their own.
        controllers: Whether the controllers of static pipelines have jobs of their own.
    """
    found = 0
    for name in names:
        steps, runs, dynamic = _jobs[name]
        found += steps if isolated or not dynamic else 0
        found += runs if controllers or dynamic else 0
    return found


def shared(name: str) -> Any:
    """Returns the outcome of another shared run, for one that needs it. It may be in progress."""
    return _active[-1].start(name).result()


def is_wanted(name: str) -> bool:
    """Tells whether the selected tests look at a shared run."""
    return name in _active[-1].wanted


def let_only_one_thread(module: Any, name: str) -> None:
    """Lets only one thread at a time call a function of a module."""
    function, lock = getattr(module, name), threading.Lock()

    def call_alone(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return function(*args, **kwargs)

    setattr(module, name, call_alone)


class SharedRuns:
    """Runs each shared run once, and as many as are wanted at the same time.

    Attributes:
        wanted: The names of those that the selected tests ask for.
    """

    def __init__(self, folder: Path | StoredPath, wanted: Collection[str], at_a_time: int) -> None:
        """Starts nothing yet.

        Args:
            folder: Where each run gets its folder.
            wanted: See above.
            at_a_time: How many run side by side.
        """
        self._folder = folder
        self.wanted = wanted
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="shared-run")
        self._futures: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        # ZenML parses each step that it compiles, and CPython 3.11's parser is not safe in threads,
        # although it looks it: https://github.com/python/cpython/issues/106905
        let_only_one_thread(ast, "parse")
        # ZenML asks whether the code is in the artifact store, and then copies it there.
        let_only_one_thread(code_utils, "upload_code_if_necessary")
        _active.append(self)

    def get(self, name: str) -> Any:
        """Returns the outcome of a shared run, once all that are wanted are over."""
        for each in _makers:  # In the order in which they were defined.
            if each == name or each in self.wanted:
                self.start(each)
        for future in list(self._futures.values()):
            future.exception()
        return self._futures[name].result()

    def start(self, name: str) -> Future[Any]:
        """Starts a shared run, if it was not started before."""
        with self._lock:
            if name not in self._futures:
                folder = self._folder / name
                folder.mkdir()
                self._futures[name] = self._pool.submit(_makers[name], folder)
            return self._futures[name]


def wanted_runs(arguments: Collection[object]) -> set[str]:
    """Returns the names of shared runs among the names of fixtures and the parameters of tests."""
    return {each for each in arguments if isinstance(each, str) and each in _makers}
