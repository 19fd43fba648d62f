"""The tables of README.md that say something of each backend."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from derived import ROOT
from discovery import described, mutants
from rendering import backends, template

# Where lines are counted.
sys.path.append(str(ROOT / "benchmarks"))

import lines

README = ROOT / "README.md"


def backends_table() -> str:
    """Writes the table of the backends, with the lines that are their owner's."""
    rows = ["| backend | where steps run | run ID strategies | schedules | your lines |"]
    rows.append("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, wiring in backends().items():
            strategies = ", ".join(f"`{strategy}`" for strategy in wiring["strategies"])
            said = described(name)["readme"]
            yours = f"{lines.count(template(), name, Path(folder)).yours:,}"
            cells = [f"`{name}`", said["steps"], strategies, said["schedules"], yours]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def mutants_tables() -> str:
    """Writes a table of the mutants of each backend, and the tests that kill them."""
    tables = []
    for name, found in mutants().items():
        rows = [f"| {mutant.mistake} | `{mutant.test}` |" for mutant in found]
        header = [f"For `{name}`:", "", "| mistake | killed by |", "| --- | --- |"]
        tables.append("\n".join([*header, *rows]))
    return "\n\n".join(tables)


def with_tables(text: str) -> str:
    """Puts the tables into a text, each between its two comments.

    Raises:
        ValueError: If the text has not the two comments of a table, once each.
    """
    for name, table in (("backends", backends_table()), ("mutants", mutants_tables())):
        begin, end = f"<!-- {name}: python tests/renew.py -->\n", f"<!-- end of {name} -->\n"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        written = f"{begin}\n{table}\n\n{end}"
        # A backslash in what is written would mean something.
        text, times = re.subn(pattern, written.replace("\\", r"\\"), text, flags=re.DOTALL)
        if times != 1:
            message = f"README.md has {times} of {begin.strip()}, not 1."
            raise ValueError(message)
    return text
