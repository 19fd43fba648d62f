"""The wiring: each backend's files arrive where they belong, whole, and nothing is forgotten."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from derived import (
    BACKENDS,
    PROJECT,
    ROOT,
    backend_files,
    derived_files,
    files_below,
    vendored_folders,
)
from rendering import backends, export, render

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "my_orch"


def arrives_at(path: str) -> str:
    """Returns where a backend's file goes in a project, given its path in `files`."""
    part, _, rest = path.partition("/")
    return {"src": f"src/{PACKAGE}/{rest}", "tests": path, "files": rest}[part]


def test_what_is_derived_is_current() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in derived_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "Run `python tests/renew.py`, and commit what it changes."


@pytest.mark.parametrize("backend", backends())
def test_each_file_of_a_backend_is_listed_once_and_is_there(backend: str) -> None:
    listed = backends()[backend]["files"]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(backend_files(BACKENDS / backend))


@pytest.mark.parametrize("backend", backends())
def test_a_file_without_jinja_arrives_byte_for_byte(tmp_path: Path, backend: str) -> None:
    project = render(tmp_path / "project", backend=backend, package_name=PACKAGE)
    plain = [path for path in backends()[backend]["files"] if (BACKENDS / backend / path).exists()]
    for path in plain:
        found = (project / arrives_at(path)).read_bytes()
        assert found == (BACKENDS / backend / path).read_bytes(), path
    assert plain
    for folder in (f"src/{PACKAGE}/engine", "tests/kit"):
        source = PROJECT / folder.replace(PACKAGE, "{{ package_name }}")
        for path in files_below(source):
            assert (project / folder / path).read_bytes() == (source / path).read_bytes(), path


@pytest.mark.parametrize("backend", backends())
def test_a_file_has_the_suffix_if_it_has_jinja_in_it(backend: str) -> None:
    for path in files_below(BACKENDS / backend):
        has_jinja = re.search(r"\{\{|\{%|\{#", (BACKENDS / backend / path).read_text())
        assert bool(has_jinja) == path.endswith(".jinja"), path


@pytest.mark.parametrize("folder", vendored_folders(), ids=lambda folder: folder.name)
def test_vendored_code_has_no_template_in_it(folder: Path) -> None:
    assert not [path for path in files_below(folder) if path.endswith(".jinja")]


@pytest.mark.parametrize("backend", backends())
def test_each_python_file_says_in_its_first_line_whose_it_is(tmp_path: Path, backend: str) -> None:
    project = render(tmp_path / "project", backend=backend, package_name=PACKAGE)
    for path in [*(project / "src").rglob("*.py"), *(project / "tests").rglob("*.py")]:
        name = path.relative_to(project).as_posix()
        owner = "YOURS"
        if name.startswith(f"src/{PACKAGE}/engine/"):
            owner = "ENGINE"
        elif name.startswith("tests/kit/"):
            owner = "KIT"
        first = path.read_text().partition("\n")[0]
        assert first.startswith(f"# {owner}: ") or not first, f"{name}: {first}"


def test_a_file_that_is_listed_and_missing_stops_the_copy(tmp_path: Path) -> None:
    source = export(tmp_path / "template")
    path = source / "template" / "backends" / "local" / "backend.yml"
    wiring = yaml.safe_load(path.read_text())
    wiring["files"].append("src/mispelt.py")
    path.write_text(yaml.safe_dump(wiring))
    with pytest.raises(Exception, match=r"local/src/mispelt\.py"):
        render(tmp_path / "project", source=source)
    assert not (tmp_path / "project").exists()


def test_the_benchmarks_of_all_backends_are_found_without_what_pytest_adds_to_the_path() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--help"]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=alone, check=False)
    assert done.returncode == 0, done.stderr
    known = {file.parent.name for file in (ROOT / "tests").glob("backends/*/benchmark.py")}
    assert known <= {*re.findall(r"\w+", done.stdout)}
