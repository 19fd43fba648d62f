"""What README.md and AGENTS.md of a generated project say is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from kit.timeouts import scaled
from projects import check_result, installed
from rendering import backends, render

if TYPE_CHECKING:
    from pathlib import Path


def commands(text: str) -> list[str]:
    """Returns the commands in the blocks of a Markdown text, those of several lines as one."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with nothing in it but a pip that knows --group."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--upgrade-deps", str(folder)], check=True)
    return folder


def run(command: str, project: Path, environment: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command as a person does in the environment.

    Raises:
        AssertionError: If it fails.
    """
    of_its_own = {
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "ZENML_CONFIG_PATH": str(project.parent / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "PIP_NO_COMPILE": "1",  # What is imported is compiled then: a fraction.
    }
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env=os.environ | of_its_own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(800),
        check=False,
    )
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result


def way_to_a_run(project: Path) -> list[str]:
    """Returns the commands of a project's README up to the one that runs its pipeline."""
    found = commands((project / "README.md").read_text())
    return found[: found.index("python your_pipeline.py") + 1]


@pytest.mark.gate
def test_the_first_commands_of_the_readme_end_in_a_run(tmp_path: Path, environment: Path) -> None:
    project = render(tmp_path / "my-orch")
    *_, last = [run(command, project, environment) for command in way_to_a_run(project)]
    readme = (project / "README.md").read_text()
    (success,) = re.findall(r"^```text\n(your_pipeline: .*)\n```$", readme, re.MULTILINE)
    assert last.stdout.splitlines()[-1] == success


# One process imports ZenML's CLI for all commands.
CLI = """
import shlex, sys
from zenml.cli.cli import cli
for command in sys.argv[1:]:
    cli.main(shlex.split(command)[1:], prog_name="zenml", standalone_mode=False)
"""
EXAMPLES = {
    "<arn>": "arn:aws:iam::123456789012:role/jobs",
    "<e-mail>": "jobs@my-project.iam.gserviceaccount.com",
}


@pytest.mark.gate
@pytest.mark.parametrize("backend", backends())
def test_each_readme_registers_what_its_pipeline_runs_on(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = render(tmp_path / "my-orch", backend=backend)
    first, *others, last = way_to_a_run(project)
    assert first.startswith("pip install -c constraints.txt .")
    assert (project / last.removeprefix("python ")).exists()
    *registered, stack = [line for line in others if line.startswith("zenml ")]
    # From here on, a store is needed.
    assert stack.startswith("zenml stack register my-stack -o my-orchestrator ")
    given = [
        re.sub("<.+?>", lambda found: EXAMPLES.get(found[0], "given"), line) for line in registered
    ]
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(tmp_path / "zenml"))
    monkeypatch.setenv("ZENML_ANALYTICS_OPT_IN", "false")
    done = subprocess.run(
        [sys.executable, "-c", CLI, *given],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "orchestrator `my-orchestrator`" in done.stdout


@pytest.mark.long
@pytest.mark.gate
def test_each_command_works_in_a_fresh_environment(tmp_path: Path, environment: Path) -> None:
    project = render(tmp_path / "my-orch")
    found = commands((project / "AGENTS.md").read_text())
    assert "pytest" in found
    assert "pytest --all" in found
    # Without options, `pytest` runs a part of these tests; test_projects.py does that.
    for command in (line for line in found if line != "pytest"):
        result = run(command, project, environment)
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
    names = ("TestOwnership", "TestInterface::test_signatures_are_those_of_the_installed_zenml")
    chosen = [f"tests/test_contract.py::{name}" for name in names]
    chosen.append(f"--contract-report={page}")
    result = project.pytest(*chosen)
    assert result.returncode == 1
    assert "= contract: 1 kept, 2 not kept" in result.stdout
    assert 'class="broken"><b>not kept</b><span>The engine is as' in page.read_text()
    assert "<span>Signatures are those of the installed ZenML.<" in page.read_text()
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
    assert "= contract: 3 kept" in result.stdout
    assert 'class="kept"><b>kept</b>' in page.read_text()

    result = project.pytest("tests/test_resources.py", "--collect-only", chosen[-1])
    assert "= contract: none of its tests was chosen" in result.stdout
    assert "none of its tests was chosen" in page.read_text()
