"""The virtual environments in which the backend `vertex` is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments import Environment

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Bench, Installed


def wheel_of(project: Installed) -> Path:
    """Returns the file that a project is installed from."""
    return next(project.source.parent.glob("*.whl"))


def environment(bench: Bench, name: str, *requirements: str) -> Environment:
    """Returns an environment, made the first time."""
    return Environment(bench.folder / "vertex-environments" / name, *requirements)
