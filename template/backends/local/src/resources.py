# YOURS: what `ResourceSettings` mean on this machine, and what it has to give.
"""`ResourceSettings` as numbers, and what this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import psutil
from zenml.config.resource_settings import ByteUnit, ResourceSettings

from .engine.processes.reservations import Capacity, Resources

if TYPE_CHECKING:
    from .config import Config


def from_settings(settings: ResourceSettings) -> Resources:
    """Reads the settings of a step: CPUs, bytes and GPUs. What was not set is not asked for."""
    return Resources(settings.cpu_count or 0.0, in_bytes(settings), settings.gpu_count)


def detect_capacity(config: Config) -> Capacity:
    """Finds out what all steps together can reserve: from the config, or else the machine."""
    memory = in_bytes(ResourceSettings(memory=config.memory))
    return Capacity(
        cpus=config.cpu_count or usable_cpus(),
        memory=memory or psutil.virtual_memory().total,
        gpus=tuple(visible_gpus() if config.gpus is None else config.gpus),
    )


def shortfalls(wanted: Resources, capacity: Capacity) -> list[str]:
    """Compares a request with the whole machine.

    Returns:
        A phrase for each resource of which the machine has too little, even when nothing else
        runs. Empty if the request can be met.
    """
    gpus = wanted.gpus or 0
    found = []
    if wanted.cpus > capacity.cpus:
        found.append(f"cpu_count={wanted.cpus:g}, this machine has {capacity.cpus:g}")
    if wanted.memory > capacity.memory:
        asked, has = format_bytes(wanted.memory), format_bytes(capacity.memory)
        found.append(f"memory={asked}, this machine has {has}")
    if gpus > len(capacity.gpus):
        found.append(f"gpu_count={gpus}, this machine has {len(capacity.gpus)}")
    return found


def in_bytes(settings: ResourceSettings) -> int:
    """Reads the memory setting; 0 if there is none."""
    # Not in bytes, for which ZenML 0.95 has no unit.
    return round(1000 * (settings.get_memory(ByteUnit.KB) or 0))


def format_bytes(count: int) -> str:
    """Writes a number of bytes for a person, in units of 1000: `1TB`, `16.77GB`."""
    for exponent, unit in ((5, "PB"), (4, "TB"), (3, "GB"), (2, "MB")):
        if count >= 1000**exponent:
            return f"{count / 1000**exponent:.4g}{unit}"
    return f"{count / 1000:g}KB"


def usable_cpus() -> int:
    """Counts the CPUs this process may run on (taskset and cpusets included)."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Lists the GPUs a step could use.

    Returns:
        The entries of CUDA_VISIBLE_DEVICES if it is set
        (https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html),
        otherwise the indices that `nvidia-smi` reports; none without a driver that answers.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device.strip() for device in visible.split(",") if device.strip()]
    nvidia_smi = shutil.which("nvidia-smi")
    if nvidia_smi is None:
        return []
    command = [nvidia_smi, "--query-gpu=index", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return []
    return listing.stdout.split() if listing.returncode == 0 else []
