# YOURS: what a request for resources means
"""`ResourceSettings` as an instance type: the cheapest that has what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine.services.machine_choice import MachineType, asks_for_something, cheapest
from .instances import INSTANCE_TYPES
from .platform.aws import model_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from zenml.config.resource_settings import ResourceSettings

    from .config import Config

# What a step gets that asks for nothing. ZenML's own orchestrator has the same.
DEFAULTS = {"Training": "ml.m5.xlarge", "Processing": "ml.t3.medium"}


def instance_type(wanted: ResourceSettings, explicit: str | None, config: Config, kind: str) -> str:
    """Chooses an instance type.

    Args:
        wanted: What the step, or a dynamic pipeline's function, asks for.
        explicit: What the settings say, which wins.
        config: The orchestrator's config, which may have types of its own.
        kind: The kind of job, `Training` or `Processing`. Not all types are there for both.

    Returns:
        The name of the type.

    Raises:
        ValueError: If no known type is enough. It names those that come nearest.
    """
    if explicit is not None:
        return explicit
    if not asks_for_something(wanted):
        return DEFAULTS[kind]
    offered = model_of("sagemaker").shape_for(f"{kind}InstanceType").enum
    try:
        return cheapest(wanted, table(config, offered), f"type for {kind.lower()} jobs").name
    except ValueError as error:
        raise ValueError(
            f"{error} Ask for less, name a type as `instance_type`, or add one to the "
            "orchestrator's `instance_types`."
        ) from None


def table(config: Config, offered: Collection[str]) -> list[MachineType]:
    """Lists the types to choose from: the config's, and those of ours that SageMaker offers."""
    own = config.instance_types
    types = [MachineType(name, **each.model_dump()) for name, each in own.items()]
    if not config.only_these_instance_types:
        types += [each for each in INSTANCE_TYPES if each.name in offered and each.name not in own]
    return types
