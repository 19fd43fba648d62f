"""The backend `sagemaker`, against ZenML's own orchestrator of that name.

Each is installed as its users do it, in a virtual environment of its own: that tells what its
requirements weigh, and how long its import takes. In a third one, both submit to the emulator of a
generated project: see `benchmark_client.py`.
"""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from clouds import FEW, FIRST, MANY, measured
from environments import Environment, compared
from measure import Row, Sample, alternate, process
from plain_pytest import plain_pytest
from zenml.integrations.aws import AWSIntegration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

ZENML = "ZenML's `sagemaker`"

# What `zenml integration install aws` installs.
REQUIREMENTS = AWSIntegration.get_requirements()

ORCHESTRATOR = "zenml.integrations.aws.orchestrators.sagemaker_orchestrator"

# The SageMaker SDK says a lot when it is imported. These make it silent.
IMPORT = "import logging; logging.disable(logging.INFO); import"
NO_WARNING = {"SAGEMAKER_SUPPRESS_V2_WARNING": "1"}

# The highest ratios of CPU seconds. The first submission in a process has none: boto3 has to read
# its descriptions of AWS, for whoever uses it.
LIMITS = {FEW: 0.2, MANY: 0.05}


def rows(bench: Bench) -> Iterator[Row]:
    """Installs both, and measures the size, the import and submissions."""
    project = bench.installed("sagemaker")
    wheel = next(project.source.parent.glob("*.whl"))
    folder = bench.folder / "sagemaker-environments"
    base = Environment(folder / "base").size()
    ours = Environment(folder / "ours", str(wheel))
    theirs = Environment(folder / "zenml", *REQUIREMENTS)
    sizes = {"ours": [ours.size() - base], "zenml": [theirs.size() - base]}
    yield compared("installed beside ZenML, MB", ZENML, sizes, limit=0.3)

    def imported(environment: Environment, module: str) -> Sample:
        return process(
            *(environment.python, "-c", f"{IMPORT} {module}"),
            environment=bench.environment | NO_WARNING,
        )

    samples = alternate(
        2 * bench.rounds,
        {
            "ours": partial(imported, ours, f"{project.package}.orchestrator"),
            "zenml": partial(imported, theirs, ORCHESTRATOR),
        },
    )
    yield Row("import the orchestrator", samples["ours"], ZENML, samples["zenml"], limit=0.55)

    # The emulator needs what the project's tests need.
    tests = f"{project.source.name}[test] @ {wheel.as_uri()}"
    both = Environment(folder / "both", tests, *REQUIREMENTS)
    found = measured(bench, "sagemaker", both, NO_WARNING)
    for what, seconds in found["seconds"].items():
        yield compared(f"{what}, CPU seconds", ZENML, seconds, limit=LIMITS.get(what))
    few = median(found["requests"][FEW]["ours"])
    for what, calls in found["requests"].items():
        # A large definition goes to S3 first, and a new pipeline is not found, and created, first.
        # Beside that, the number of steps makes no difference.
        most = few + (2 if what == FIRST else 1)
        yield compared(f"{what}, AWS calls", ZENML, calls, most=most)
    yield from plain_pytest(bench, "sagemaker", limit=40)
