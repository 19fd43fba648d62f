"""Counts the lines of source that a new owner gets: `python benchmarks/lines.py`.

They are lines of code of `src` in a generated project, those of the owner apart from those of the
engine. Blank lines, comments and docstrings do not count: nobody shall save on them. With `--check`
it fails if there are more than there may be. README.md shows the first number.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tempfile
import tokenize
from pathlib import Path
from typing import NamedTuple

import yaml
from bench import REPOSITORY, Bench
from copier import Settings, run_copy

# The engine beside its fork server (the folder `processes`), which has a life of its own, and what
# only services need that run the DAG.
ENGINE_LIMIT = 2000
FORK_SERVER = "processes"
SERVICES_LIMIT = 500
SERVICES = "services"


class Lines(NamedTuple):
    """Lines of a generated project.

    Attributes:
        yours: The owner's, with the longest of the run ID strategies.
        engine: The engine's, without the others.
        fork_server: The fork server's.
        services: Those that only services need that run the DAG.
        limit: How many may be the owner's; None if there is no limit.
    """

    yours: int
    engine: int
    fork_server: int
    services: int
    limit: int | None


# Tokens that are no code.
NO_CODE = (
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
)


def code_lines(path: Path) -> int:
    """Counts the lines of a module that have code on them, docstrings not counted."""
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        # Statements that are a text: docstrings.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(found)


def count(template: Path, backend: str, folder: Path) -> Lines:
    """Generates a project for each strategy of a backend, and counts.

    Args:
        template: The template.
        backend: The backend.
        folder: A folder for the projects.
    """
    wiring = yaml.safe_load((template / "template/backends" / backend / "backend.yml").read_text())
    found = []
    for strategy in wiring["strategies"]:
        project = folder / f"{backend}-{strategy}"
        data = {"backend": backend, "run_id_strategy": strategy}
        run_copy(str(template), project, data=data, defaults=True, quiet=True, settings=Settings())
        lines = {
            path: code_lines(path) for path in (project / "src").rglob("*.py") if path.is_file()
        }
        engine = {path: number for path, number in lines.items() if "engine" in path.parts}
        fork_server, services = (
            sum(number for path, number in engine.items() if part in path.parts)
            for part in (FORK_SERVER, SERVICES)
        )
        whole = sum(engine.values())
        yours = sum(lines.values()) - whole
        found.append((yours, whole - fork_server - services, fork_server, services))
    described = REPOSITORY / "tests" / "backends" / backend / "variants.yml"
    limit = yaml.safe_load(described.read_text()).get("owner_lines")
    return Lines(*max(found), limit)


def row(backend: str, lines: Lines) -> str:
    """Writes a row of the table."""
    parts = (lines.engine, lines.fork_server, lines.services)
    engine = " + ".join(f"{part:,}" for part in parts) if lines.engine else "-"
    return f"| `{backend}` | {lines.yours:,} | {lines.limit or '-'} | {engine} |"


def complaints(found: dict[str, Lines]) -> list[str]:
    """Says what is too long."""
    said = []
    for backend, lines in found.items():
        if lines.limit and lines.yours > lines.limit:
            said.append(f"{backend}: {lines.yours} lines are the owner's, at most {lines.limit}.")
        if lines.engine > ENGINE_LIMIT:
            said.append(f"{backend}: the engine has {lines.engine} lines, at most {ENGINE_LIMIT}.")
        if lines.services > SERVICES_LIMIT:
            said.append(f"{backend}: `services` has {lines.services}, at most {SERVICES_LIMIT}.")
    return said


def main() -> None:
    """Prints the table; with `--check`, fails if something is wrong with it."""
    parser = argparse.ArgumentParser(description="Counts lines of source of generated projects.")
    parser.add_argument("--check", action="store_true", help="fail if there are too many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        template = Bench(Path(name), rounds=1).template
        backends = yaml.safe_load((template / "copier.yml").read_text())["backends"]["default"]
        found = {backend: count(template, backend, Path(name)) for backend in backends}
    print(
        "| backend | yours | at most | engine + fork server + services |\n| --- | --- | --- | --- |"
    )
    for backend, lines in found.items():
        print(row(backend, lines))
    if options.check and (said := complaints(found)):
        sys.exit("\n".join(said))


if __name__ == "__main__":
    main()
