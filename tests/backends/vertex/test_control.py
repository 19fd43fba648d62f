"""The emulator for Google Cloud is not made to our measure: ZenML's own orchestrator runs on it.

It is ZenML's flavor `vertex` as it is installed, with Google's SDK and kfp, none of them patched.
It runs the pipelines that the generated tests run with ours.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import conformance
import pytest
from backends.vertex import environment
from controls import check_dynamic, check_scheduled, ids_in, once, run_on_emulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gate

WHY_FAILED = "The DAG failed because some tasks failed. The failed tasks are: [fail]."


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program has seen."""
    python = environment.python(tmp_path_factory)
    return once(tmp_path_factory, "control-vertex", partial(run_on_emulator, "vertex", python))


def run_program(folder: Path, result: Path) -> None:
    """Does the same with an environment of its own."""
    installed = folder / "environment.json"
    environment.install(folder / "environment", installed)
    run_on_emulator("vertex", json.loads(installed.read_text())["python"], folder, result)


@pytest.mark.parametrize("name", ["static", "launched", "dynamic"])
def test_a_pipeline_completes(found: dict[str, Any], name: str) -> None:
    run = found[name]
    assert run["status"] == run["fetched"] == "completed"
    assert run["steps"]
    assert set(run["steps"].values()) == {"completed"}
    assert run["seen"].keys() == run["steps"].keys()
    assert {job["state"] for job in run["jobs"]} == {"JOB_STATE_SUCCEEDED"}


@pytest.mark.parametrize("name", ["static", "launched"])
def test_all_steps_of_a_run_see_the_name_of_its_job_each_in_a_process(
    found: dict[str, Any], name: str
) -> None:
    run = found[name]
    (job,) = run["pipelines"]
    assert job["state"] == "PIPELINE_STATE_SUCCEEDED"
    assert set(job["tasks"].values()) == {"SUCCEEDED"}
    assert ids_in(run["seen"].values()) == {run["orchestrator_run_id"]} == {job["id"]}
    assert len({seen["pid"] for seen in run["seen"].values()}) == len(run["steps"])
    assert job["tasks"].keys() == run["steps"].keys()


def test_a_step_with_parameters_of_a_custom_job_runs_in_one_that_its_task_has_launched(
    found: dict[str, Any],
) -> None:
    kinds = {
        name: {job["task"]: job["kind"] for job in found[name]["jobs"]}
        for name in ("static", "launched")
    }
    assert kinds["static"] == dict.fromkeys(("first", "left", "right", "last"), "task")
    assert kinds["launched"] == {**kinds["static"], "left": "custom"}


def test_two_runs_of_a_pipeline_have_two_ids(found: dict[str, Any]) -> None:
    assert found["static"]["steps"].keys() == found["launched"]["steps"].keys()
    assert found["static"]["orchestrator_run_id"] != found["launched"]["orchestrator_run_id"]


def test_a_dynamic_pipeline_is_a_job_that_creates_jobs(found: dict[str, Any]) -> None:
    run = found["dynamic"]
    assert run["pipelines"] == []
    first, *others = (job["id"] for job in run["jobs"])
    assert len(others) == 2
    inline, isolated = check_dynamic(run)
    # Its run ID is the number of the job that asks. So isolated steps do not see that of their
    # run, which ZenML has from the function's job; ours do.
    assert inline == {run["orchestrator_run_id"]} == {first}
    assert isolated == set(others)


def test_a_failing_step_fails_the_run(found: dict[str, Any]) -> None:
    run = found["failing"]
    assert run["status"] == run["fetched"] == "failed"
    # The step below it has not begun.
    assert run["steps"] == {"fail": "failed"}
    (job,) = run["pipelines"]
    assert job["state"] == "PIPELINE_STATE_FAILED"
    assert job["tasks"] == {"fail": "FAILED", "after": "NOT_TRIGGERED"}
    assert job["error"].startswith(WHY_FAILED)


def test_who_waits_for_a_run_is_told_why_it_has_failed(found: dict[str, Any]) -> None:
    assert WHY_FAILED in found["raised"]


def test_a_pipeline_job_that_is_cancelled_stops(found: dict[str, Any]) -> None:
    run = found["cancelled"]
    assert run["fetched"] == "stopped"
    assert run["state"] == "PIPELINE_STATE_CANCELLED"
    below = dict.fromkeys(("left", "right", "last"), "NOT_TRIGGERED")
    assert run["tasks"] == {"first": "CANCELLED", **below}
    assert run["running"] is False


def test_each_firing_of_a_schedule_is_a_run_of_its_own(found: dict[str, Any]) -> None:
    check_scheduled(found["scheduled"])


def test_nothing_it_asks_for_is_refused(found: dict[str, Any]) -> None:
    assert found["refused"] == []


def test_it_keeps_what_the_table_says(found: dict[str, Any]) -> None:
    conformance.check_current("vertex", found)
