# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Runs during which ZenML is away, for `FailureContract`: `begun` lets them go on beside its tests.

The tests of this module have a pytest and a ZenML server of their own. In the folder that `FOLDER`
names, a file `ready` asks for the outage; `away` and `back` tell when it begins and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zenml.enums import ExecutionStatus

from . import harness, pipelines, runs, zenml_server
from .home import SOURCE_ROOT
from .timeouts import scaled, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from zenml.pipelines.pipeline_definition import Pipeline

    from .runs import Outcome

FOLDER = "TEST_OUTAGE_FOLDER"

# How long ZenML is away, in seconds, unless `TEST_OUTAGE_SECONDS` says more; and how long at most.
# For a third of that it does not answer. Then it is killed, and connections are refused for longer
# than ZenML's own client goes on trying: 31 s.
SECONDS = 75.0
MOST_SECONDS = 600.0

COMPLETED = ExecutionStatus.COMPLETED


@pytest.fixture(scope="module")
def marks() -> Path:
    """The folder of this outage."""
    return Path(os.environ[FOLDER])


def bring_about_the_outage(
    marks: Path, steps: list[str], futures: dict[str, Future[Outcome]], starting: str
) -> None:
    """Asks for the outage once each step is at work, and the job of one more is just submitted.

    Args:
        marks: The folder of this outage.
        steps: The steps that are to be at work.
        futures: What will have come of the pipelines.
        starting: How the name of the run begins whose second step is to start meanwhile.
    """

    def all_at_work() -> bool:
        over = [name for name, future in futures.items() if future.done()]
        assert not over, f"{over} ended too soon: {[futures[name].result() for name in over]}"
        return all(times_begun(marks, step) for step in steps)

    wait_until(all_at_work, 2 * runs.RUN_SECONDS, what="the steps are to be at work")
    run = runs.find(starting)
    assert run is not None
    (marks / "go").touch()
    wait_until(
        lambda: "start_meanwhile" in {job.name for job in harness.current().jobs(run)},
        runs.RUN_SECONDS,
        what="the next step is to be submitted",
    )
    (marks / "ready").touch()


@pytest.fixture(scope="module")
def outcomes(marks: Path, shared_runs: object) -> dict[str, Outcome]:
    """What came of each pipeline, by its name; all ran during the same outage."""
    offers = harness.current().capabilities
    wanted: list[tuple[Pipeline, tuple[object, ...], list[str]]] = [
        (pipelines.outlasting, (), ["outlast"]),
        (pipelines.failing_meanwhile, (), ["fail_meanwhile"]),
        (pipelines.settled_meanwhile, (), ["last"]),
        (pipelines.starting_meanwhile, (), ["end_just_before"]),
    ]
    if offers.dynamic_pipelines:
        at_work = ["beside", "inline"]
        wanted.append((pipelines.dynamic_meanwhile, (offers.isolated_steps,), at_work))
    with ThreadPoolExecutor(len(wanted)) as pool:
        futures: dict[str, Future[Outcome]] = {}
        prefixes: dict[str, str] = {}
        for pipeline, more, _ in wanted:
            named, prefix = runs.named(pipeline)
            prefixes[pipeline.name] = prefix
            futures[pipeline.name] = pool.submit(
                runs.execute_named, named, prefix, str(marks), *more
            )
        try:
            bring_about_the_outage(
                marks,
                [name for *_, names in wanted for name in names],
                futures,
                prefixes["starting_meanwhile"],
            )
            limit = MOST_SECONDS + scaled(runs.RUN_SECONDS)
            return {name: future.result(limit) for name, future in futures.items()}
        finally:
            for event in ("go", "away", "back"):  # If something went wrong, nothing waits for ever.
                (marks / event).touch()


def times_begun(marks: Path, step: str) -> int:
    """Counts how often a step has run."""
    return len([*marks.glob(f"{step}.begun.*")])


def ended_meanwhile(marks: Path, step: str) -> bool:
    """Tells whether a step has ended while ZenML was away."""
    return (marks / f"{step}.ended").stat().st_mtime < (marks / "back").stat().st_mtime


def test_a_step_outlasts_the_outage(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["outlasting"]
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == {"outlast": COMPLETED, "mark": COMPLETED}
    assert times_begun(marks, "outlast") == 1


def test_a_step_fails_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["failing_meanwhile"]
    assert ended_meanwhile(marks, "fail_meanwhile")
    assert "`fail_meanwhile` failed: ValueError: while ZenML is away" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert outcome.steps == {"fail_meanwhile": ExecutionStatus.FAILED}
    assert times_begun(marks, "fail_meanwhile") == 1
    assert not (marks / "below_failure").exists()


def test_the_last_step_ends_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["settled_meanwhile"]
    assert ended_meanwhile(marks, "last")
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == {"end_meanwhile": COMPLETED}
    assert times_begun(marks, "last") == 1


def test_a_step_starts_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["starting_meanwhile"]
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == {"end_just_before": COMPLETED, "start_meanwhile": COMPLETED}
    assert times_begun(marks, "end_just_before") == times_begun(marks, "start_meanwhile") == 1


@pytest.mark.offered("dynamic_pipelines", True)
def test_the_steps_of_a_dynamic_run_end_meanwhile(
    outcomes: dict[str, Outcome], marks: Path
) -> None:
    outcome = outcomes["dynamic_meanwhile"]
    assert ended_meanwhile(marks, "beside")
    assert ended_meanwhile(marks, "inline")
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == dict.fromkeys(("beside", "inline", "below_dynamic"), COMPLETED)
    assert times_begun(marks, "beside") == times_begun(marks, "inline") == 1


@contextmanager
def begun(folder: Path) -> Iterator[Future[tuple[int, str]]]:
    """Runs the tests of this module, which take minutes, and mostly wait, beside other tests.

    Args:
        folder: An empty folder.

    Yields:
        What `run` will return. Leaving the context ends what is in progress.
    """
    seconds = float(os.environ.get("TEST_OUTAGE_SECONDS") or SECONDS)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(run, folder, dict(os.environ), seconds, over)
        finally:
            over.set()


def run(
    folder: Path, environment: Mapping[str, str], seconds: float, over: threading.Event
) -> tuple[int, str]:
    """Runs the tests of this module, and lets ZenML be away in the middle of their runs.

    Args:
        folder: An empty folder.
        environment: The variables of this process, which its tests may change meanwhile.
        seconds: How long ZenML is away.
        over: Ends all at once when it is set.

    Returns:
        The exit code of pytest, and what it wrote.
    """
    marks, log = folder / "marks", folder / "log"
    marks.mkdir()
    variables = {n: v for n, v in environment.items() if not n.startswith("PYTEST_")}
    with zenml_server.starting(folder / "server") as server, log.open("wb") as output:
        variables |= {**server.for_tests, FOLDER: str(marks)}
        server.wait_until_up()
        tests = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
            env=variables,
            cwd=SOURCE_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def have_ended() -> bool:
            return over.is_set() or tests.poll() is not None

        try:
            wait_until(
                lambda: (marks / "ready").exists() or have_ended(),
                2 * runs.RUN_SECONDS,
                what="the runs are to be in progress",
                pause=0.005,
            )
            if not have_ended():
                server.suspend()
                (marks / "away").touch()
                over.wait(seconds / 3)
                server.kill()
                over.wait(seconds * 2 / 3)
                server.start()
                server.wait_until_up()
                (marks / "back").touch()
            wait_until(have_ended, 2 * runs.RUN_SECONDS, what="the runs are to end", pause=0.1)
        finally:
            tests.terminate()
            tests.wait()
    return tests.returncode, log.read_text(errors="replace")
