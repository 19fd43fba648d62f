# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The cheapest machine that has what `ResourceSettings` ask for, of those that a service names."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from zenml.config.resource_settings import ByteUnit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zenml.config.resource_settings import ResourceSettings

# How many types an error names that come near.
NEAREST = 3


@dataclass(frozen=True)
class MachineType:
    """One type of machine, with a number of GPUs, and what it offers.

    Attributes:
        name: The name that the service knows.
        vcpus: The number of virtual CPUs.
        memory_gib: The memory, in GiB (2**30 bytes).
        usd_per_hour: The price, GPUs included. It only puts types in order.
        gpus: The number of whole GPUs.
        accelerator: The kind of GPUs, where a service lets one choose it; None without GPUs.
    """

    name: str
    vcpus: int
    memory_gib: float
    usd_per_hour: float
    gpus: int = 0
    accelerator: str | None = None

    def __str__(self) -> str:
        """Says what it has, for people."""
        kind = f"{self.gpus} x {self.accelerator}" if self.accelerator else f"{self.gpus} GPUs"
        gpus = f", {kind}" if self.gpus else ""
        return f"{self.name} ({self.vcpus} CPUs, {self.memory_gib:g} GiB{gpus})"


def read_types(table: Path) -> tuple[MachineType, ...]:
    """Reads types from a table.

    Args:
        table: A file of comma-separated values, the fields' names first. What is empty has its
            default. A line that begins with `#` is a comment.

    Raises:
        ValueError: If a type lacks something, or has a wrong number. It says which one.
    """
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    given = [{name: value for name, value in row.items() if value} for row in rows]
    return TypeAdapter(tuple[MachineType, ...]).validate_python(given)


def cheapest(wanted: ResourceSettings, known: Sequence[MachineType], what: str) -> MachineType:
    """Chooses a type of machine.

    Args:
        wanted: What is asked for.
        known: The types there are.
        what: What the types are called, for the error.

    Raises:
        ValueError: If none is enough. It names those that come nearest.
    """
    if not wanted.gpu_count:
        known = [each for each in known if not each.gpus]  # They cost far more than memory does.
    enough = [each for each in known if not missing(wanted, each)]
    if enough:
        return min(enough, key=lambda each: each.usd_per_hour)
    nearest = sorted(known, key=lambda each: distance(wanted, each))[:NEAREST]
    raise ValueError(
        f"No known {what} has {described(wanted)}. "
        f"The nearest are {', '.join(map(str, nearest)) or 'none'}."
    )


def asks_for_something(wanted: ResourceSettings) -> bool:
    """Tells whether there is anything to choose by."""
    return bool(wanted.cpu_count or wanted.memory or wanted.gpu_count)


def gib(wanted: ResourceSettings) -> float:
    """Returns how much memory is asked for, in GiB."""
    return float(wanted.get_memory(ByteUnit.GIB) or 0)


def missing(wanted: ResourceSettings, offered: MachineType) -> list[float]:
    """Lists by which share each thing falls short that a type has too little of."""
    pairs = [
        (wanted.cpu_count or 0, offered.vcpus),
        (gib(wanted), offered.memory_gib),
        (wanted.gpu_count or 0, offered.gpus),
    ]
    return [1 - has / wants for wants, has in pairs if has < wants]


def distance(wanted: ResourceSettings, offered: MachineType) -> tuple[int, float, float]:
    """Orders types by how near they come: how much is missing, then the price."""
    short = missing(wanted, offered)
    return len(short), math.fsum(short), offered.usd_per_hour


def described(wanted: ResourceSettings) -> str:
    """Names what is asked for."""
    parts = [
        f"cpu_count={wanted.cpu_count:g}" if wanted.cpu_count else "",
        f"memory={wanted.memory}" if wanted.memory else "",
        f"gpu_count={wanted.gpu_count}" if wanted.gpu_count else "",
    ]
    return ", ".join(filter(None, parts))
