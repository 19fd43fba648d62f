"""A backend is a folder in `template/backends/`, one in `tests/backends/`, and a name in a list.

Two toys are added to a copy of the repository by just these three: `toy`, a platform that runs
jobs, and `toy_service`, a service that runs the DAG. The copy's own tests find them: they generate
a project, run its tests, and break it.
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
from kit.timeouts import scaled

HERE = Path(__file__).parent
TOYS = ("toy", "toy_service")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with two more backends."""
    copy = tmp_path_factory.mktemp("repository")
    for name in ("benchmarks", "docs", "hooks", "template", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", ".*_cache", *TOYS)
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("copier.yml", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    # The three things, and nothing else.
    questions = (copy / "copier.yml").read_text()
    named, times = re.subn(r"(default: \[local.*)\]", rf"\1, {', '.join(TOYS)}]", questions)
    assert times == 1
    (copy / "copier.yml").write_text(named)
    for toy in TOYS:
        template = copy / "template" / "backends" / toy
        shutil.copytree(HERE / toy / "template", template)
        shutil.copytree(HERE / toy / "tests", copy / "tests" / "backends" / toy)
        # What the new backend needs of the index is what `local` needs.
        shutil.copy(copy / "template" / "backends" / "local" / "constraints.txt", template)
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
        timeout=scaled(400),
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_its_tables_are_written(repository: Path) -> None:
    wiring = repository / "template" / "backends" / "toy" / "backend.yml"
    whole = wiring.read_text()
    # As it is written by hand: the list of files comes with the tables.
    wiring.write_text(whole.partition("\nfiles:")[0] + "\nfiles:\n")
    renewed = run(repository, "tests/renew.py")
    assert "renewed README.md" in renewed
    # The toys' own are kept with them.
    assert "settings.md" not in renewed, "Copy those pages to tests/life/toy*."
    assert wiring.read_text() == whole
    readme = (repository / "README.md").read_text()
    assert re.search(r"^\| `toy` \| one process for each step \| `uuid` \|", readme, re.MULTILINE)
    mutants = (repository / "docs" / "mutants.md").read_text()
    assert "## toy\n\n| mistake | killed by |" in mutants
    assert run(repository, "tests/renew.py") == ""


@pytest.mark.parametrize(
    ("chosen", "tests", "count"),
    [
        ("toy", "tests/answers", 20),
        ("toy and not service", "tests/life/test_projects.py", 3),
        pytest.param("toy_service", "tests/life/test_projects.py", 3, marks=pytest.mark.gate),
        ("toy and not service", "tests/mutants/test_mutants.py", 1),
    ],
    ids=["answers", "project", "service", "mutants"],
)
def test_their_tests_are_found_and_pass(
    repository: Path, chosen: str, tests: str, count: int
) -> None:
    output = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, tests)
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed[1]) >= count, output
