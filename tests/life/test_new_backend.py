"""A backend is a folder in `template/backends/`, one in `tests/backends/`, and a name in a list.

A toy is added to a copy of the repository by just these three. The copy's own tests find it: they
generate a project, run its tests, and break it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from derived import ROOT

TOY = Path(__file__).with_name("toy")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with another backend, `toy`."""
    copy = tmp_path_factory.mktemp("repository")
    for name in ("benchmarks", "hooks", "template", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "toy")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("copier.yml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    # The three things, and nothing else.
    shutil.copytree(TOY / "template", copy / "template" / "backends" / "toy")
    shutil.copytree(TOY / "tests", copy / "tests" / "backends" / "toy")
    questions = (copy / "copier.yml").read_text()
    named, times = re.subn(r"(default: \[local.*)\]", r"\1, toy]", questions)
    assert times == 1
    (copy / "copier.yml").write_text(named)
    # What the new backend needs of the index is what `local` needs.
    local = copy / "template" / "backends" / "local" / "constraints.txt"
    shutil.copy(local, copy / "template" / "backends" / "toy")
    return copy


def run(repository: Path, *command: str) -> str:
    """Runs Python in the copy, and returns what it says.

    Raises:
        AssertionError: If it fails.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    result = subprocess.run(
        [sys.executable, *command],
        cwd=repository,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_its_tables_are_written(repository: Path) -> None:
    assert "renewed README.md" in run(repository, "tests/renew.py")
    readme = (repository / "README.md").read_text()
    assert re.search(r"^\| `toy` \| one process for each step \| `uuid` \|", readme, re.MULTILINE)
    assert "For `toy`:\n\n| mistake | killed by |" in readme


@pytest.mark.parametrize(
    ("tests", "count"),
    [
        ("tests/answers", 10),
        ("tests/life/test_projects.py", 3),
        ("tests/mutants/test_mutants.py", 1),
    ],
    ids=["answers", "project", "mutants"],
)
def test_its_tests_are_found_and_pass(repository: Path, tests: str, count: int) -> None:
    output = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "toy", tests)
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed[1]) >= count, output
