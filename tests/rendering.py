"""Renders the template as it stands in the working tree, committed or not."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from copier import Settings, run_copy
from derived import BACKENDS, LEFTOVERS, ROOT
from kit.timeouts import scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from copier._main import Worker


def export(destination: Path) -> Path:
    """Copies what Copier reads. Without .git, or Copier would take the last commit instead."""
    leftovers = shutil.ignore_patterns(*LEFTOVERS)
    for name in ("copier.yml", "CHANGELOG.md", "template", "hooks"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, destination / name, ignore=leftovers)
        elif source.exists():
            destination.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, destination)
    return destination


@functools.cache
def template() -> Path:
    """An export that the tests of this process share. Those that change it make their own."""
    folder = tempfile.mkdtemp(prefix="orch-template-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return export(Path(folder))


@functools.cache
def questions() -> dict[str, dict[str, Any]]:
    """What a user is asked, in order: not Copier's settings, nor what is computed."""
    declared = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: question
        for name, question in declared.items()
        if not name.startswith("_") and question.get("when") is not False
    }


@functools.cache
def backends() -> dict[str, dict[str, Any]]:
    """Returns the `backend.yml` of each backend, the default first."""
    declared = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: yaml.safe_load((BACKENDS / name / "backend.yml").read_text())
        for name in declared["backends"]["default"]
    }


@functools.cache
def strategies() -> list[tuple[str, str]]:
    """Returns all pairs of a backend and a run ID strategy that it offers."""
    return [
        (backend, name) for backend, wiring in backends().items() for name in wiring["strategies"]
    ]


def _copy(
    destination: Path, source: str | Path | None, given: dict[str, str], exclude: Sequence[str] = ()
) -> Worker:
    # Copier takes any key for an answer, so a misspelt one would test the default.
    if unknown := given.keys() - questions().keys():
        message = f"not a question: {', '.join(sorted(unknown))}"
        raise KeyError(message)
    return run_copy(
        str(source or template()),
        destination,
        data=given,
        defaults=True,
        quiet=True,
        unsafe=False,
        settings=Settings(),
        exclude=exclude,
    )


def render(destination: Path, *, source: str | Path | None = None, **given: str) -> Path:
    """Renders a project; what is not given is the default."""
    _copy(destination, source, given)
    return destination


def answers(destination: Path, *, source: str | Path | None = None, **given: str) -> dict[str, Any]:
    """What a project would be rendered from, without rendering it."""
    return dict(_copy(destination, source, given, exclude=["*"]).answers.combined)


def run_copier_cli(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs `copier`, as a user would who has no settings of their own."""
    return subprocess.run(
        [sys.executable, "-m", "copier", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"COPIER_SETTINGS_PATH": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(240),
        check=False,
    )
