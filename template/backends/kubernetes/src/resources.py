# YOURS: what a request for resources means
"""`ResourceSettings` as what a container requests, and is limited to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zenml.config.resource_settings import ResourceSettings

# A container's resources: `requests` and `limits`, each a quantity for each resource.
Resources = dict[str, dict[str, str]]

# What a Python process with ZenML takes at least. A pod that requests nothing is put on any
# node, however full, and is the first to go when memory runs out.
LEAST_MEMORY = "400Mi"


def quantities(settings: ResourceSettings, gpu_resource: str) -> dict[str, str]:
    """Returns a quantity for each resource that a step or a pipeline asks for.

    Args:
        settings: What it asks for.
        gpu_resource: What the cluster calls its GPUs, such as `nvidia.com/gpu`.
    """
    quantities = {}
    if settings.cpu_count:
        # In thousandths, the finest that Kubernetes knows.
        thousandths = math.ceil(settings.cpu_count * 1000)
        whole, rest = divmod(thousandths, 1000)
        quantities["cpu"] = f"{thousandths}m" if rest else str(whole)
    if settings.memory:
        quantities["memory"] = quantity(settings.memory)
    if settings.gpu_count:
        quantities[gpu_resource] = str(settings.gpu_count)
    return quantities


def container_resources(wanted: Mapping[str, str], explicit: Resources) -> Resources:
    """Puts a container's requests and limits together.

    Args:
        wanted: What the `ResourceSettings` ask for. It is both: the node keeps it free, and the
            container gets no more.
        explicit: What the pod settings say. A resource that they name, they decide, since a
            request from one place and a limit from the other might contradict each other.
    """
    named = {name for quantities in explicit.values() for name in quantities}
    ours = {name: value for name, value in wanted.items() if name not in named}
    resources = {kind: {**ours, **explicit.get(kind, {})} for kind in ("requests", "limits")}
    if "memory" not in named | set(ours):
        resources["requests"]["memory"] = LEAST_MEMORY
    return {kind: quantities for kind, quantities in resources.items() if quantities}


def quantity(memory: str) -> str:
    """Writes an amount of memory as Kubernetes does: `4GB` as `4G`, `512MiB` as `512Mi`.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    return memory.removesuffix("B").replace("K", "k").replace("ki", "Ki")
