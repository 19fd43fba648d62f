# YOURS: what `ResourceSettings` and settings mean to the scheduler.
"""`ResourceSettings` and settings as options of `sbatch`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenml.config import ResourceSettings

    from .config import Settings


def options(resources: ResourceSettings, settings: Settings) -> list[str]:
    """Returns what a job asks for. CPUs are whole ones, and memory whole MiB, rounded up."""
    kibibytes = resources.get_memory("KiB") or 0
    gpu = f"gpu:{settings.gpu_type}" if settings.gpu_type else "gpu"
    asked = {
        "cpus-per-task": resources.cpu_count and str(math.ceil(resources.cpu_count)),
        "mem": f"{math.ceil(kibibytes / 1024)}M" if kibibytes else None,
        "gres": f"{gpu}:{resources.gpu_count}" if resources.gpu_count else None,
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "time": settings.time_limit,
        "constraint": settings.constraint,
    }
    found = [f"--{name}={value}" for name, value in asked.items() if value]
    return found + ["--exclusive"] * settings.exclusive + list(settings.extra_arguments)
