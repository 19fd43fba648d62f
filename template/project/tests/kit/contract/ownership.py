# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Ownership: the engine and the kit are as the template made them."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .base import Contract

if TYPE_CHECKING:
    from kit.harness import Harness

MANIFEST = "MANIFEST.sha256"

# Beside the manifest: the files that are the owner's from now on, one path a line.
EJECTED = "EJECTED"

REMEDY = (
    "The next `copier update` does not know of it. Two ways out: put the file back, and move your "
    "change to where it is yours, the platform's module, or a subclass in it; or eject the file, "
    "and maintain it from now on: see AGENTS.md."
)


def digest(file: Path) -> str:
    """Returns the SHA-256 of a text file, whatever its line ends."""
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def changes(manifest: Path) -> list[str]:
    """Lists the files that are not as their manifest says, and how.

    Args:
        manifest: Lines as `sha256sum` writes them, with paths from its own folder. A file `EJECTED`
            beside it may list paths that are not looked at.
    """
    folder = manifest.parent
    if not manifest.is_file():
        return [f"{manifest} is missing."]
    ejected = {*read_lines(folder / EJECTED)}
    expected = dict(line.split("  ")[::-1] for line in read_lines(manifest))
    found = []
    for name in sorted(expected.keys() - ejected):
        if not (folder / name).is_file():
            found.append(f"{folder / name} was deleted.")
        elif digest(folder / name) != expected[name]:
            found.append(f"{folder / name} was edited.")
    # A folder inside may have a manifest of its own.
    others = {each.parent for each in folder.rglob(MANIFEST)} - {folder}
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder).as_posix()
        if name not in expected.keys() | ejected and others.isdisjoint(file.parents):
            found.append(f"{file} was added.")
    return found


def read_lines(file: Path) -> list[str]:
    """Returns the lines of a file that are not empty; none if there is no file."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


class OwnershipContract(Contract):
    """What belongs to the template was not edited."""

    def test_the_engine_is_as_the_template_made_it(self, harness: Harness) -> None:
        package = Path(importlib.import_module(harness.package).__file__ or "").parent
        self.check([package / "engine" / MANIFEST])

    def test_the_kit_is_as_the_template_made_it(self) -> None:
        kit = Path(__file__).resolve().parent.parent
        self.check([kit / MANIFEST, *kit.glob(f"*/{MANIFEST}")])

    @staticmethod
    def check(manifests: list[Path]) -> None:
        """Fails with the files that were changed."""
        found = [change for manifest in manifests for change in changes(manifest)]
        if found:
            pytest.fail("\n".join([*found, REMEDY]), pytrace=False)
