"""The pipelines that `benchmark_client.py` runs. Steps import this module in their pods."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zenml import pipeline, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zenml.pipelines.pipeline_definition import Pipeline


@step
def work(seconds: float, before: int) -> int:
    """Takes some time, but no processor."""
    time.sleep(seconds)
    return before + 1


def chain(lengths: Sequence[float]) -> Pipeline:
    """Makes a pipeline whose steps wait for each other, and take so many seconds."""

    @pipeline(name=f"chain{len(lengths)}", enable_cache=False)
    def made() -> None:
        value = 0
        for seconds in lengths:
            value = work(seconds, value)

    return made


def wide(number: int) -> Pipeline:
    """Makes a pipeline with so many trivial steps that do not wait for each other."""

    @pipeline(name=f"wide{number}", enable_cache=False)
    def made() -> None:
        for _ in range(number):
            work(0.0, 0)

    return made
