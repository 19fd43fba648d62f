"""What the backend `vertex` has from writing specifications of pipelines without kfp.

The reference is the same package with kfp: what it would weigh, how long its import would take, and
how long kfp's compiler takes to write the same specification.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backends.vertex.benchmark_environments import environment, wheel_of
from bench import HERE, program, run_client
from environments import compared
from measure import Row, Sample, alternate, process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

WITH_KFP = "with kfp"
# It is what ZenML's own orchestrator works with.
KFP = "kfp>=2.14,<3"

STEPS = 200
# What is written: how many environment variables each step has. ZenML has about a dozen.
WRITTEN = {f"write {STEPS} steps with a dozen variables": 12, f"write {STEPS} steps with one": 1}


def rows(bench: Bench) -> Iterator[Row]:
    """Installs the package without kfp and with it, and measures both."""
    project = bench.installed("vertex")
    wheel = str(wheel_of(project))
    base = environment(bench, "base").size()
    ours = environment(bench, "ours", wheel)
    with_kfp = environment(bench, "kfp", wheel, KFP)
    sizes = {"ours": [ours.size() - base], "kfp": [with_kfp.size() - base]}
    yield compared("installed beside ZenML, MB", WITH_KFP, sizes)

    def imported(python: str, modules: str) -> Sample:
        return process(
            *(python, "-W", "ignore", "-c", f"import {modules}"), environment=bench.environment
        )

    orchestrator = f"{project.package}.orchestrator"
    samples = alternate(
        2 * bench.rounds,
        {
            "ours": partial(imported, ours.python, orchestrator),
            "kfp": partial(imported, with_kfp.python, f"{orchestrator}, kfp.compiler, kfp.dsl"),
        },
    )
    yield Row("import the orchestrator", samples["ours"], WITH_KFP, samples["kfp"])

    found = run_client(
        with_kfp.python,
        program("vertex", "benchmark_specs_client.py"),
        {
            "package": project.package,
            "rounds": bench.rounds,
            "steps": STEPS,
            "written": WRITTEN,
        },
        bench.folder / "vertex-spec-home",
        bench.environment | {"PYTHONPATH": str(HERE), "ZENML_ANALYTICS_OPT_IN": "false"},
    )
    for what, seconds in found.items():
        yield compared(f"{what}, CPU seconds", WITH_KFP, seconds)
