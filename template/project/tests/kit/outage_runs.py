# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Runs during which ZenML is away: `run` stops their server, and `FailureContract` calls it.

The tests of this module have a pytest and a ZenML server of their own. In the folder that `FOLDER`
names, a file `ready` asks for the outage; `away` and `back` tell when it begins and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zenml.enums import ExecutionStatus

from . import harness, pipelines, runs, zenml_server
from .home import SOURCE_ROOT
from .timeouts import scaled, wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future

    from zenml.pipelines.pipeline_definition import Pipeline

    from .runs import Outcome

FOLDER = "TEST_OUTAGE_FOLDER"

# How long ZenML is away, in seconds, unless somebody asks for more; and how long at most. For a
# third of that it does not answer. Then it is killed, and connections are refused for longer than
# ZenML's own client goes on trying: 31 s.
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
        return all(begun(marks, step) for step in steps)

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


def begun(marks: Path, step: str) -> int:
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
    assert begun(marks, "outlast") == 1


def test_a_step_fails_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["failing_meanwhile"]
    assert ended_meanwhile(marks, "fail_meanwhile")
    assert "`fail_meanwhile` failed: ValueError: while ZenML is away" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert outcome.steps == {"fail_meanwhile": ExecutionStatus.FAILED}
    assert begun(marks, "fail_meanwhile") == 1
    assert not (marks / "below_failure").exists()


def test_the_last_step_ends_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["settled_meanwhile"]
    assert ended_meanwhile(marks, "last")
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == {"end_meanwhile": COMPLETED}
    assert begun(marks, "last") == 1


def test_a_step_starts_meanwhile(outcomes: dict[str, Outcome], marks: Path) -> None:
    outcome = outcomes["starting_meanwhile"]
    assert outcome.error is None
    assert outcome.run.status is COMPLETED
    assert outcome.steps == {"end_just_before": COMPLETED, "start_meanwhile": COMPLETED}
    assert begun(marks, "end_just_before") == begun(marks, "start_meanwhile") == 1


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
    assert begun(marks, "beside") == begun(marks, "inline") == 1


def run(folder: Path, seconds: float) -> tuple[int, str]:
    """Runs the tests of this module, and lets ZenML be away in the middle of their runs.

    Args:
        folder: An empty folder.
        seconds: How long ZenML is away.

    Returns:
        The exit code of pytest, and what it wrote.
    """
    marks, log = folder / "marks", folder / "log"
    marks.mkdir()
    variables = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")}
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
        try:
            wait_until(
                lambda: (marks / "ready").exists() or tests.poll() is not None,
                2 * runs.RUN_SECONDS,
                what="the runs are to be in progress",
                pause=0.005,
            )
            if tests.poll() is None:
                server.suspend()
                (marks / "away").touch()
                time.sleep(seconds / 3)
                server.kill()
                time.sleep(seconds * 2 / 3)
                server.start()
                server.wait_until_up()
                (marks / "back").touch()
            tests.wait(scaled(2 * runs.RUN_SECONDS))
        finally:
            tests.terminate()
            tests.wait()
    return tests.returncode, log.read_text(errors="replace")
