"""Importing the flavor, against the part of ZenML that no flavor can do without."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from measure import Row, alternate, process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench


def rows(bench: Bench) -> Iterator[Row]:
    """Measures fresh processes."""
    project = bench.installed("local")
    modules = {"ours": f"{project.package}.flavor", "zenml": "zenml.orchestrators"}
    samples = alternate(
        2 * bench.rounds,
        {
            name: partial(
                process, sys.executable, "-c", f"import {module}", environment=project.environment
            )
            for name, module in modules.items()
        },
    )
    yield Row("import the flavor", samples["ours"], modules["zenml"], samples["zenml"], limit=1.05)
