# YOURS: what a request for resources means
"""`ResourceSettings` as limits of a task, or as the machine of a custom job."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zenml.config.resource_settings import ByteUnit

from .engine.services.machine_choice import (
    MachineType,
    asks_for_something,
    cheapest,
    described,
)
from .platform.machines import MACHINE_TYPES

if TYPE_CHECKING:
    from zenml.config.resource_settings import ResourceSettings

    from .config import Config
    from .parameters import CustomJobParameters

# The machine of a custom job that asks for nothing. ZenML's own orchestrator has the same. A task
# gets what the service chooses, an e2-standard-4.
DEFAULT_MACHINE_TYPE = "n1-standard-4"

# What a task may have: https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
MOST_CPUS = 96
MOST_MEMORY_GB = 624

REMEDIES = (
    "Ask for less, name a machine as `machine_type` in `custom_job_parameters`, or add one to the "
    "orchestrator's `machine_types`."
)


def limits(
    wanted: ResourceSettings, accelerator_type: str | None, config: Config
) -> dict[str, Any]:
    """Returns the limits of a pipeline's task. The service chooses a machine by them.

    Args:
        wanted: What the step asks for.
        accelerator_type: The kind of GPUs, if the settings say it.
        config: The orchestrator's config, which may have machine types of its own.

    Returns:
        The `resources` of the container, as kfp writes them: each both as a number, of CPUs and of
        GB (10**9 bytes), and as a text.

    Raises:
        ValueError: If a task cannot have as much.
    """
    cores, megabytes = wanted.cpu_count, math.ceil(wanted.get_memory(ByteUnit.MB) or 0)
    if (cores or 0) > MOST_CPUS or megabytes > MOST_MEMORY_GB * 1000:
        raise ValueError(
            f"It asks for {described(wanted)}. A task has at most {MOST_CPUS} CPUs and "
            f"{MOST_MEMORY_GB}GB: ask for less, or name a `machine_type` in "
            "`custom_job_parameters`."
        )
    found: dict[str, Any] = {}
    if cores:
        found |= {"cpuLimit": float(cores), "resourceCpuLimit": cpus(cores)}
    if megabytes:
        found |= {"memoryLimit": megabytes / 1000, "resourceMemoryLimit": f"{megabytes}M"}
    if wanted.gpu_count:
        kind, count = accelerator(wanted, accelerator_type, config)
        found["accelerator"] = {
            "type": kind,
            "count": str(count),
            "resourceType": kind,
            "resourceCount": str(count),
        }
    return found


def cpus(count: float) -> str:
    """Writes a number of CPUs, in thousandths if it is no whole one."""
    return str(int(count)) if count == int(count) else f"{math.ceil(count * 1000)}m"


def accelerator(
    wanted: ResourceSettings, accelerator_type: str | None, config: Config
) -> tuple[str, int]:
    """Chooses the kind of GPUs of a task, and how many: there are no machines with three, say."""
    if accelerator_type and not of_kind(table(config), accelerator_type):
        assert wanted.gpu_count is not None
        return accelerator_type, wanted.gpu_count
    chosen = choose(wanted, accelerator_type, config)
    assert chosen.accelerator is not None
    return chosen.accelerator, chosen.gpus


def machine_spec(
    wanted: ResourceSettings,
    accelerator_type: str | None,
    parameters: CustomJobParameters,
    config: Config,
) -> dict[str, Any]:
    """Chooses the machine of a custom job.

    Args:
        wanted: What the step, or a dynamic pipeline's function, asks for.
        accelerator_type: The kind of GPUs, if the settings say it.
        parameters: What the settings say of the job. A `machine_type` there wins.
        config: The orchestrator's config, which may have machine types of its own.

    Returns:
        The `machineSpec` of the job.

    Raises:
        ValueError: If no known type is enough. It names those that come nearest.
    """
    if parameters.machine_type is not None:
        return spec(
            parameters.machine_type, parameters.accelerator_type, parameters.accelerator_count
        )
    if parameters.persistent_resource_id:
        raise ValueError(
            "`custom_job_parameters` name a persistent resource and no `machine_type`: set it to "
            "the one that the resource has."
        )
    if parameters.accelerator_type or parameters.accelerator_count:
        raise ValueError(
            "`custom_job_parameters` name GPUs and no `machine_type`: set it too, or ask for GPUs "
            "by `ResourceSettings.gpu_count` and `accelerator_type`."
        )
    if not asks_for_something(wanted):
        return spec(DEFAULT_MACHINE_TYPE, None, 0)
    chosen = choose(wanted, accelerator_type, config)
    return spec(chosen.name, chosen.accelerator, chosen.gpus)


def spec(machine_type: str, accelerator_type: str | None, count: int) -> dict[str, Any]:
    """Writes the machine of a custom job."""
    if bool(accelerator_type) != bool(count):
        raise ValueError(
            f"`{machine_type}` has {count} GPUs of the kind {accelerator_type}: set "
            "`accelerator_type` and `accelerator_count`, or neither of them."
        )
    found: dict[str, Any] = {"machineType": machine_type}
    if accelerator_type:
        found |= {"acceleratorType": accelerator_type, "acceleratorCount": count}
    return found


def choose(wanted: ResourceSettings, accelerator_type: str | None, config: Config) -> MachineType:
    """Chooses the cheapest machine type that has what is asked for.

    Raises:
        ValueError: If there is none.
    """
    known = table(config)
    if wanted.gpu_count and accelerator_type:
        known = of_kind(known, accelerator_type)
    kind = f"machine type with {accelerator_type}" if accelerator_type else "machine type"
    try:
        return cheapest(wanted, known, kind)
    except ValueError as error:
        raise ValueError(f"{error} {REMEDIES}") from None


def of_kind(known: list[MachineType], accelerator_type: str) -> list[MachineType]:
    """Returns the machine types with a kind of GPUs."""
    return [each for each in known if each.accelerator == accelerator_type]


def table(config: Config) -> list[MachineType]:
    """Lists the types to choose from: ours and the config's."""
    ours = [] if config.only_these_machine_types else list(MACHINE_TYPES)
    theirs = [
        MachineType(each.machine_type or name, **each.model_dump(exclude={"machine_type"}))
        for name, each in config.machine_types.items()
    ]
    replaced = {(each.name, each.gpus) for each in theirs}
    return [each for each in ours if (each.name, each.gpus) not in replaced] + theirs
