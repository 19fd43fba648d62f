"""A ZenML server and an emulator for Google Cloud, in the process of a program that uses them.

The emulator is that of a generated project with the backend `vertex`, whose folder `tests` is on
Python's path, as is this file's, where the containers find `shared_store`. ZenML, gRPC and Google's
libraries read some variables when they are imported, so whoever starts the program sets them:
ZENML_CONFIG_PATH, and PYTHONPATH for the containers too.

Nothing of ZenML's or Google's is patched. ZenML calls the region's own endpoint,
`<region>-aiplatform.googleapis.com`, as it does in earnest; gRPC gets there through a proxy, and
that leads to the emulator.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backends.vertex import resource_manager, tunnel
from emulator_programs import WARM, image, register, register_shared_store, use
from google.cloud import aiplatform
from kit import pipelines
from kit.vertex_emulator import Project
from kit.zenml_server import starting

if TYPE_CHECKING:
    from collections.abc import Iterator

PRELOAD = (
    *WARM,
    "zenml.integrations.gcp.orchestrators.vertex_orchestrator",
    "zenml.integrations.gcp.service_connectors",
)
STACK = "own"


@contextmanager
def emulator(home: Path) -> Iterator[Project]:
    """Starts a ZenML server and a project, and leads this process to both."""
    with ExitStack() as stack:
        server = stack.enter_context(starting(home / "server"))
        proxy = stack.enter_context(tunnel.listening())
        # https://grpc.github.io/grpc/core/md_doc_environment_variables.html
        of_grpc = {"grpc_proxy": proxy.url}
        variables = {**image(), **of_grpc}
        project = stack.enter_context(Project(home / "google", preload=PRELOAD, image=variables))
        manager = stack.enter_context(resource_manager.answering(project))
        proxy.destinations |= {
            f"{project.region}-aiplatform.googleapis.com:443": project.grpc,
            f"{resource_manager.NAME}:443": manager,
        }
        os.environ.update({**project.environment(), **of_grpc})
        aiplatform.init(project=project.id, location=project.region)
        server.wait_until_up()
        os.environ.update(server.environment)
        yield project


def register_own(home: Path, project: Project) -> None:
    """Registers the stack, and activates it."""
    configuration = {
        "location": project.region,
        # Containers would take that of Google's project in which they run.
        "project": project.id,
        "pipeline_root": f"gs://{project.bucket}/root",
        "workload_service_account": f"steps@{project.id}.iam.gserviceaccount.com",
        # It waits for seconds before it looks again; we see for ourselves when it is done.
        "synchronous": False,
    }
    register(home, {STACK: ("vertex", configuration)}, store=register_shared_store())
    use(STACK, Path(pipelines.__file__).parent.parent)
