"""Generating a project, against Copier's own time on a template with nothing in it."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

from measure import Row, Sample, alternate, process, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench import Bench

SECONDS_PER_FILE = 0.012

COPY = """
import sys
from copier import Settings, run_copy
run_copy(sys.argv[1], sys.argv[2], defaults=True, quiet=True, settings=Settings())
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Measures whole processes, as a user waits for them."""
    empty = bench.folder / "empty"
    empty.mkdir()
    (empty / "copier.yml").touch()
    numbers = count()

    def copy(template: Path) -> Sample:
        destination = bench.folder / f"copy-{next(numbers)}" / "my-orch"
        return process(
            *(sys.executable, "-c", COPY, str(template), str(destination)),
            environment=bench.environment,
        )

    samples = alternate(
        2 * bench.rounds, {"ours": lambda: copy(bench.template), "empty": lambda: copy(empty)}
    )
    project = bench.folder / "copy-0" / "my-orch"
    files = sum(path.is_file() for path in project.rglob("*"))
    floor = value(samples["empty"])
    yield Row(
        f"generate {files} files",
        samples["ours"],
        "an empty template",
        samples["empty"],
        limit=(floor + files * SECONDS_PER_FILE) / floor,
    )
