"""What a team that makes `http` speak to its own service relies on, beside the generated tests."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from derived import ROOT
from projects import Project
from rendering import render

MANY_RUNS = Path(__file__).with_name("many_runs.py")
DOCS = sorted((ROOT / "docs").glob("own-*.md"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose sources are imported where they are."""
    source = render(tmp_path / "project", backend="http", project_name="my-orch")
    return Project(source, source / "src")


def conformance(project: Project) -> tuple[int, str]:
    """Runs the tests of the platform alone, where ZenML cannot be imported."""
    (project.source / "src" / "zenml.py").write_text("raise ImportError('no ZenML here')")
    result = project.pytest("--noconftest", "tests/test_platform.py", timeout=300)
    return result.returncode, result.stdout


def test_the_platform_is_tested_without_zenml(project: Project) -> None:
    code, output = conformance(project)
    assert code == 0, output
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed[1]) >= 16


def test_functions_that_are_not_written_are_named_and_the_others_work(project: Project) -> None:
    module = project.source / "src" / "my_orch" / "platform.py"
    text = module.read_text()
    for name in ("stop", "find"):
        text, times = re.subn(
            rf"    def {name}\(.*?(?=\n    (?:def|#) )", "", text, flags=re.DOTALL
        )
        assert times == 1
    module.write_text(text)
    code, output = conformance(project)
    assert code == 1, output
    assert "Not written yet in my_orch.platform: stop, find." in output
    assert "`HttpPlatform.find` is not written yet." in output
    assert re.search(r"\d+ passed", output), output


@pytest.mark.gate
def test_no_job_is_started_twice_and_polls_do_not_grow_with_the_steps(
    project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "services"
    folder.mkdir()
    path = os.pathsep.join((str(project.source / "src"), str(project.source / "tests")))
    result = project.run("env", f"PYTHONPATH={path}", sys.executable, str(MANY_RUNS), str(folder))
    assert result.returncode == 0, result.stdout
    seen: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    # 50 runs of 8 steps, though 10 % of requests are refused, and 5 % of answers are lost.
    faults = seen["faults"]
    assert faults["completed"] == 50
    assert faults["jobs"] == faults["started"] == faults["different"] == 400
    # One poll for each interval, for 2 steps as for 40.
    assert seen["few"] <= 1.1
    assert seen["many"] <= 1.1


def test_the_pages_name_tests_that_there_are_and_links_lead_somewhere(project: Project) -> None:
    tests = "".join(path.read_text() for path in (project.source / "tests").rglob("*.py"))
    assert len(DOCS) == 4
    for page in DOCS:
        text = page.read_text()
        for name in re.findall(r"`((?:test|it)_\w+)`", text):
            assert f"def {name}(" in tests, f"{page.name}: {name}"
        for name in re.findall(r"`(Test\w+)`", text):
            assert f"class {name}(" in tests, f"{page.name}: {name}"
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            compile(block, page.name, "exec")
    readme = (ROOT / "README.md").read_text()
    assert all(f"(docs/{page.name})" in readme for page in DOCS)


def test_the_command_line_of_the_page_tells_outages_from_refusals(
    project: Project, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "own-command-line.md").read_text()
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block
    (project.source / "src" / "my_orch" / "commands.py").write_text(block[1])
    queue = tmp_path / "queue"
    queue.write_text(
        '#!/bin/sh\ncase "$3" in\n'
        '  away) echo "Connection refused" >&2; exit 1;;\n'
        '  wrong) echo "no such job" >&2; exit 1;;\n'
        '  *) echo \'{"jobs": [{"id": "7", "state": "running"}]}\';;\nesac\n'
    )
    queue.chmod(0o700)
    program = (
        "from my_orch import commands\n"
        "print(commands.states(['7', '8']))\n"
        "for job in ('away', 'wrong'):\n"
        "    try:\n"
        "        commands.states([job])\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    path = f"PATH={tmp_path}{os.pathsep}{os.environ['PATH']}"
    result = project.run("env", path, sys.executable, "-c", program)
    assert result.stdout.splitlines() == [
        "{'7': 'running'}",
        "SchedulerUnavailableError Connection refused",
        "JobRefused no such job",
    ]
