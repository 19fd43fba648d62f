"""What programs share that run pipelines on an emulator, whichever platform it emulates.

For programs only: ZenML reads its environment when it is imported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zenml.client import Client
from zenml.config import DockerSettings
from zenml.enums import StackComponentType
from zenml.utils import source_utils

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from zenml.config import Schedule
    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline

# What images would bring.
IMAGE_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "ZENML_ANALYTICS_OPT_IN",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL",
)
# What every container's process imports. They are forked from one that has done so.
WARM = (
    "zenml.client",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.integrations.registry",
    "zenml.materializers",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.pipelines.dynamic.entrypoint_configuration",
    "zenml.step_operators.step_operator_entrypoint_configuration",
    "zenml.zen_stores.rest_zen_store",
)


def image() -> dict[str, str]:
    """Returns the environment variables that an image would bring."""
    return {name: value for name, value in os.environ.items() if name in IMAGE_VARIABLES}


def register_shared_store() -> str:
    """Registers the artifact store of `shared_store`, and returns the name of its flavor."""
    source_utils.set_custom_source_root(str(Path(__file__).parent))
    return Client().create_flavor("shared_store.Flavor", StackComponentType.ARTIFACT_STORE).name


def register(
    home: Path,
    orchestrators: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    store: str = "local",
) -> None:
    """Registers stacks that differ in their orchestrator.

    Args:
        home: A folder, where the artifacts go.
        orchestrators: The flavor and the configuration of each stack's orchestrator, by the stack's
            name.
        store: The flavor of their artifact stores.
    """
    zenml = Client()
    artifacts = home / "artifacts"
    artifacts.mkdir(exist_ok=True)
    others: dict[StackComponentType, tuple[str, Mapping[str, Any]]] = {
        StackComponentType.ARTIFACT_STORE: (store, {"path": str(artifacts)}),
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": "registry.invalid/tests"}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
    }
    for stack, orchestrator in orchestrators.items():
        wanted = {StackComponentType.ORCHESTRATOR: orchestrator, **others}
        components = {
            kind: zenml.create_stack_component(stack, flavor, kind, dict(configuration)).id
            for kind, (flavor, configuration) in wanted.items()
        }
        zenml.create_stack(stack, components)


def use(stack: str, source_root: Path) -> None:
    """Activates a stack.

    Args:
        stack: Its name.
        source_root: The folder with the module of the pipelines.
    """
    Client().activate_stack(stack)
    source_utils.set_custom_source_root(str(source_root))


def runnable(
    pipeline: Pipeline,
    schedule: Schedule | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Gives a pipeline what it needs on an emulator: an image that nobody has to build.

    Args:
        pipeline: The pipeline.
        schedule: When it runs; at once if there is none.
        settings: Its other settings.
    """
    # A container is a process of this machine.
    docker = DockerSettings(skip_build=True, parent_image="registry.invalid/tests/tests:1")
    whole = {"docker": docker, **(settings or {})}
    return pipeline.with_options(settings=whole, schedule=schedule)


def submit(
    pipeline: Pipeline, settings: dict[str, Any] | None = None, schedule: Schedule | None = None
) -> UUID:
    """Submits a pipeline, and returns the ID of the newest run.

    Args:
        pipeline: The pipeline.
        settings: Settings of the orchestrator.
        schedule: When it runs; at once if there is none.
    """
    runnable(pipeline, schedule, {"orchestrator": settings or {}})()
    return newest_run()


def newest_run() -> UUID:
    """Returns the ID of the newest run."""
    return Client().list_pipeline_runs(sort_by="desc:created", size=1).items[0].id


def scheduled_runs() -> list[PipelineRunResponse]:
    """Returns the runs of the schedule, of which there is one."""
    (schedule,) = Client().list_schedules().items
    return list(Client().list_pipeline_runs(schedule_id=schedule.id).items)


def outcome(run_id: UUID) -> dict[str, Any]:
    """Returns a run as ZenML has it, and what its steps noted in their processes."""
    found = Client().get_pipeline_run(run_id)
    return {
        "id": str(found.id),
        "status": found.status.value,
        "orchestrator_run_id": found.orchestrator_run_id,
        "steps": {name: step.status.value for name, step in found.steps.items()},
        "seen": {name: step.output.load() for name, step in found.steps.items() if step.outputs},
    }
