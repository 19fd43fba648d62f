"""The emulator for AWS is not made to our measure: ZenML's own orchestrator runs on it.

It is ZenML's flavor `sagemaker` as it is installed, with nothing patched. It needs Amazon's SDK,
which ours does not, so it has an environment of its own. It runs the pipelines that the generated
tests run with ours.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import conformance
import pytest
from controls import check_dynamic, check_scheduled, ids_in, once, run_on_emulator
from kit.timeouts import scaled
from zenml.integrations.aws import AWSIntegration

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gate

COMPLETED = ["static", "processing", "dynamic", "dynamic_processing"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program has seen."""
    return once(tmp_path_factory, "control-sagemaker", run_program)


def install(folder: Path) -> Path:
    """Installs ZenML, the same version, with all that its orchestrator needs.

    Returns:
        The Python that finds it.
    """
    python = folder / "bin" / "python"
    requirements = [
        f"zenml[local,server]=={version('zenml')}",
        f"moto[server]=={version('moto')}",
        *AWSIntegration.get_requirements(),
    ]
    command = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*command, *requirements], check=True, timeout=scaled(600))
    return python


def run_program(folder: Path, result: Path) -> None:
    """Runs it on the emulator of a generated project."""
    python = install(folder / "environment")
    run_on_emulator("sagemaker", str(python), folder, result)


@pytest.mark.parametrize("name", COMPLETED)
def test_a_pipeline_completes(found: dict[str, Any], name: str) -> None:
    run = found[name]
    assert run["status"] == "completed"
    assert run["steps"]
    assert set(run["steps"].values()) == {"completed"}
    assert run["seen"].keys() == run["steps"].keys()
    assert {job["status"] for job in run["jobs"]} == {"Completed"}


@pytest.mark.parametrize("name", ["static", "processing"])
def test_all_steps_of_a_run_see_its_execution_each_in_a_process(
    found: dict[str, Any], name: str
) -> None:
    run = found[name]
    (execution,) = run["executions"]
    assert execution["status"] == "Succeeded"
    assert ids_in(run["seen"].values()) == {run["orchestrator_run_id"]} == {execution["arn"]}
    assert len({seen["pid"] for seen in run["seen"].values()}) == len(run["steps"])
    assert {job["step"] for job in run["jobs"]} == set(run["steps"])


@pytest.mark.parametrize("name", ["dynamic", "dynamic_processing"])
def test_a_dynamic_pipeline_is_a_job_that_creates_jobs(found: dict[str, Any], name: str) -> None:
    run = found[name]
    first, *others = (job["arn"] for job in run["jobs"])
    assert len(others) == 2
    inline, isolated = check_dynamic(run)
    # Its run ID is the ARN of the job that asks. So isolated steps do not see that of their run,
    # which ZenML has from the function's job; ours do.
    assert inline == {run["orchestrator_run_id"]} == {first}
    assert isolated == set(others)


def test_a_failing_step_fails_the_run(found: dict[str, Any]) -> None:
    run = found["failing"]
    assert run["status"] == "failed"
    # The step below it has not begun.
    assert run["steps"] == {"fail": "failed"}
    (execution,) = run["executions"]
    assert execution["reason"] == "Step failure: One or multiple steps failed."


def test_an_execution_stops_with_its_jobs(found: dict[str, Any]) -> None:
    assert found["stopped"] == {
        "status": "Stopped",
        "steps": {"first": "Stopped"},
        "jobs": ["Stopped"],
    }


def test_each_firing_of_a_schedule_is_a_run_of_its_own(found: dict[str, Any]) -> None:
    check_scheduled(found["scheduled"])


def test_nothing_it_asks_for_is_refused(found: dict[str, Any]) -> None:
    # It updates its schedule first, to see whether there is one.
    assert found["refused"] == [["scheduler", "UpdateSchedule", "ResourceNotFoundException"]]


def test_it_keeps_what_the_table_says(found: dict[str, Any]) -> None:
    conformance.check_current("sagemaker", found)
