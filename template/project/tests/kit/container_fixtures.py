# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What containers that are processes of this machine find there, and a stack for them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from zenml.enums import StackComponentType

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.client import Client

# What the process of every container imports. They are forked from one that has done so.
PRELOAD = (
    "zenml.client",
    "zenml.entrypoints.entrypoint",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.execution.step.utils",
    "zenml.pipelines.dynamic.entrypoint_configuration",
    "zenml.step_operators.step_operator_entrypoint_configuration",
    "zenml.zen_stores.rest_zen_store",
    "zenml.integrations.registry",
    "zenml.materializers",
    "zenml.artifact_stores.local_artifact_store",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
)


def image(package: str) -> dict[str, str]:
    """Returns the environment that an image would bring: a Python that finds all packages.

    Where ZenML's home is, is not in it. Each container has a home folder of its own, and ZenML's is
    in there: processes that share one read what another is just writing. Where ZenML's server is,
    and who may log in, a job has to be told.

    Args:
        package: The package under test.
    """
    source = Path(importlib.import_module(package).__file__ or "").parent.parent
    variables = {
        name: value
        for name, value in os.environ.items()
        # No image has the login of who builds it.
        if name.startswith("ZENML_") and not name.startswith(("ZENML_STORE_", "ZENML_CONFIG_PATH"))
    }
    return {**variables, "PATH": os.environ["PATH"], "PYTHONPATH": str(source)}


def components(client: Client) -> dict[StackComponentType, UUID]:
    """Registers what a stack needs to run in containers, under names that no other test run has."""
    artifacts = Path(os.environ["ZENML_CONFIG_PATH"], "artifacts")
    artifacts.mkdir(exist_ok=True)
    wanted: dict[StackComponentType, tuple[str, dict[str, Any]]] = {
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": "registry.invalid/tests"}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
        StackComponentType.ARTIFACT_STORE: ("local", {"path": str(artifacts)}),
    }
    name = f"tests-{uuid4().hex[:12]}"
    return {
        kind: client.create_stack_component(name, flavor, kind, configuration).id
        for kind, (flavor, configuration) in wanted.items()
    }
