"""A generated project through its whole life: checked, typed, built, installed, tested."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import yaml
from copier import run_copy, run_update
from projects import Project, installed
from rendering import ROOT, questions, render, rooms, strategies

if TYPE_CHECKING:
    from collections.abc import Iterator

# Each strategy, and with it every other answer that changes more than names and texts.
VARIANTS = {
    ("local", "submission_uuid"): {"license": "MIT", "ci_provider": "gitlab"},
    ("local", "zenml_run_id"): {
        "license": "Proprietary",
        "ci_provider": "none",
        "project_name": "Other.Name",
        "package_name": "pkg",
        "flavor_name": "taste",
        "class_prefix": "P",
        "run_id_variable": "WHICH_RUN",
        "description": 'Says "hi", it\'s {{ 1 + 1 }}, {% raw %}, C:\\new, ünï 🚀 <b>bold</b> #1',
    },
    ("kubernetes", "env_var"): {"license": "BSD-3-Clause"},
    ("kubernetes", "parent_job"): {
        "project_name": "Other.Name",
        "package_name": "pkg",
        "flavor_name": "some_taste",
        "class_prefix": "P",
        "run_id_variable": "WHICH_RUN",
    },
    ("sagemaker", "execution_arn"): {"license": "MIT", "ci_provider": "gitlab"},
    ("sagemaker", "execution_id"): {
        "ci_provider": "none",
        "project_name": "Other.Name",
        "package_name": "pkg",
        "flavor_name": "some_taste",
        "class_prefix": "P",
        "run_id_variable": "WHICH_RUN",
    },
    ("vertex", "job_name"): {"license": "BSD-3-Clause", "ci_provider": "gitlab"},
    ("vertex", "job_uuid"): {
        "ci_provider": "none",
        "project_name": "Other.Name",
        "package_name": "pkg",
        "flavor_name": "some_taste",
        "class_prefix": "P",
        "run_id_variable": "WHICH_RUN",
    },
}

# What the oldest versions are that a project claims to work with.
OLDEST = {
    "local": ("zenml==0.95.*",),
    "kubernetes": ("zenml==0.95.*", "kubernetes==25.3.*"),
    "sagemaker": ("zenml==0.95.*", "boto3==1.40.0", "moto==5.2.0"),
    "vertex": (
        "zenml==0.95.*",
        "google-cloud-aiplatform==1.100.0",
        "google-cloud-secret-manager==2.24.0",
        "gcp-storage-emulator==2026.7.19",
        "kfp-pipeline-spec==2.14.0",
    ),
}


@pytest.fixture(scope="module", params=list(VARIANTS), ids="-".join)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of each variant."""
    backend, strategy = request.param
    folder = tmp_path_factory.mktemp(strategy)
    variant = {"backend": backend, "run_id_strategy": strategy, **VARIANTS[request.param]}
    return installed(folder, **variant)


def test_there_is_a_variant_of_each_strategy_and_an_oldest_version_of_each_backend() -> None:
    assert set(VARIANTS) == set(strategies())
    assert set(OLDEST) == set(rooms())


def test_its_own_checks_pass(project: Project) -> None:
    for check in (
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy", "--python-executable", sys.executable),
    ):
        result = project.run(sys.executable, "-m", *check)
        assert result.returncode == 0, f"{check}: {result.stdout}"


def test_wheel_and_sdist_are_complete(project: Project) -> None:
    package = next(path.name for path in (project.source / "src").iterdir() if path.is_dir())
    sources = {
        path.relative_to(project.source / "src").as_posix()
        for path in (project.source / "src" / package).iterdir()
        if path.is_file()
    }
    assert f"{package}/py.typed" in sources
    (wheel,) = (project.source.parent / "dist").glob("*.whl")
    assert sources <= set(zipfile.ZipFile(wheel).namelist())
    (sdist,) = (project.source.parent / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in sources} <= names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "tests/conftest.py"} <= names


def test_its_own_tests_pass_and_leave_nothing_running(project: Project) -> None:
    result = project.pytest()
    assert result.returncode == 0, result.stdout
    assert not re.search(r"\d+ skipped", result.stdout)
    # They have run pipelines, killed clients and controllers, and stopped runs.
    deadline = time.monotonic() + 20
    while left := [process for process in psutil.process_iter() if is_of(project, process)]:
        assert time.monotonic() < deadline, [process.cmdline() for process in left]
        time.sleep(0.2)


def is_of(project: Project, process: psutil.Process) -> bool:
    """Tells whether a process imports a project's package, or was forked by its tests' node."""
    try:
        path, command = process.environ().get("PYTHONPATH", ""), process.cmdline()
    except psutil.Error:  # It has ended, or is another user's.
        return False
    return str(project.site) in path or any(str(project.source) in word for word in command)


def test_a_controller_killed_at_twenty_moments_runs_no_step_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seven runs of twelve steps, each killed three times or more, each time at another moment.
    monkeypatch.setenv("KILLED_RUNS", "7")
    result = installed(tmp_path, backend="kubernetes").pytest(
        "tests/test_survival.py", "-k=killed_goes_on"
    )
    assert result.returncode == 0, result.stdout
    assert "7 passed" in result.stdout


@pytest.mark.parametrize("backend", rooms())
def test_constraints_pin_all_that_it_installs(tmp_path: Path, backend: str) -> None:
    source = render(tmp_path / "project", backend=backend)
    resolved = subprocess.run(
        ["uv", "pip", "compile", "--universal", "--python-version", "3.10", "--quiet",
         "--extra", "test", "--group", "dev", "--no-annotate", "--no-header",
         "--constraints", "constraints.txt", "pyproject.toml"],
        cwd=source, stdout=subprocess.PIPE, text=True, timeout=300, check=True,
    )  # fmt: skip
    needed = pins(resolved.stdout)
    assert len(needed) > 50
    assert needed <= pins((source / "constraints.txt").read_text())


def pins(requirements: str) -> set[str]:
    """Returns names with versions, without the markers that say where they are needed."""
    lines = (line.partition(";")[0].strip() for line in requirements.splitlines())
    return {line for line in lines if line and not line.startswith("#")}


@pytest.mark.parametrize("backend", OLDEST)
def test_its_tests_pass_on_the_oldest_versions_it_claims(tmp_path: Path, backend: str) -> None:
    source = render(tmp_path / "floor", backend=backend)
    python = tmp_path / "venv" / "bin" / "python"
    for command in (
        ("uv", "venv", "--python", sys.executable, str(tmp_path / "venv")),
        ("uv", "pip", "install", "--python", str(python), "--compile-bytecode", "--quiet",
         f"{source}[test]", *OLDEST[backend]),
        (str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
    ):  # fmt: skip
        result = subprocess.run(
            command, cwd=source, capture_output=True, text=True, timeout=1200, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def zenml_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real ZenML server on loopback, and the variables that connect a client to it."""
    # The one that generated projects bring. There is no Jinja in it.
    path = ROOT / "template" / "common" / "tests" / "zenml_server.py.jinja"
    with runpy.run_path(str(path))["running"](tmp_path_factory.mktemp("zenml") / "server") as found:
        yield found


def test_runs_on_a_zenml_server_and_nothing_stale_crosses_the_fork(
    zenml_server: dict[str, str], tmp_path: Path
) -> None:
    project = installed(tmp_path, project_name="remote")
    client = Path(__file__).with_name("rest_client.py")
    result = subprocess.run(
        [sys.executable, str(client)],
        env=project.environment
        | zenml_server
        | {"ZENML_CONFIG_PATH": str(tmp_path / "home"), "ZENML_ANALYTICS_OPT_IN": "false"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert zenml_server["ZENML_STORE_PASSWORD"] not in result.stdout + result.stderr


def test_a_project_of_each_version_can_be_updated_and_keeps_its_edits(tmp_path: Path) -> None:
    # Until there is a second version, an update from the first one to the working tree.
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("the versions are commits, and this is no whole clone")
    for version, commit in yaml.safe_load((ROOT / "versions.yml").read_text()).items():
        template, project = tmp_path / f"template-{version}", tmp_path / f"project-{version}"
        git(tmp_path, "clone", "--quiet", str(ROOT), str(template))
        run_copy(str(template), project, vcs_ref=commit, defaults=True, quiet=True)
        git(project, "init", "--quiet")
        commit_all(project, "as generated")
        edited = {
            "README.md": ("## Limits", "## Limits\n\nWe know of one more."),
            "pyproject.toml": ('keywords = ["zenml"', 'keywords = ["ours", "zenml"'),
            next(project.glob("src/*/processes.py")).relative_to(project).as_posix(): (
                "class Platform:\n",
                "class Platform:\n    # Ours.\n",
            ),
        }
        for name, (old, new) in edited.items():
            text = (project / name).read_text()
            assert old in text
            (project / name).write_text(text.replace(old, new))
        commit_all(project, "edited")
        # The template goes on, in what the user has edited as well as elsewhere.
        shutil.rmtree(template / "template")
        shutil.copytree(ROOT / "template", template / "template")
        readme = template / "template" / "project" / "README.md.jinja"
        readme.write_text(readme.read_text() + "\nA new last line.\n")
        commit_all(template, "a later version")
        run_update(project, vcs_ref="HEAD", defaults=True, quiet=True, overwrite=True)
        for name, (_, new) in edited.items():
            assert new in (project / name).read_text(), name
        assert (project / "README.md").read_text().endswith("A new last line.\n")
        assert not list(project.rglob("*.rej"))
        assert "<<<<<<<" not in (project / "README.md").read_text()


def git(folder: Path, *arguments: str) -> None:
    """Runs git, as nobody in particular."""
    author = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
    subprocess.run(["git", *author, *arguments], cwd=folder, check=True)


def commit_all(folder: Path, message: str) -> None:
    """Commits all there is."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def test_every_answer_of_a_variant_is_a_question() -> None:
    for answers in VARIANTS.values():
        assert answers.keys() <= questions().keys()
