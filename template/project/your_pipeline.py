# YOURS: a pipeline to try the orchestrator with.
"""Three small steps, of which two have no need of each other: `python your_pipeline.py`.

load -> smallest
     -> largest
"""

from __future__ import annotations

from zenml import pipeline, step
from zenml.client import Client
from zenml.config import ResourceSettings

SMALL = ResourceSettings(cpu_count=1, memory="1GB")


@step(settings={"resources": SMALL})
def load() -> list[int]:
    """Returns a few numbers."""
    return [31, 4, 15]


@step(settings={"resources": SMALL})
def smallest(numbers: list[int]) -> int:
    """Finds the smallest one."""
    return min(numbers)


@step(settings={"resources": SMALL})
def largest(numbers: list[int]) -> int:
    """Finds the largest one."""
    return max(numbers)


@pipeline(enable_cache=False)
def your_pipeline() -> None:
    """Runs all three."""
    numbers = load()
    smallest(numbers)
    largest(numbers)


if __name__ == "__main__":
    run = your_pipeline()
    if run is not None:
        print(f"your_pipeline: {Client().get_pipeline_run(run.id).status.value}")
