"""Generating a project, against as many files of the same content, which Copier only copies."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from bench import LEFTOVERS, REPOSITORY
from measure import Row, Sample, alternate, in_cpu, process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench import Bench

COPY = """
import sys
from copier import Settings, run_copy
template, destination, backend = sys.argv[1:]
data = {"backend": backend}
run_copy(template, destination, data=data, defaults=True, quiet=True, settings=Settings())
"""

# The highest ratio: what Jinja and the answers may cost. It is more where nearly each file has
# Jinja, as with the backends that are not on the engine.
LIMIT = 1.6
LIMITS = {"sagemaker": 2.0, "vertex": 2.0}


def rows(bench: Bench) -> Iterator[Row]:
    """Measures whole processes, as a user waits for them."""
    numbers = count()

    def copy(template: Path, backend: str) -> Sample:
        destination = bench.folder / f"copy-{next(numbers)}" / "my-orch"
        return process(
            *(sys.executable, "-c", COPY, str(template), str(destination), backend),
            environment=bench.environment,
        )

    for backend in sorted(path.name for path in (REPOSITORY / "template/backends").iterdir()):
        plain = bench.folder / f"plain-{backend}"
        shutil.copytree(bench.installed(backend).source, plain, ignore=LEFTOVERS)
        files = sum(path.is_file() for path in plain.rglob("*"))
        # A template that has one answer and no Jinja.
        (plain / "copier.yml").write_text(f"backend: {backend}\n")
        samples = alternate(
            2 * bench.rounds,
            {
                "ours": partial(copy, bench.template, backend),
                "plain": partial(copy, plain, backend),
            },
        )
        ours, theirs = in_cpu(samples["ours"]), in_cpu(samples["plain"])
        what = f"generate `{backend}`, CPU seconds"
        yield Row(what, ours, f"{files} plain files", theirs, limit=LIMITS.get(backend, LIMIT))
