"""The generated tests can fail: each broken orchestrator of the zoo turns one of them red."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from projects import Project, installed
from rendering import ROOT
from zoo import RIGHT, ZOO, Creature

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A freshly generated project, as it should be."""
    return installed(tmp_path_factory.mktemp("zoo"), project_name="zoo")


def bred(sound: Project, folder: Path, creature: Creature) -> Project:
    """Makes a copy of the project with the creature's changes.

    Raises:
        ValueError: If a change does not apply, for then nothing would be tested.
    """
    site = shutil.copytree(sound.site, folder / "site")
    for module, changes in creature.changes.items():
        path = site / "zoo" / module
        text = path.read_text()
        for old, new in changes.items():
            if text.count(old) != 1:
                message = f"{module} has {text.count(old)} of {old!r}, not 1."
                raise ValueError(message)
            text = text.replace(old, new)
        path.write_text(text)
    return Project(sound.source, site)


@pytest.mark.parametrize("creature", ZOO, ids=lambda creature: creature.name)
def test_a_broken_orchestrator_is_noticed(
    sound: Project, tmp_path: Path, creature: Creature
) -> None:
    result = bred(sound, tmp_path, creature).pytest(f"tests/{creature.caught_by}")
    name = creature.caught_by.partition("::")[2]
    assert result.returncode == 1, result.stdout
    assert re.search(rf"^(FAILED|ERROR) tests/.*::{name}", result.stdout, re.MULTILINE), (
        result.stdout
    )


@pytest.mark.parametrize("creature", RIGHT, ids=lambda creature: creature.name)
def test_an_unusual_but_right_orchestrator_is_not(
    sound: Project, tmp_path: Path, creature: Creature
) -> None:
    result = bred(sound, tmp_path, creature).pytest(f"tests/{creature.caught_by}")
    assert result.returncode == 0, result.stdout


def test_the_readme_shows_the_zoo() -> None:
    rows = [
        f"| {creature.mistake} | `{creature.caught_by.partition('::')[2]}` |" for creature in ZOO
    ]
    assert "\n".join(rows) in (ROOT / "README.md").read_text()
