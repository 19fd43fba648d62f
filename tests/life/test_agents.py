"""What AGENTS.md of a generated project says is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from projects import Project, installed
from rendering import render

if TYPE_CHECKING:
    from pathlib import Path


def commands(text: str) -> list[str]:
    """Returns the lines of the blocks of commands in a Markdown text."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.gate
def test_each_command_works_in_a_fresh_environment(tmp_path: Path) -> None:
    project = render(tmp_path / "my-orch")
    environment = tmp_path / "venv"
    # Its pip has to know --group.
    subprocess.run([sys.executable, "-m", "venv", "--upgrade-deps", str(environment)], check=True)
    found = commands((project / "AGENTS.md").read_text())
    assert "pytest" in found
    assert "pytest --all" in found
    for command in found:
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=project,
            env=os.environ | {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that the tests of this module edit and put back."""
    return installed(tmp_path_factory.mktemp("owned"), project_name="owned")


def check_ownership(project: Project) -> tuple[int, str]:
    """Runs the tests that say what was edited.

    Returns:
        The exit code of pytest, and its output.
    """
    result = project.pytest("tests/test_contract.py::TestOwnership")
    return result.returncode, result.stdout


# The engine is where the package is installed, the kit beside the tests.
@pytest.mark.parametrize(
    "name", ["site/owned/engine/retries.py", "project/tests/kit/runs.py"], ids=["engine", "kit"]
)
def test_an_edited_file_is_named_with_two_ways_out_and_one_that_is_ejected_is_not(
    project: Project, name: str
) -> None:
    file = project.source.parent / name
    root = next(folder for folder in file.parents if (folder / "MANIFEST.sha256").exists())
    text, ejected = file.read_text(), root / "EJECTED"
    try:
        file.write_text(text + "\n# An edit.\n")
        code, said = check_ownership(project)
        assert code == 1
        assert f"{file} was edited." in said
        assert "Two ways out" in said
        assert "AGENTS.md" in said
        ejected.write_text(f"{file.relative_to(root).as_posix()}\n")
        code, said = check_ownership(project)
        assert code == 0, said
    finally:
        file.write_text(text)
        ejected.unlink(missing_ok=True)
