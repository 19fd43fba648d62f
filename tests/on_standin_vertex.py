"""A ZenML server and a stand-in for Google Cloud, in the process of a program that uses them.

The stand-in is that of a generated project with the backend `vertex`, whose folder `tests` is on
Python's path, as is this file's, where the containers find `shared_store`. ZenML, gRPC and Google's
libraries read some variables when they are imported, so whoever starts the program sets them:
ZENML_CONFIG_PATH, and PYTHONPATH for the containers too.

Nothing of ZenML's or Google's is patched. ZenML calls the region's own endpoint,
`<region>-aiplatform.googleapis.com`, as it does in earnest; gRPC gets there through a proxy, and
that leads to the stand-in.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipelines
import resource_manager
import tunnel
import zenml_server
from google.cloud import aiplatform
from standin import Project
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.utils import source_utils

if TYPE_CHECKING:
    from collections.abc import Iterator

# What images would bring.
IMAGE_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "ZENML_ANALYTICS_OPT_IN",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL",
)
PRELOAD = (
    "zenml.client",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.integrations.gcp.orchestrators.vertex_orchestrator",
    "zenml.integrations.gcp.service_connectors",
    "zenml.integrations.registry",
    "zenml.materializers",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.pipelines.dynamic.entrypoint_configuration",
    "zenml.step_operators.step_operator_entrypoint_configuration",
    "zenml.zen_stores.rest_zen_store",
)
STACK = "own"


@contextmanager
def stand_in(home: Path) -> Iterator[Project]:
    """Starts a ZenML server and a project, and leads this process to both."""
    image = {name: value for name, value in os.environ.items() if name in IMAGE_VARIABLES}
    image["ZENML_CONFIG_PATH"] = str(home / "in-jobs")
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(zenml_server.running(home / "server")))
        proxy = stack.enter_context(tunnel.listening())
        # https://grpc.github.io/grpc/core/md_doc_environment_variables.html
        of_grpc = {"grpc_proxy": proxy.url}
        image |= of_grpc
        project = stack.enter_context(Project(home / "google", preload=PRELOAD, image=image))
        manager = stack.enter_context(resource_manager.answering(project))
        proxy.destinations |= {
            f"{project.region}-aiplatform.googleapis.com:443": project.grpc,
            f"{resource_manager.NAME}:443": manager,
        }
        os.environ.update({**project.environment(), **of_grpc})
        aiplatform.init(project=project.id, location=project.region)
        yield project


def register(home: Path, project: Project) -> None:
    """Registers the stack, and activates it."""
    zenml = Client()
    source_utils.set_custom_source_root(str(Path(__file__).parent))
    zenml.create_flavor("shared_store.Flavor", StackComponentType.ARTIFACT_STORE)
    (home / "artifacts").mkdir()
    configuration = {
        "location": project.region,
        # Containers would take that of Google's project in which they run.
        "project": project.id,
        "pipeline_root": f"gs://{project.bucket}/root",
        "workload_service_account": f"steps@{project.id}.iam.gserviceaccount.com",
        # It waits for seconds before it looks again; we see for ourselves when it is done.
        "synchronous": False,
    }
    registry = f"{project.region}-docker.pkg.dev/{project.id}/tests"
    wanted: dict[StackComponentType, tuple[str, dict[str, Any]]] = {
        StackComponentType.ORCHESTRATOR: ("vertex", configuration),
        StackComponentType.ARTIFACT_STORE: ("shared", {"path": str(home / "artifacts")}),
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": registry}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
    }
    components = {
        kind: zenml.create_stack_component(STACK, name, kind, settings).id
        for kind, (name, settings) in wanted.items()
    }
    zenml.create_stack(STACK, components)
    zenml.activate_stack(STACK)
    source_utils.set_custom_source_root(str(Path(pipelines.__file__).parent))
