# YOURS: the parts of settings that have parts themselves
"""The parts of settings that have parts themselves. What is misspelled in them is refused."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt
from zenml.config.base_settings import BaseSettings

from .engine.services.settings import MachineConfig


class MachineTypeConfig(MachineConfig, frozen=True):
    """A machine type that resource settings may choose."""

    machine_type: str | None = None
    """What Vertex AI calls it. Default: the name it has here. Needed if a type is here more than
    once, with different GPUs.
    """

    accelerator: str | None = None
    """The kind of its GPUs, such as `NVIDIA_TESLA_T4`."""


class CustomJobParameters(BaseSettings):
    """How a custom job is to be, beyond what `ResourceSettings` say."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    machine_type: str | None = None
    """The machine type, such as `n1-standard-8`. It wins over the `ResourceSettings`. Default: the
    cheapest that has what they ask for, or, if they ask for nothing, `n1-standard-4`.
    """

    accelerator_type: str | None = None
    """The kind of GPUs for `machine_type`, such as `NVIDIA_TESLA_T4`."""

    accelerator_count: NonNegativeInt = 0
    """How many GPUs `machine_type` has."""

    boot_disk_size_gb: PositiveInt = 100
    """Size of the disk, in GB."""

    boot_disk_type: str = "pd-ssd"
    """Type of the disk."""

    persistent_resource_id: str | None = None
    """ID of a persistent resource that the job runs on. It needs a service account, and the machine
    type that the resource has.
    """

    service_account: str | None = None
    """E-mail of the job's service account. Default: `workload_service_account`."""

    job_arguments: dict[str, Any] = Field(default_factory=dict)
    """Anything else of a `CustomJob`, as the reference of the REST API has it
    (https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs), such
    as `{'jobSpec': {'scheduling': {'strategy': 'SPOT'} } }`. It is merged into the request.
    """
