"""The emulator for Kubernetes is not made to our measure: ZenML's own orchestrator runs on it.

It is ZenML's flavor `kubernetes` as it is installed, with nothing patched. It runs the pipelines
that the generated tests run with ours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import conformance
import pytest
from controls import check_dynamic, check_scheduled, ids_in, once, run_on_emulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gate

COMPLETED = ["static", "dynamic", "retried", "with_secret"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program has seen."""
    return once(tmp_path_factory, "control-kubernetes", run_program)


def run_program(folder: Path, result: Path) -> None:
    """Runs it on the emulator of a generated project."""
    kubeconfig = str(folder / "kubeconfig")
    run_on_emulator("kubernetes", sys.executable, folder, result, KUBECONFIG=kubeconfig)


@pytest.mark.parametrize("name", COMPLETED)
def test_a_pipeline_completes(found: dict[str, Any], name: str) -> None:
    run = found[name]
    assert run["status"] == "completed", run["error"]
    assert run["steps"]
    assert set(run["steps"].values()) == {"completed"}
    assert run["seen"].keys() == run["steps"].keys()


def test_each_step_has_a_process_and_all_of_a_run_have_one_run_id(found: dict[str, Any]) -> None:
    for run in (found["static"], found["retried"], found["with_secret"]):
        assert ids_in(run["seen"].values()) == {run["orchestrator_run_id"]}
        assert len({seen["pid"] for seen in run["seen"].values()}) == len(run["steps"])


def test_a_dynamic_pipeline_runs_where_it_should(found: dict[str, Any]) -> None:
    run = found["dynamic"]
    inline, isolated = check_dynamic(run)
    # Its run ID is the name of the Job of the pod that asks. So isolated steps do not see that
    # of their run, which ZenML has from the orchestrator's pod; ours do.
    jobs = jobs_of(found, run)
    assert inline == {run["orchestrator_run_id"]} <= set(jobs)
    assert isolated == {name for name, labels in jobs.items() if is_step(labels)}


def test_a_failing_step_fails_the_run(found: dict[str, Any]) -> None:
    assert found["failing"]["status"] == "failed"
    # The step below it has not begun.
    assert found["failing"]["steps"] == {"fail": "failed"}


def test_a_killed_step_is_started_again_by_its_job(found: dict[str, Any]) -> None:
    phases = [
        pod["status"]["phase"]
        for pod in found["Pod"]
        if pod["metadata"]["labels"].get("run_id") == found["retried"]["id"]
        and pod["metadata"]["labels"].get("step_name") == "die_at_first"
    ]
    assert sorted(phases) == ["Failed", "Succeeded"]


def test_each_firing_of_a_schedule_is_a_run_of_its_own(found: dict[str, Any]) -> None:
    check_scheduled(found["scheduled"])


def test_the_token_is_in_a_secret_if_it_is_told_so(found: dict[str, Any]) -> None:
    for name, field in (("static", "value"), ("with_secret", "valueFrom")):
        jobs = jobs_of(found, found[name])
        tokens = [
            variable
            for job in found["Job"]
            if job["metadata"]["name"] in jobs
            for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]
            if variable["name"] == "ZENML_STORE_API_TOKEN"
        ]
        assert len(tokens) == len(jobs)
        assert all(field in variable for variable in tokens)
    # It deletes the Secret when the run has ended, and its account may do so.
    assert found["Secret"] == []


def jobs_of(found: dict[str, Any], run: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Returns the labels of a run's Jobs, by their names."""
    return {
        job["metadata"]["name"]: job["metadata"]["labels"]
        for job in found["Job"]
        if job["metadata"]["labels"].get("run_id") == run["id"]
    }


def is_step(labels: dict[str, str]) -> bool:
    """Tells the Job of a step from the orchestrator's."""
    return "step_name" in labels


def test_it_keeps_what_the_table_says(found: dict[str, Any]) -> None:
    conformance.check_current("kubernetes", found)
