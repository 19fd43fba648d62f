"""The engine's controller alone: what it adds to a run of many steps, and whether that grows.

It runs on a platform and a store in memory, in virtual time: see `engine_client.py`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bench import HERE, run_client
from measure import Row, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

FEW, MANY = 200, 2000

# Of a run of `MANY` steps, per step.
MAX_MILLISECONDS = 1.0
MAX_KILOBYTES = 5.0


def rows(bench: Bench) -> Iterator[Row]:
    """Lets one process execute runs of all kinds and both sizes."""
    found = measured(bench)
    for name, of_case in found.items():
        few, many = (samples(of_case["milliseconds"][str(size)]) for size in (FEW, MANY))
        what = f"CPU milliseconds per step, {MANY} steps, {name}"
        yield Row(what, many, f"{FEW} steps", few, most=MAX_MILLISECONDS)
    # These are the same each time, so the worst case says it all.
    worst = max(found, key=lambda name: value_of(found[name]["kilobytes"][0]))
    what = f"memory per further step, kB, {worst}"
    yield Row(what, samples(found[worst]["kilobytes"]), most=MAX_KILOBYTES)
    for asked in ("platform", "ZenML"):
        yield growth(found, asked)


def growth(found: dict[str, Any], asked: str) -> Row:
    """Returns the row of the case in which requests per step grow most with the number of steps.

    A run's beginning and end, where fewer jobs are in progress, weigh more in a short one: that
    makes two or three per cent, with 20,000 steps too.
    """

    def of(name: str, size: int) -> Sample:
        return Sample(*found[name]["requests"][str(size)][asked])

    worst = max(found, key=lambda name: of(name, MANY).value / of(name, FEW).value)
    few, many = ([of(worst, size)] for size in (FEW, MANY))
    what = f"requests to {asked} per step, {MANY} steps, {worst}"
    return Row(what, many, f"{FEW} steps", few, limit=1.05)


def samples(found: list[list[float]]) -> list[Sample]:
    """Reads samples from JSON."""
    return [Sample(*sample) for sample in found]


def value_of(found: list[float]) -> float:
    """Reads the value of a sample from JSON."""
    return Sample(*found).value


def measured(bench: Bench) -> dict[str, Any]:
    """Returns what the process has found."""
    # The engine is the same for each backend that has it.
    project = bench.installed("local")
    path = os.pathsep.join([project.environment["PYTHONPATH"], str(HERE)])
    return run_client(
        sys.executable,
        HERE / "engine_client.py",
        {"rounds": bench.rounds, "few": FEW, "many": MANY},
        bench.folder / "engine-home",
        project.environment | {"PYTHONPATH": path},
    )
