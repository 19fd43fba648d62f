# YOURS: pipelines as Vertex AI takes them
"""What Vertex AI Pipelines is asked to run: the specification of a pipeline.

It is written here as kfp writes it, and not by kfp: each step is a container with a command, so
that there is nothing to compile. The tests hold it against kfp's own schema, `kfp-pipeline-spec`.
https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..run_id import placeholder
from .messages import to_snake_case
from .names import pipeline_name, task_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from .google_cloud import Object

# The version of the format, and of the kfp that writes the same.
SCHEMA_VERSION = "2.1.0"
SDK_VERSION = "kfp-2.16.1"

# Google's container that starts a custom job, waits for it and ends as it does:
# https://google-cloud-pipeline-components.readthedocs.io/en/google-cloud-pipeline-components-2.22.0/api/v1/custom_job.html
LAUNCHER_IMAGE = "gcr.io/ml-pipeline/google-cloud-pipeline-components:2.22.0"
LAUNCHER = [
    "python3",
    "-u",
    "-m",
    "google_cloud_pipeline_components.container.v1.custom_job.launcher",
]
# The launcher has to say in a file which job it has started.
LAUNCHED = "gcp_resources"


@dataclass(frozen=True)
class Task:
    """A step of a pipeline.

    Attributes:
        name: What ZenML calls it.
        upstream: What ZenML calls the steps that have to succeed before.
        container: What runs, as the specification has it.
        outputs: The names of the values that it gives, each a text.
    """

    name: str
    upstream: Collection[str]
    container: Object
    outputs: Collection[str] = ()


def container(
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    limits: Object,
) -> Object:
    """Makes the container of a task.

    Args:
        image: The image.
        command: The program and its arguments.
        environment: The variables. Placeholders in them are replaced by the service.
        limits: From `resources.limits`.
    """
    found: Object = {
        "image": image,
        "command": list(command),
        "env": variables(environment),
    }
    if limits:
        found["resources"] = limits
    return found


def variables(environment: Mapping[str, str]) -> list[Object]:
    """Writes environment variables as the API has them."""
    return [{"name": name, "value": value} for name, value in environment.items()]


def launcher(job: Object, parent: str) -> Object:
    """Makes the container of a task that runs in a custom job.

    Args:
        job: The custom job.
        parent: The region of the project that it runs in.

    Raises:
        ValueError: If there is something in it that a custom job does not have.
    """
    _, project, _, location = parent.split("/")
    payload = to_snake_case("CustomJob", job)
    started = placeholder(f"outputs.parameters['{LAUNCHED}'].output_file")
    arguments = ["--type", "CustomJob", "--payload", json.dumps(payload)]
    arguments += ["--project", project, "--location", location, "--gcp_resources", started]
    return {"image": LAUNCHER_IMAGE, "command": LAUNCHER, "args": arguments}


def pipeline_spec(name: str, tasks: Iterable[Task]) -> Object:
    """Makes the specification of a pipeline."""
    components: Object = {}
    executors: Object = {}
    entries: Object = {}
    for task in tasks:
        key = task_name(task.name)
        component: Object = {"executorLabel": f"exec-{key}"}
        if task.outputs:
            parameters = {output: {"parameterType": "STRING"} for output in task.outputs}
            component["outputDefinitions"] = {"parameters": parameters}
        entry: Object = {
            "taskInfo": {"name": task.name},
            "componentRef": {"name": f"comp-{key}"},
            "cachingOptions": {},  # ZenML has a cache of its own.
        }
        if task.upstream:
            entry["dependentTasks"] = sorted(map(task_name, task.upstream))
        components[f"comp-{key}"] = component
        executors[f"exec-{key}"] = {"container": task.container}
        entries[key] = entry
    dag = {"tasks": entries}
    return {
        "pipelineInfo": {"name": pipeline_name(name)},
        "schemaVersion": SCHEMA_VERSION,
        "sdkVersion": SDK_VERSION,
        "components": components,
        "deploymentSpec": {"executors": executors},
        "root": {"dag": dag},
    }
