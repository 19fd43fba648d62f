"""The specification of a pipeline is what kfp writes, though ours is written without kfp.

Both write the same two pipelines, kfp as ZenML's own orchestrator uses it. All fields are compared.
What may differ is said here:

* kfp's and its components' versions, which move on;
* the names of tasks whose steps have other names than a task can have: kfp replaces what does not
  fit, and numbers those that are the same then; ours have a part of a hash instead;
* a launcher's custom job: kfp has it in parameters with defaults, ours is written out. What is
  launched is compared. There kfp says what the API does by default.

None has a `retryPolicy`: ZenML's own orchestrator sets none, and ours tries again in the job. kfp
has a description of the pipeline, from a docstring, which is left out.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from backends.vertex import environment
from controls import launch, once
from rendering import render

pytestmark = pytest.mark.gate

PROGRAM = Path(__file__).with_name("kfp_specs.py")

# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec#Scheduling
DEFAULT_SCHEDULING = {"strategy": "STANDARD", "timeout": f"{7 * 24 * 60 * 60}s"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program has written."""
    python = environment.python(tmp_path_factory)

    def run_program(folder: Path, result: Path) -> None:
        project = render(folder / "project", project_name="my-orch", backend="vertex")
        path = [str(project / "src"), str(project / "tests")]
        variables = {"PYTHONPATH": os.pathsep.join(path), "ZENML_ANALYTICS_OPT_IN": "False"}
        launch([python, str(PROGRAM), str(folder), str(result)], folder, variables, 200)

    return once(tmp_path_factory, "kfp-specs", run_program)


def without_versions(spec: dict[str, Any]) -> dict[str, Any]:
    """Checks the version of who has written a specification, and leaves it out."""
    assert re.fullmatch(r"kfp-2(\.\d+){2}", spec["sdkVersion"])
    return {name: value for name, value in spec.items() if name != "sdkVersion"}


def executor(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns the container of a task."""
    container: dict[str, Any] = spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]
    return container


def test_a_pipeline_of_containers_is_the_same(found: dict[str, Any]) -> None:
    kfp, ours = map(without_versions, found["containers"])
    tasks = ours["root"]["dag"]["tasks"]
    (name,) = (name for name, task in tasks.items() if task["taskInfo"]["name"] == "train_model")
    assert re.fullmatch("train-model-[0-9a-f]{12}", name)
    assert json.loads(json.dumps(ours).replace(name, "train-model")) == kfp
    # This pipeline has in it what it is about.
    assert executor(kfp, "train-model")["resources"].keys() == {
        "accelerator",
        "cpuLimit",
        "memoryLimit",
        "resourceCpuLimit",
        "resourceMemoryLimit",
    }
    variables = executor(kfp, "train-model")["env"]
    assert {"name": "RUN", "value": "{{$.pipeline_job_name}}"} in variables
    kfp_tasks = kfp["root"]["dag"]["tasks"]
    assert kfp_tasks["report"]["dependentTasks"] == ["check", "train-model"]
    assert [task["cachingOptions"] for task in kfp_tasks.values()] == [{}] * 4


def test_a_pipeline_with_a_launcher_is_the_same_around_its_custom_job(
    found: dict[str, Any],
) -> None:
    kfp, ours = map(without_versions, found["launchers"])
    assert kfp["components"]["comp-load"].pop("inputDefinitions")
    arguments = [executor(spec, "load").pop("args") for spec in (kfp, ours)]
    options = [dict(zip(each[0::2], each[1::2], strict=True)) for each in arguments]
    assert [*options[0]] == [*options[1]]
    for name in ("--payload", "--project", "--location"):
        assert all(each.pop(name) for each in options)
    assert options[0] == options[1]
    images = [executor(spec, "load").pop("image").partition(":") for spec in (kfp, ours)]
    assert images[0][0] == images[1][0]
    assert all(version for *_, version in images)
    assert ours == kfp


def test_the_same_custom_job_is_launched(found: dict[str, Any]) -> None:
    kfp, ours = found["custom_jobs"]
    assert kfp["job"]["jobSpec"].pop("scheduling") == DEFAULT_SCHEDULING
    # A step that has begun must not be begun again by the service, as kfp lets it.
    assert ours["job"]["jobSpec"].pop("scheduling") == {"disableRetries": True}
    assert ours == kfp
    # This job has in it what it is about.
    assert kfp["parent"] == "projects/orch-tests/locations/europe-west4"
    assert kfp["job"].keys() == {"displayName", "encryptionSpec", "jobSpec", "labels"}
    assert kfp["job"]["jobSpec"].keys() == {
        "network",
        "persistentResourceId",
        "serviceAccount",
        "workerPoolSpecs",
    }
