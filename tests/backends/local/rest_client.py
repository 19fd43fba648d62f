"""Runs pipelines on a ZenML server, and looks at what their steps know of it.

A program of its own: ZenML reads where its server is when it is imported.
"""

from __future__ import annotations

import os
from typing import Any

from zenml import pipeline, step
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.enums import StackComponentType


@step
def look(before: dict[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG001 - an order
    """Notes how this process reaches the server, and what it reads there."""
    configuration = GlobalConfiguration()
    return {
        "pid": os.getpid(),
        "run_id": Client().active_stack.orchestrator.get_orchestrator_run_id(),
        "store": configuration.store_configuration.type.value,
        "has_token": bool(os.environ.get("ZENML_STORE_API_TOKEN")),
        "has_password": "ZENML_STORE_PASSWORD" in os.environ,
        "grace": Client().active_stack.orchestrator.config.stop_grace_seconds,  # type: ignore[attr-defined]
        "project": Client().active_project.name,
    }


@pipeline(enable_cache=False)
def chain() -> None:
    """Two steps in sequence."""
    look(look())


def main() -> None:
    """Runs the pipeline twice, and changes what a stale client would not notice."""
    client = Client()
    client.create_flavor("remote.flavor.RemoteOrchestratorFlavor", StackComponentType.ORCHESTRATOR)
    orchestrator = client.create_stack_component(
        "remote", "remote", StackComponentType.ORCHESTRATOR, {"stop_grace_seconds": "11"}
    )
    store = client.active_stack_model.components[StackComponentType.ARTIFACT_STORE][0].id
    client.create_stack(
        "remote",
        {
            StackComponentType.ORCHESTRATOR: orchestrator.id,
            StackComponentType.ARTIFACT_STORE: store,
        },
    )
    client.activate_stack("remote")

    first = execute()
    client.update_stack_component(
        orchestrator.id, StackComponentType.ORCHESTRATOR, configuration={"stop_grace_seconds": 12.0}
    )
    client.create_project("elsewhere", "")
    client.set_active_project("elsewhere")
    second = execute()

    for run, grace, project in ((first, 11.0, "default"), (second, 12.0, "elsewhere")):
        assert len({seen["pid"] for seen in run} | {os.getpid()}) == 3
        assert len({seen["run_id"] for seen in run}) == 1
        for seen in run:
            assert seen["store"] == "rest"
            assert seen["has_token"]
            assert not seen["has_password"]
            assert seen["grace"] == grace, seen
            assert seen["project"] == project, seen
    assert first[0]["run_id"] != second[0]["run_id"]


def execute() -> list[dict[str, Any]]:
    """Runs the pipeline and returns what its steps noted."""
    run = chain()
    assert run is not None
    return [step.output.load() for step in run.steps.values()]


if __name__ == "__main__":
    main()
