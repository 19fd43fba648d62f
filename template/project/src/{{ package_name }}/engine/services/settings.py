# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the services of clouds have alike of settings and config."""

from __future__ import annotations

from pydantic import BaseModel, NonNegativeInt, PositiveFloat, PositiveInt

from ..settings import JobConfig, JobSettings


class MachineConfig(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """A type of machine that resource settings may choose. What is misspelled is refused."""

    vcpus: PositiveInt
    """How many virtual CPUs it has."""

    memory_gib: PositiveFloat
    """How much memory it has, in GiB."""

    gpus: NonNegativeInt = 0
    """How many GPUs it has."""

    usd_per_hour: PositiveFloat
    """What it costs, in any currency: the cheapest that is enough is chosen."""


class CloudSettings(JobSettings):
    """What may change from one pipeline to the next."""

    schedule_time_zone: str = "UTC"
    """The time zone of a schedule's cron expression, such as `Europe/Zurich`."""


class CloudConfig(JobConfig, use_attribute_docstrings=True):
    """What ZenML asks the config of a service of a cloud."""

    skip_local_validations: bool = False
    """Whether the stack may have local components, though jobs run elsewhere."""

    @property
    def is_remote(self) -> bool:
        """Whether jobs need a ZenML server they can reach."""
        return True

    @property
    def is_schedulable(self) -> bool:
        """Whether there are schedules: they are the cloud's own."""
        return True

    @property
    def folder(self) -> str | None:
        """Where in the cloud's storage files of jobs go that are no artifacts, if it is set."""
        raise NotImplementedError
