"""Running pipelines with the backend `local`, against ZenML's own orchestrator of that name.

The limits compare like with like, so that they hold on a slow machine too: what is added to the
longest of parallel steps, with what ZenML adds to its steps; and CPU seconds with CPU seconds.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bench import HERE, program, run_client
from measure import Row, Sample, in_cpu
from plain_pytest import plain_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench import Bench

ZENML = "ZenML's `local`"

# The wide pipeline: so many steps that sleep for so many seconds.
STEPS, SECONDS = 8, 1.0


def rows(bench: Bench) -> Iterator[Row]:
    """Lets one client process run all of the pipelines on all of the stacks."""
    project = bench.installed("local")
    path = os.pathsep.join([project.environment["PYTHONPATH"], str(HERE)])
    found = run_client(
        sys.executable,
        program("local", "benchmark_client.py"),
        {"flavor": project.flavor, "rounds": bench.rounds, "steps": STEPS, "seconds": SECONDS},
        bench.folder / "local-home",
        project.environment | {"PYTHONPATH": path},
    )
    wide, chain = (
        {stack: [Sample(*sample) for sample in samples] for stack, samples in of_stacks.items()}
        for of_stacks in (found["wide"], found["chain"])
    )
    # ZenML runs one step after the other.
    yield Row(
        f"added to {STEPS} parallel steps of {SECONDS:g} s",
        beyond(SECONDS, wide["ours"]),
        f"added by {ZENML}",
        beyond(STEPS * SECONDS, wide["default"]),
        limit=2.5,
    )
    yield Row(
        "3 trivial steps, one by one, CPU seconds",
        in_cpu(chain["ours"]),
        ZENML,
        in_cpu(chain["default"]),
        limit=4.0,
    )
    what, cold = "3 trivial steps, one by one", "a cold process per step"
    yield Row(what, chain["ours"], cold, chain["cold"], limit=0.12)
    yield from plain_pytest(bench, "local", limit=20)


def beyond(seconds: float, samples: Sequence[Sample]) -> list[Sample]:
    """Returns how much longer it took than the steps themselves."""
    return [Sample(sample.value - seconds, sample.cpu) for sample in samples]
