"""What AGENTS.md of a generated project says is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from projects import check_result, installed
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
        if command.startswith("pytest"):
            check_result(result, project, environment)


def test_edited_files_are_named_with_two_ways_out_and_those_that_are_ejected_are_not(
    tmp_path: Path,
) -> None:
    project = installed(tmp_path, project_name="owned")
    # The engine is where the package is installed, the kit beside the tests.
    engine = project.site / "owned" / "engine"
    kit = project.source / "tests" / "kit"
    for file in (engine / "retries.py", kit / "runs.py"):
        file.write_text(file.read_text() + "\n# An edit.\n")
    (kit / "more.py").touch()

    page = tmp_path / "contract.html"
    chosen = "tests/test_contract.py::TestOwnership", f"--contract-report={page}"
    result = project.pytest(*chosen)
    assert result.returncode == 1
    assert "= contract: 2 not kept" in result.stdout
    assert 'class="broken"><b>not kept</b><span>The engine is as' in page.read_text()
    for said in (
        f"{engine / 'retries.py'} was edited.",
        f"{kit / 'runs.py'} was edited.",
        f"{kit / 'more.py'} was added.",
        "Two ways out",
        "AGENTS.md",
    ):
        assert said in result.stdout, said

    (engine / "EJECTED").write_text("retries.py\n")
    (kit / "EJECTED").write_text("more.py\nruns.py\n")
    result = project.pytest(*chosen)
    assert result.returncode == 0, result.stdout
    assert "= contract: 2 kept" in result.stdout
    assert 'class="kept"><b>kept</b>' in page.read_text()

    result = project.pytest("tests/test_resources.py", "--collect-only", chosen[1])
    assert "= contract: none of its tests was chosen" in result.stdout
    assert "none of its tests was chosen" in page.read_text()
