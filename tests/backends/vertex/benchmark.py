"""The backend `vertex`, against ZenML's own orchestrator of that name.

Each is installed as its users do it, in a virtual environment of its own: that tells what its
requirements weigh, and how long its import takes. In a third one, both submit to the emulator of a
generated project: see `benchmark_client.py`. What it has from doing without kfp is measured in
`benchmark_specs.py`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from backends.vertex import benchmark_specs
from backends.vertex.benchmark_environments import environment, wheel_of
from clouds import FIRST, MANY, measured
from environments import BASE, compared
from measure import Row, Sample, alternate, process
from plain_pytest import plain_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

ZENML = "ZenML's `vertex`"

# What ZenML says that its orchestrator needs, and the login, without which it does not submit. The
# bounds keep pip and uv from trying very old versions of kfp, with which it does not work.
REQUIREMENTS = (
    BASE.replace("[local]", "[local,vertex,connectors-gcp]"),
    "kfp>=2.14,<3",
    "google-cloud-aiplatform>=1.100,<2",
)

ORCHESTRATOR = "zenml.integrations.gcp.orchestrators.vertex_orchestrator"

# The highest ratios of CPU seconds. Few steps have none: then both mostly log in and connect. The
# first submission of a process is where ours imports Google's login; ZenML's own has it by then.
LIMITS = {FIRST: 1, MANY: 0.1}
# Whatever the number of steps, the pipeline job is created, and that is all.
REQUESTS = 1


def rows(bench: Bench) -> Iterator[Row]:
    """Installs both, and measures the size, the import and submissions."""
    project = bench.installed("vertex")
    wheel = wheel_of(project)
    base = environment(bench, "base").size()
    ours = environment(bench, "ours", str(wheel))
    theirs = environment(bench, "zenml", *REQUIREMENTS)
    sizes = {"ours": [ours.size() - base], "zenml": [theirs.size() - base]}
    yield compared("installed beside ZenML, MB", ZENML, sizes)

    def imported(python: str, module: str) -> Sample:
        # Google's libraries warn of versions of Python that are to end in some years.
        return process(
            *(python, "-W", "ignore", "-c", f"import {module}"), environment=bench.environment
        )

    samples = alternate(
        2 * bench.rounds,
        {
            "ours": partial(imported, ours.python, f"{project.package}.orchestrator"),
            "zenml": partial(imported, theirs.python, ORCHESTRATOR),
        },
    )
    yield Row("import the orchestrator", samples["ours"], ZENML, samples["zenml"], limit=0.4)

    # The emulator needs what the project's tests need.
    tests = f"{project.source.name}[test] @ {wheel.as_uri()}"
    both = environment(bench, "both", tests, *REQUIREMENTS)
    found = measured(bench, "vertex", both)
    what = "a process, up to its first submission, CPU seconds"
    yield compared(what, ZENML, found["process"])
    for what, seconds in found["seconds"].items():
        yield compared(f"{what}, CPU seconds", ZENML, seconds, limit=LIMITS.get(what))
    for what, requests in found["requests"].items():
        yield compared(f"{what}, requests", ZENML, requests, most=REQUESTS)
    yield from benchmark_specs.rows(bench)
    yield from plain_pytest(bench, "vertex", limit=40)
