"""Running pipelines with the backend `kubernetes`, against ZenML's own orchestrator of that name.

Both run on the emulated cluster of a generated project, one after the other: see
`benchmark_client.py`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from bench import HERE, TESTS, program, run_client
from measure import Row, Sample, value
from plain_pytest import plain_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

ZENML = "ZenML's `kubernetes`"


def rows(bench: Bench) -> Iterator[Row]:
    """Lets one client process run all of the pipelines on both stacks."""
    found = measured(bench)
    gaps, reports, calls = found["gaps"], found["reports"], found["calls"]
    what = "from a step's end to the next Job"
    yield Row(what, gaps["ours"], ZENML, gaps["zenml"], limit=0.1, most=0.15)
    what = "from the last step's end to `pipeline()`'s return"
    yield Row(what, reports["ours"], ZENML, reports["zenml"], most=0.3)
    submissions, requests = found["submissions"], found["requests"]
    what = "submission of 10 steps, CPU seconds"
    yield Row(what, submissions["ours"], ZENML, submissions["zenml"], most=0.02)
    what = "submission of 10 steps, API calls"
    yield Row(what, requests["ours"], ZENML, requests["zenml"], most=4)
    what = "API calls per step, chain of 10 steps"
    yield Row(what, calls["ours"], ZENML, calls["zenml"], most=4)
    # As many for each step, or fewer: what a run costs grows no faster than its steps.
    limit = max(value(calls["ours"]), 1)
    for size, samples in found["wide"].items():
        yield Row(f"API calls per step, {size} steps side by side", samples, most=limit)
    yield from plain_pytest(bench, "kubernetes", limit=40)


def measured(bench: Bench) -> dict[str, Any]:
    """Returns what the client has found: samples, by what was measured and on which stack."""
    project = bench.installed("kubernetes")
    home = bench.folder / "kubernetes-home"
    paths = [project.environment["PYTHONPATH"], project.source / "tests", TESTS, HERE]
    found = run_client(
        sys.executable,
        program("kubernetes", "benchmark_client.py"),
        {
            "flavor": project.flavor,
            "rbac": str(project.source / "rbac.yaml"),
            "rounds": bench.rounds,
            "sizes": [] if bench.quick else [50, 200],
        },
        home,
        project.environment
        | {
            "KUBECONFIG": str(home / "kubeconfig"),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        },
    )
    return {
        what: {
            of_what: [Sample(*sample) for sample in samples] for of_what, samples in each.items()
        }
        for what, each in found.items()
    }
