"""A ZenML server, a stand-in cluster and a node, in the process of a program that uses them.

The stand-in is that of a generated project with the backend `kubernetes`, whose folder `tests` is
on Python's path. `kubernetes` and ZenML read some variables when they are imported, so whoever
starts the program sets them: KUBECONFIG, a file `kubeconfig` in the folder `home`, which is written
here, and ZENML_CONFIG_PATH. Where the ZenML server is, is asked for later, and set here.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import zenml_server
from kubernetes import config
from standin import Cluster
from standin_node import Node
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.enums import StackComponentType
from zenml.utils import source_utils

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zenml.config import Schedule
    from zenml.pipelines.pipeline_definition import Pipeline

CONTEXT = "stand-in"

# What images would bring.
IMAGE_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "ZENML_ANALYTICS_OPT_IN",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL",
)

# What every container imports. The node does so once, in advance.
PRELOAD = (
    "kubernetes.client",
    "kubernetes.config",
    "zenml.client",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.integrations.kubernetes.orchestrators.kubernetes_orchestrator",
    "zenml.integrations.registry",
    "zenml.materializers",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.pipelines.dynamic.entrypoint_configuration",
    "zenml.step_operators.step_operator_entrypoint_configuration",
    "zenml.zen_stores.rest_zen_store",
)


@contextmanager
def stand_in(home: Path, preload: Sequence[str] = ()) -> Iterator[tuple[Cluster, Node]]:
    """Starts the server, the cluster and the node, and stops them at the end.

    Args:
        home: An empty folder, the one of KUBECONFIG.
        preload: More modules that containers import.
    """
    with ExitStack() as stack:
        os.environ.update(stack.enter_context(zenml_server.running(home / "server")))
        (home / "cluster").mkdir()
        cluster = stack.enter_context(Cluster(home / "cluster"))
        cluster.write_kubeconfig(home / "kubeconfig", context=CONTEXT)
        of_node = cluster.write_kubeconfig(home / "kubeconfig-node", token=cluster.node_token)
        image = {name: value for name, value in os.environ.items() if name in IMAGE_VARIABLES}
        node = stack.enter_context(
            Node(
                config.new_client_from_config(str(of_node)),
                namespace=cluster.namespace,
                folder=home / "pods",
                log_folder=cluster.log_folder,
                preload=[*PRELOAD, *preload],
                environment={**image, "ZENML_CONFIG_PATH": str(home / "pod")},
            )
        )
        yield cluster, node


def register(home: Path, stacks: Mapping[str, Mapping[str, Any]], flavor: str) -> None:
    """Registers stacks that differ in their orchestrator.

    Args:
        home: The same folder.
        stacks: For each its name, and how the orchestrator is configured.
        flavor: The orchestrator's flavor.
    """
    zenml = Client()
    others = {
        StackComponentType.ARTIFACT_STORE: ("local", {"path": str(home / "artifacts")}),
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": "registry.invalid/tests"}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
    }
    (home / "artifacts").mkdir(exist_ok=True)
    for name, configuration in stacks.items():
        # The processes of this node share the files of this machine.
        wanted = {
            StackComponentType.ORCHESTRATOR: (
                flavor,
                {"kubernetes_context": CONTEXT, "skip_local_validations": True, **configuration},
            ),
            **others,
        }
        components = {
            kind: zenml.create_stack_component(name, flavor_name, kind, settings).id
            for kind, (flavor_name, settings) in wanted.items()
        }
        zenml.create_stack(name, components)


def use(stack: str, source_root: Path) -> None:
    """Activates a stack.

    Args:
        stack: Its name.
        source_root: The folder with the module of the pipelines.
    """
    Client().activate_stack(stack)
    source_utils.set_custom_source_root(str(source_root))


def runnable(pipeline: Pipeline, schedule: Schedule | None = None) -> Pipeline:
    """Gives a pipeline what it needs on the stand-in: an image that nobody has to build."""
    docker = DockerSettings(skip_build=True, parent_image="tests")
    return pipeline.with_options(settings={"docker": docker}, schedule=schedule)
