"""The generated tests can fail: each broken orchestrator of the zoo turns one of them red."""

from __future__ import annotations

import functools
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from projects import Project, installed
from rendering import ROOT
from zoo import (
    KUBERNETES_RIGHT,
    KUBERNETES_ZOO,
    RIGHT,
    SAGEMAKER_RIGHT,
    SAGEMAKER_ZOO,
    VERTEX_RIGHT,
    VERTEX_ZOO,
    ZOO,
    Creature,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ZOOS = [ZOO, KUBERNETES_ZOO, SAGEMAKER_ZOO, VERTEX_ZOO]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Project]:
    """Generates a project of a backend and a strategy, as it should be; each once."""

    @functools.cache
    def generate(backend: str, strategy: str) -> Project:
        folder = tmp_path_factory.mktemp(strategy)
        answers = {"backend": backend, "run_id_strategy": strategy}
        return installed(folder, project_name="zoo", **answers)

    return generate


def label(creature: Creature) -> str:
    """Names a creature in the name of its test."""
    return f"{creature.backend}-{creature.name}"


def bred(sound: Callable[[str, str], Project], folder: Path, creature: Creature) -> Project:
    """Makes a copy of a project with the creature's changes.

    Raises:
        ValueError: If a change does not apply, for then nothing would be tested.
    """
    project = sound(creature.backend, creature.strategy)
    site = shutil.copytree(project.site, folder / "site")
    for module, changes in creature.changes.items():
        path = site / "zoo" / module
        text = path.read_text()
        for old, new in changes.items():
            if text.count(old) != 1:
                message = f"{module} has {text.count(old)} of {old!r}, not 1."
                raise ValueError(message)
            text = text.replace(old, new)
        path.write_text(text)
    return Project(project.source, site)


@pytest.mark.parametrize("creature", [creature for zoo in ZOOS for creature in zoo], ids=label)
def test_a_broken_orchestrator_is_noticed(
    sound: Callable[[str, str], Project], tmp_path: Path, creature: Creature
) -> None:
    result = bred(sound, tmp_path, creature).pytest("--exitfirst", f"tests/{creature.caught_by}")
    name = creature.caught_by.partition("::")[2]
    assert result.returncode == 1, result.stdout
    assert re.search(rf"^(FAILED|ERROR) tests/.*::{name}", result.stdout, re.MULTILINE), (
        result.stdout
    )


@pytest.mark.parametrize(
    "creature", [*RIGHT, *KUBERNETES_RIGHT, *SAGEMAKER_RIGHT, *VERTEX_RIGHT], ids=label
)
def test_an_unusual_but_right_orchestrator_is_not(
    sound: Callable[[str, str], Project], tmp_path: Path, creature: Creature
) -> None:
    result = bred(sound, tmp_path, creature).pytest(f"tests/{creature.caught_by}")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("creatures", ZOOS, ids=lambda creatures: creatures[0].backend)
def test_the_readme_shows_the_zoo(creatures: list[Creature]) -> None:
    rows = [
        f"| {creature.mistake} | `{creature.caught_by.partition('::')[2]}` |"
        for creature in creatures
    ]
    # A table of its own, with no row more.
    table = "\n".join(["", "| mistake | noticed by |", "| --- | --- |", *rows, "", ""])
    assert table in (ROOT / "README.md").read_text()
