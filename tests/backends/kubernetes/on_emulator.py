"""A ZenML server, an emulated cluster and a node, in the process of a program that uses them.

The emulator is that of a generated project with the backend `kubernetes`, whose folder `tests` is
on Python's path. `kubernetes` and ZenML read some variables when they are imported, so whoever
starts the program sets them: KUBECONFIG, a file `kubeconfig` in the folder `home`, which is written
here, and ZENML_CONFIG_PATH. Where the ZenML server is, is asked for later, and set here.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import emulator_programs
from kit.kubernetes_emulator import Cluster, Node
from kit.zenml_server import starting
from kubernetes import config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CONTEXT = "emulator"

# What containers import.
PRELOAD = (
    *emulator_programs.WARM,
    "kubernetes.client",
    "kubernetes.config",
    "zenml.integrations.kubernetes.orchestrators.kubernetes_orchestrator",
)


@contextmanager
def emulator(home: Path, preload: Sequence[str] = ()) -> Iterator[tuple[Cluster, Node]]:
    """Starts the server, the cluster and the node, and stops them at the end.

    Args:
        home: An empty folder, the one of KUBECONFIG.
        preload: More modules that containers import.
    """
    with ExitStack() as stack:
        server = stack.enter_context(starting(home / "server"))
        (home / "cluster").mkdir()
        cluster = stack.enter_context(Cluster(home / "cluster"))
        cluster.write_kubeconfig(home / "kubeconfig", context=CONTEXT)
        of_node = cluster.write_kubeconfig(home / "kubeconfig-node", token=cluster.node_token)
        node = stack.enter_context(
            Node(
                config.new_client_from_config(str(of_node)),
                namespace=cluster.namespace,
                folder=home / "pods",
                log_folder=cluster.log_folder,
                preload=[*PRELOAD, *preload],
                environment=emulator_programs.image(),
            )
        )
        server.wait_until_up()
        os.environ.update(server.environment)
        yield cluster, node


def register(home: Path, stacks: Mapping[str, Mapping[str, Any]], flavor: str) -> None:
    """Registers stacks that differ in their orchestrator.

    Args:
        home: The same folder.
        stacks: For each its name, and how the orchestrator is configured.
        flavor: The orchestrator's flavor.
    """
    # The processes of this node share the files of this machine.
    here = {"kubernetes_context": CONTEXT, "skip_local_validations": True}
    orchestrators = {
        name: (flavor, {**here, **configuration}) for name, configuration in stacks.items()
    }
    emulator_programs.register(home, orchestrators)
