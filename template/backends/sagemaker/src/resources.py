# YOURS: what a request for resources means
"""`ResourceSettings` as an instance type: the cheapest that has what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine.services.machine_choice import MachineType, asks_for_something, cheapest
from .instances import INSTANCE_TYPES
from .platform.aws import model_of

if TYPE_CHECKING:
    from zenml.config.resource_settings import ResourceSettings

    from .config import Config

# What a step gets that asks for nothing. ZenML's own orchestrator has the same.
DEFAULT_TRAINING = "ml.m5.xlarge"
DEFAULT_PROCESSING = "ml.t3.medium"


def instance_type(
    wanted: ResourceSettings, explicit: str | None, config: Config, *, training: bool
) -> str:
    """Chooses an instance type.

    Args:
        wanted: What the step, or a dynamic pipeline's function, asks for.
        explicit: What the settings say, which wins.
        config: The orchestrator's config, which may have types of its own.
        training: Whether it is for a training job. Not all types are there for both kinds.

    Returns:
        The name of the type.

    Raises:
        ValueError: If no known type is enough. It names those that come nearest.
    """
    if explicit is not None:
        return explicit
    if not asks_for_something(wanted):
        return DEFAULT_TRAINING if training else DEFAULT_PROCESSING
    kind = "training" if training else "processing"
    try:
        return cheapest(wanted, table(config, training=training), f"type for {kind} jobs").name
    except ValueError as error:
        raise ValueError(
            f"{error} Ask for less, name a type as `instance_type`, or add one to the "
            "orchestrator's `instance_types`."
        ) from None


def table(config: Config, *, training: bool) -> list[MachineType]:
    """Lists the types to choose from: ours and the config's, as far as SageMaker has them."""
    types = {} if config.only_these_instance_types else {each.name: each for each in INSTANCE_TYPES}
    offered = offered_types("Training" if training else "Processing")
    types = {name: each for name, each in types.items() if name in offered}
    own = config.instance_types.items()
    types |= {name: MachineType(name, **each.model_dump()) for name, each in own}
    return list(types.values())


def offered_types(kind: str) -> frozenset[str]:
    """Returns what boto3 knows as instance types of a kind of job, `Training` or `Processing`."""
    return frozenset(model_of("sagemaker").shape_for(f"{kind}InstanceType").enum)
