# YOURS: what `ResourceSettings` mean on your service.
"""`ResourceSettings` as the service takes them, and what no machine of it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenml.config import ResourceSettings

    from .config import Config


def read_resources(settings: ResourceSettings) -> dict[str, float]:
    """Returns the CPUs, the bytes of memory and the GPUs that were asked for; none by default."""
    kilobytes = settings.get_memory("KB") or 0  # ZenML 0.95 has no unit of one byte.
    asked = {
        "cpus": settings.cpu_count,
        "memory": round(1000 * kilobytes),
        "gpus": settings.gpu_count,
    }
    return {name: amount for name, amount in asked.items() if amount}


def shortfalls(asked: dict[str, float], config: Config) -> list[str]:
    """Says of which resources a job asks for more than the largest machine has."""
    compared = (
        ("cpu_count", asked.get("cpus", 0), config.cpu_count, ""),
        ("memory", asked.get("memory", 0) / 1e9, config.memory_gigabytes, "GB"),
        ("gpu_count", asked.get("gpus", 0), config.gpu_count, ""),
    )
    return [
        f"{name}={asks:g}{unit}, the largest machine has {has:g}{unit}"
        for name, asks, has, unit in compared
        if has is not None and asks > has
    ]
