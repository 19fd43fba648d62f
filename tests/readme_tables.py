"""What says something of each backend, and is made from its files.

These are the tables of README.md and docs/mutants.md, and the page of settings of each backend's
projects.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path

from derived import BACKENDS, PROJECT, ROOT

# Where lines are counted.
sys.path.append(str(ROOT / "benchmarks"))
# A project's page of settings is made by the kit, which also knows all time limits.
sys.path.append(str(PROJECT / "tests"))

import lines
from discovery import described, mutants
from kit import settings_page
from rendering import backends, render, template

README = ROOT / "README.md"
MUTANTS = ROOT / "docs" / "mutants.md"

# What stands for a project's own in a page of settings: the account that is named after its flavor.
FLAVOR, ACCOUNT = "flavor_of_the_page", "flavor-of-the-page"
ACCOUNT_MACRO = '{% from "template/names.jinja" import account %}\n'


def backends_table() -> str:
    """Writes the table of the backends: where steps run, their owner's lines, their mutants."""
    head = ("backend", "where steps run", "run ID strategies", "schedules", "your lines", "mutants")
    rows = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    killed = mutants()
    with tempfile.TemporaryDirectory() as folder:
        for name, wiring in backends().items():
            strategies = ", ".join(f"`{strategy}`" for strategy in wiring["strategies"])
            said = described(name)["readme"]
            yours = f"{lines.count(template(), name, Path(folder)).yours:,}"
            cells = [f"`{name}`", said["steps"], strategies, said["schedules"], yours]
            rows.append(f"| {' | '.join([*cells, str(len(killed[name]))])} |")
    return "\n".join(rows)


def mutants_tables() -> str:
    """Writes a table of the mutants of each backend, and the tests that kill them."""
    tables = []
    for name, found in mutants().items():
        rows = [f"| {mutant.mistake} | `{mutant.test}` |" for mutant in found]
        header = [f"## {name}", "", "| mistake | killed by |", "| --- | --- |"]
        tables.append("\n".join([*header, *rows]))
    return "\n\n".join(tables)


def with_table(path: Path, name: str, table: str) -> str:
    """Returns the text of a file with a table between its two comments.

    Raises:
        ValueError: If the text has not the two comments, once each.
    """
    begin, end = f"<!-- {name}: python tests/renew.py -->\n", f"<!-- end of {name} -->\n"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    written = f"{begin}\n{table}\n\n{end}"
    # A backslash in what is written would mean something.
    text, times = re.subn(
        pattern,
        written.replace("\\", r"\\"),
        path.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    if times != 1:
        message = f"{path.name} has {times} of {begin.strip()}, not 1."
        raise ValueError(message)
    return text


def settings_pages() -> dict[Path, str]:
    """Writes the page of settings of each backend, as the template has it."""
    pages = {}
    for backend in backends():
        name = f"settings_of_{backend}"
        with tempfile.TemporaryDirectory() as folder:
            project = render(Path(folder), backend=backend, package_name=name, flavor_name=FLAVOR)
            sys.path.append(str(project / "src"))
            text = settings_page.page(importlib.import_module(f"{name}.config").Config)
            sys.path.pop()
        path = BACKENDS / backend / "files" / "docs" / "settings.md"
        if ACCOUNT in text:
            path = path.with_name("settings.md.jinja")
            text = ACCOUNT_MACRO + text.replace(ACCOUNT, "{{ account(flavor_name) }}")
        pages[path] = text
    return pages


def documents() -> dict[Path, str]:
    """Returns what the files with tables are to contain."""
    return {
        README: with_table(README, "backends", backends_table()),
        MUTANTS: with_table(MUTANTS, "mutants", mutants_tables()),
        **settings_pages(),
    }
