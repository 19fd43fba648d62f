"""What is submitted to measure the backends of clouds, and how their clients are run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bench import HERE, TESTS, program, run_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench import Bench
    from environments import Environment

# What is submitted: the number of steps.
FIRST = "first submission, of 10 steps"
FEW = "submission of 10 steps"
MANY = "submission of 200 steps"
QUICK = {FIRST: 10, FEW: 10}
SUBMISSIONS = {**QUICK, "submission of 50 steps": 50, MANY: 200}


def measured(
    bench: Bench, backend: str, environment: Environment, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Returns what the client for a backend has found, see `submissions.measure`.

    Args:
        bench: Where.
        backend: The backend.
        environment: Where our package and what ZenML's own orchestrator needs are installed.
        variables: What the client's environment variables are beside those of a project.
    """
    project = bench.installed(backend)
    path = [project.source / "tests", TESTS, HERE]
    return run_client(
        environment.python,
        program(backend, "benchmark_client.py"),
        {
            "flavor": project.flavor,
            "rounds": bench.rounds,
            "submissions": QUICK if bench.quick else SUBMISSIONS,
        },
        bench.folder / f"{backend}-home",
        {
            **project.environment,
            **(variables or {}),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
        },
    )
