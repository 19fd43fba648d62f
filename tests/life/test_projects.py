"""A generated project through its life: checked, typed, built, installed, tested."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from discovery import Variant, described, variants
from kit.timeouts import scaled
from projects import Project, check_result, installed, shared_folder
from rendering import backends, questions, render, strategies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def gated(chosen: Iterable[Variant], quick: Callable[[Variant], bool]) -> list[object]:
    """Returns parameters of a test: those that are not quick run in the gate."""
    return [
        pytest.param(variant, id=str(variant), marks=[] if quick(variant) else [pytest.mark.gate])
        for variant in chosen
    ]


CHECKED = gated(variants(), lambda variant: variant.is_first)
# The default backend's comes first; test_agents.py runs all its tests.
FIRST = [variant for variant in variants() if variant.is_first]
OTHERS = [variant for variant in variants() if not variant.is_first]

# The test of the contract during which ZenML is away for minutes.
OUTAGE = "when_zenml_is_away"
WITHOUT_OUTAGE = ["-k", f"not {OUTAGE}"]


def paired(chosen: list[Variant]) -> list[tuple[Variant, Variant]]:
    """Returns the parameters of a test that takes a project, and its variant too."""
    return [(variant, variant) for variant in chosen]


def meets_outage(variant: Variant) -> bool:
    """Tells whether ZenML is away once in the gate while a variant's runs are in progress."""
    return not described(variant.backend).get("exhaustive_outage")


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of a variant, installed. The tests of a module share it."""
    variant: Variant = request.param
    return installed(tmp_path_factory.mktemp(variant.strategy), **variant.answers)


def test_each_strategy_has_a_variant_and_each_answer_is_a_question() -> None:
    assert {(variant.backend, variant.strategy) for variant in variants()} == set(strategies())
    for variant in variants():
        assert variant.answers.keys() <= questions().keys()


@pytest.mark.parametrize("project", CHECKED, indirect=True)
def test_its_own_checks_pass(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    # What mypy learns of ZenML, which takes it twelve seconds, serves all projects.
    cache = shared_folder(tmp_path_factory) / "mypy"
    for check in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "--python-executable", sys.executable, "--cache-dir", str(cache)),
    ):
        result = project.run(sys.executable, "-m", *check)
        assert result.returncode == 0, f"{check}: {result.stdout}"


@pytest.mark.parametrize("project", CHECKED, indirect=True)
def test_wheel_and_sdist_are_complete(project: Project) -> None:
    package = next(path for path in (project.source / "src").iterdir() if path.is_dir())
    sources = {
        path.relative_to(project.source / "src").as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{package.name}/py.typed" in sources
    (wheel,) = (project.source.parent / "dist").glob("*.whl")
    assert sources <= set(zipfile.ZipFile(wheel).namelist())
    (sdist,) = (project.source.parent / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in sources} <= names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "tests/conftest.py"} <= names


# All tests of the others run in the gate, the quick ones among them.
@pytest.mark.parametrize("project", FIRST[:1], ids=str, indirect=True)
def test_its_quick_tests_pass_and_leave_nothing_running(project: Project) -> None:
    check_suite(project)


@pytest.mark.long
@pytest.mark.gate
@pytest.mark.parametrize(("project", "variant"), paired(FIRST[1:]), ids=str, indirect=["project"])
def test_all_its_tests_pass_and_leave_nothing_running(project: Project, variant: Variant) -> None:
    check_suite(project, "--all", *([] if meets_outage(variant) else WITHOUT_OUTAGE))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "project", [each for each in FIRST if not meets_outage(each)], ids=str, indirect=True
)
def test_its_runs_are_late_and_nothing_else_when_zenml_is_away(project: Project) -> None:
    check_suite(project, "--all", "-k", OUTAGE)


@pytest.mark.gate
@pytest.mark.parametrize(("project", "variant"), paired(OTHERS), ids=str, indirect=["project"])
def test_with_another_strategy_the_tests_that_depend_on_it_pass(
    project: Project, variant: Variant
) -> None:
    chosen = described(variant.backend)["strategy_tests"]
    check_suite(project, "--all", *(f"tests/{name}" for name in chosen))


def check_suite(project: Project, *arguments: str) -> None:
    """Runs tests of a project, and checks what comes of it."""
    check_result(project.pytest(*arguments), project.source, project.site)


@pytest.mark.long
@pytest.mark.gate
@pytest.mark.parametrize("variant", FIRST, ids=str)
def test_its_tests_pass_on_the_oldest_versions_it_claims(tmp_path: Path, variant: Variant) -> None:
    source = render(tmp_path / "floor", **variant.answers)
    python = tmp_path / "venv" / "bin" / "python"
    backend = described(variant.backend)
    chosen = [f"tests/{name}" for name in backend.get("oldest_tests", [])]
    for command in (
        ("uv", "venv", "--python", sys.executable, str(tmp_path / "venv")),
        ("uv", "pip", "install", "--python", str(python), "--quiet",
         f"{source}[test]", *backend["oldest"]),
        # ZenML and the engine are the same for all: the default backend's tests are run whole.
        # An outage takes minutes, and is the same with all versions.
        (str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider",
         *(["--all", *WITHOUT_OUTAGE] if variant == FIRST[0] else []), *chosen),
    ):  # fmt: skip
        result = subprocess.run(
            command, cwd=source, capture_output=True, text=True, timeout=scaled(800), check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("backend", backends())
def test_constraints_pin_all_that_it_installs(tmp_path: Path, backend: str) -> None:
    source = render(tmp_path / "project", backend=backend)
    resolved = subprocess.run(
        ["uv", "pip", "compile", "--universal", "--python-version", "3.10", "--quiet",
         "--extra", "test", "--group", "dev", "--no-annotate", "--no-header",
         "--constraints", "constraints.txt", "pyproject.toml"],
        cwd=source, stdout=subprocess.PIPE, text=True, timeout=scaled(300), check=True,
    )  # fmt: skip
    needed = pins(resolved.stdout)
    assert len(needed) > 50
    # Nothing of another backend's is among them.
    assert needed == pins((source / "constraints.txt").read_text())


def pins(requirements: str) -> set[str]:
    """Returns names with versions, without the markers that say where they are needed."""
    lines = (line.partition(";")[0].strip() for line in requirements.splitlines())
    return {line for line in lines if line and not line.startswith("#")}
