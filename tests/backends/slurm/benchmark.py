"""The engine on a real Slurm, beside a bare loop of `sbatch`; and the tests of a fresh project."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from backends.slurm.real_slurm import PACKAGES, NoSlurmError, RealSlurm, unpack
from bench import TESTS, program, run_client
from measure import Row, Sample
from plain_pytest import plain_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

STEPS = 100


def rows(bench: Bench) -> Iterator[Row]:
    """Runs steps of a second in 4 lanes."""
    try:
        root = unpack(PACKAGES)
    except NoSlurmError as error:
        print(f"Nothing is measured on a real Slurm: {error}", file=sys.stderr)
        return
    project = bench.installed("slurm")
    folder = bench.folder / "slurm"
    folder.mkdir()
    with RealSlurm(root, folder).running() as slurm:
        paths = [project.environment["PYTHONPATH"], project.source / "tests", TESTS]
        found = run_client(
            sys.executable,
            program("slurm", "benchmark_client.py"),
            {
                "package": project.package,
                "rounds": 1 if bench.quick else 3,
                "steps": 8 if bench.quick else STEPS,
            },
            bench.folder / "slurm-home",
            {
                **slurm.environment(project.environment),
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
            },
        )
    ours = found["engine"]
    what = f"{8 if bench.quick else STEPS} steps of 1 s in 4 lanes"
    loop = [Sample(seconds) for seconds in found["loop"]]
    yield Row(what, [Sample(each["wall"]) for each in ours], "a loop of sbatch", loop, limit=1.15)
    gaps = [Sample(gap) for each in ours for gap in each["gaps"]]
    yield Row("from a step's end to the next job's submission", gaps, most=1.0)
    yield Row("the controller's CPU seconds per step", [Sample(e["cpu"]) for e in ours], most=0.01)
    queries = [Sample(each["queries_per_second"]) for each in ours]
    yield Row("squeue calls per second, polling interval 1 s", queries, most=1.0)
    yield from plain_pytest(bench, "slurm", limit=40)
