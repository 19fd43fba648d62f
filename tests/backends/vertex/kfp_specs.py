"""Writes the specifications of the same pipelines by kfp and by a generated project.

A program of its own: kfp and Google's components are in an environment that the tests make. The
project is one with the backend `vertex`, whose folders `src` and `tests` are on Python's path.
"""

# No postponed annotations here: kfp looks what functions return.

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.cloud.aiplatform_v1 import CustomJob
from google.protobuf import json_format
from google_cloud_pipeline_components.v1.custom_job.utils import (
    create_custom_training_job_from_component,
)
from kfp import compiler, dsl
from kfp.dsl.base_component import BaseComponent
from kit.vertex_emulator.spec import launched, parse
from my_orch.config import Config, Settings
from my_orch.engine.protocols import JobKey, JobSpec, Role
from my_orch.engine.services.requests import as_pipeline
from my_orch.parameters import CustomJobParameters
from my_orch.platform import manifests
from my_orch.platform.pipeline_spec import Task, pipeline_spec
from my_orch.run_id import placeholder
from zenml.config import ResourceSettings

NAME = "my-pipeline"
IMAGE = "europe-docker.pkg.dev/orch-tests/tests/tests:1"
COMMAND = ["python", "-m", "zenml.entrypoints.entrypoint"]
OWN = {"A": "b c", "RUN": placeholder("pipeline_job_name"), "QUOTED": '"\\'}
# What a task is told of itself comes after that.
ENVIRONMENT = {**OWN, **manifests.TOLD}
PARENT = "projects/orch-tests/locations/europe-west4"
PLACE = {
    "pipeline_google_cloud_project_id": "orch-tests",
    "pipeline_google_cloud_location": "europe-west4",
}
ACCOUNT = "steps@orch-tests.iam.gserviceaccount.com"
NETWORK = "projects/1234/global/networks/net"
KEY = "projects/orch-tests/locations/europe-west4/keyRings/r/cryptoKeys/k"
LABELS = {"team": "a"}
MACHINE: dict[str, Any] = {
    "machine_type": "n1-standard-8",
    "accelerator_type": "NVIDIA_TESLA_T4",
    "accelerator_count": 2,
    "boot_disk_type": "pd-standard",
    "boot_disk_size_gb": 200,
    "persistent_resource_id": "pool",
}


def command(name: str) -> list[str]:
    """Returns the program of a step, and what it is told."""
    return [*COMMAND, "--step_name", name]


def component(name: str) -> BaseComponent:
    """Makes a component. What kfp calls a task, it takes from the name of the function."""

    def run() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=IMAGE, command=command(name))

    run.__name__ = name
    return dsl.container_component(run)


def task(name: str) -> dsl.PipelineTask:
    """Makes a task of a container, as ZenML's own orchestrator does."""
    made = component(name)().set_display_name(name).set_caching_options(enable_caching=False)
    for variable, value in ENVIRONMENT.items():
        made.set_env_variable(variable, value)
    return made


def of_containers() -> None:
    """Four containers, one of them with GPUs."""
    first = task("load")
    second = task("train_model").after(first).set_cpu_limit("4").set_memory_limit("16000M")
    second.set_accelerator_type("NVIDIA_TESLA_T4").set_accelerator_limit(2)
    third = task("check").after(first).set_cpu_limit("500m").set_memory_limit("1500M")
    task("report").after(second, third)


def with_custom_job() -> None:
    """A launcher of a custom job, and a container."""
    launcher = create_custom_training_job_from_component(
        component("load"),
        display_name="load",
        env=[{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
        service_account=ACCOUNT,
        network=NETWORK,
        encryption_spec_key_name=KEY,
        labels=LABELS,
        **MACHINE,
    )
    first = launcher().set_display_name("load").set_caching_options(enable_caching=False)
    task("report").after(first)


def compiled(function: Callable[[], None], folder: Path) -> dict[str, Any]:
    """Returns what kfp writes."""
    path = folder / f"{function.__name__}.json"
    compiler.Compiler().compile(dsl.pipeline(name=NAME)(function), str(path))
    found: dict[str, Any] = json.loads(path.read_text())
    del found["pipelineInfo"]["description"]  # Ours has none; this is that of the function.
    return found


def ours(config: Config, name: str, *upstream: str, **changes: Any) -> Task:
    """Makes a task of a step of ours."""
    fields: dict[str, Any] = {"resources": ResourceSettings(), "settings": Settings(), **changes}
    job = JobSpec(
        key=JobKey("0a1b", name, 1),
        role=Role.STEP,
        name=name,
        image=IMAGE,
        command=command(name),
        environment=OWN,
        **fields,
    )
    pipeline = replace(as_pipeline(job), upstream={name: upstream})
    return manifests.task(pipeline, job, config, PARENT)


def ours_of_containers(config: Config) -> dict[str, Any]:
    """Returns what the project writes of the first pipeline."""
    large = ResourceSettings(cpu_count=4, memory="16GB", gpu_count=2)
    little = ResourceSettings(cpu_count=0.5, memory="1500MB")
    settings = Settings(accelerator_type="NVIDIA_TESLA_T4")
    tasks = [
        ours(config, "load"),
        ours(config, "train_model", "load", resources=large, settings=settings),
        ours(config, "check", "load", resources=little),
        ours(config, "report", "train_model", "check"),
    ]
    return dict(pipeline_spec(NAME, tasks))


def ours_with_custom_job(config: Config) -> dict[str, Any]:
    """Returns what the project writes of the second pipeline."""
    settings = Settings(custom_job_parameters=CustomJobParameters(**MACHINE), labels=LABELS)
    tasks = [ours(config, "load", settings=settings), ours(config, "report", "load")]
    return dict(pipeline_spec(NAME, tasks))


def job_in(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns the custom job that the first task of a specification launches."""
    found = launched(parse(spec, {}).tasks["load"].resolved(PLACE))
    assert found is not None
    job = json_format.ParseDict(found["job"], CustomJob.pb()())
    return {"parent": found["parent"], "job": json_format.MessageToDict(job)}


def main(folder: Path, result: Path) -> None:
    """Writes all to a file, what kfp writes first."""
    config = Config(
        location="europe-west4",
        workload_service_account=ACCOUNT,
        network=NETWORK,
        encryption_spec_key_name=KEY,
    )
    launching = compiled(with_custom_job, folder), ours_with_custom_job(config)
    found = {
        "containers": (compiled(of_containers, folder), ours_of_containers(config)),
        "launchers": launching,
        "custom_jobs": [job_in(spec) for spec in launching],
    }
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
