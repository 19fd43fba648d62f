"""Imports run one way: the project imports the engine, nothing imports in a circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from discovery import Variant, variants
from rendering import render

if TYPE_CHECKING:
    from pathlib import Path


def import_graph(root: Path) -> dict[str, set[str]]:
    """Reads which modules below a folder import which others, for types and in functions too.

    Args:
        root: The folder on Python's path.

    Returns:
        For each module, the modules of its own folder tree that it imports.
    """
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    graph = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")
                above = above[: len(above) - node.level + 1] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                inside = {f"{source}.{alias.name}" for alias in node.names}
                found |= {each if each in modules else source for each in inside}
        graph[name] = found & modules.keys() - {name}
    return graph


@pytest.mark.parametrize("variant", variants(), ids=str)
def test_imports_run_one_way(tmp_path: Path, variant: Variant) -> None:
    graph = import_graph(render(tmp_path / "project", **variant.answers) / "src")
    engine = {name for name in graph if ".engine" in name}
    assert engine
    assert not {name: graph[name] - engine for name in engine if graph[name] - engine}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_a_circle_would_be_seen(tmp_path: Path) -> None:
    for name, text in {
        "a/__init__.py": "",
        "a/b.py": "from .c import x",
        "a/c.py": "def f():\n    from a import b",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = import_graph(tmp_path)
    assert graph == {"a": set(), "a.b": {"a.c"}, "a.c": {"a.b"}}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
