"""Measures the template and what it generates, and prints one table: see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import engine
import generate
import imports
from bench import REPOSITORY, TESTS, Bench
from measure import Row, cpu, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measure import Sample

# Modules of backends import each other as `backends.<name>.<module>`, and the kit. Last, since what
# is in this folder comes first.
sys.path += [str(TESTS), str(REPOSITORY / "template" / "project" / "tests")]

# Each has a function `rows(bench)`: these, and `tests/backends/<name>/benchmark.py`.
GROUPS = {module.__name__: module for module in (engine, generate, imports)} | {
    file.parent.name: import_module(f"backends.{file.parent.name}.{file.stem}")
    for file in sorted(TESTS.glob("backends/*/benchmark.py"))
}

COLUMNS = ("seconds", "ours", "CPU", "reference", "theirs", "CPU", "at most", "ratio", "limit", "")


def figures(samples: Sequence[Sample]) -> tuple[str, str]:
    """Writes samples as what was measured, and CPU seconds."""
    if not samples:
        return "", ""
    low, high = min(sample.value for sample in samples), max(sample.value for sample in samples)
    extent = f" ({low:.3g}-{high:.3g})" if len(samples) > 1 else ""
    return f"{number(value(samples))}{extent}", number(cpu(samples))


def number(known: float | None) -> str:
    """Writes a number, if there is one."""
    return "" if known is None else f"{known:.3g}"


def cells(row: Row) -> tuple[str, ...]:
    """Writes a row as the table has it."""
    verdict = "ok" if row.ok else "MISSED"
    limits = (number(row.most), number(row.ratio), number(row.limit))
    return (row.what, *figures(row.ours), row.reference, *figures(row.theirs), *limits, verdict)


def print_table(rows: Sequence[Row]) -> None:
    """Prints the rows as Markdown: medians, and the least and the most."""
    table = [COLUMNS, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    table.insert(1, tuple("-" * width for width in widths))
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(f"| {' | '.join(padded)} |")


def circumstances() -> dict[str, object]:
    """Says what the numbers depend on."""
    packages = {name: version(name) for name in ("copier", "kubernetes", "zenml")}
    return {"python": platform.python_version(), "cores": os.cpu_count(), **packages}


def main() -> int:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description="Measures the template against its limits.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("-n", "--rounds", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--check", action="store_true", help="fail if a limit is missed")
    options = parser.parse_args()
    if unknown := set(options.groups) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(unknown)}")

    if options.rounds < 1:
        parser.error("measure at least once")

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as folder:
        bench = Bench(Path(folder), options.rounds, quick=options.quick)
        for name in options.groups or GROUPS:
            print(f"measuring: {name}", file=sys.stderr)
            rows += GROUPS[name].rows(bench)

    facts = circumstances()
    print(", ".join(f"{name} {value}" for name, value in facts.items()), end="\n\n")
    print_table(rows)
    if options.json:
        numbers = {**facts, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")
    return int(options.check and not all(row.ok for row in rows))


if __name__ == "__main__":
    sys.exit(main())
