# YOURS: the parts of settings that have parts themselves
"""The parts of settings that have parts themselves. What is misspelled in them is refused."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt
from zenml.config.base_settings import BaseSettings


class MachineTypeConfig(BaseSettings):
    """A machine type that resource settings may choose."""

    model_config = ConfigDict(extra="forbid")

    vcpus: PositiveInt = Field(description="How many virtual CPUs it has.")
    memory_gib: PositiveFloat = Field(description="How much memory it has, in GiB.")
    machine_type: str | None = Field(
        default=None,
        description="What Vertex AI calls it. Default: the name it has here. Needed if a type is "
        "here more than once, with different GPUs.",
    )
    accelerator: str | None = Field(
        default=None, description="The kind of its GPUs, such as `NVIDIA_TESLA_T4`."
    )
    gpus: NonNegativeInt = Field(default=0, description="How many GPUs it has.")
    usd_per_hour: PositiveFloat = Field(
        description="What it costs, in any currency: the cheapest that is enough is chosen."
    )


class CustomJobParameters(BaseSettings):
    """How a custom job is to be, beyond what `ResourceSettings` say."""

    model_config = ConfigDict(extra="forbid")

    machine_type: str | None = Field(
        default=None,
        description=(
            "The machine type, such as `n1-standard-8`. It wins over the `ResourceSettings`. "
            "Default: the cheapest that has what they ask for, or, if they ask for nothing, "
            "`n1-standard-4`."
        ),
    )
    accelerator_type: str | None = Field(
        default=None,
        description="The kind of GPUs for `machine_type`, such as `NVIDIA_TESLA_T4`.",
    )
    accelerator_count: NonNegativeInt = Field(
        default=0, description="How many GPUs `machine_type` has."
    )
    boot_disk_size_gb: PositiveInt = Field(default=100, description="Size of the disk, in GB.")
    boot_disk_type: str = Field(default="pd-ssd", description="Type of the disk.")
    persistent_resource_id: str | None = Field(
        default=None,
        description=(
            "ID of a persistent resource that the job runs on. It needs a service account, and "
            "the machine type that the resource has."
        ),
    )
    service_account: str | None = Field(
        default=None,
        description="E-mail of the job's service account. Default: `workload_service_account`.",
    )
    job_arguments: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "Anything else of a `CustomJob`, as the reference of the REST API has it "
            "(https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs),"
            " such as `{'jobSpec': {'scheduling': {'strategy': 'SPOT'} } }`. It is merged into the "
            "request."
        ),
    )
