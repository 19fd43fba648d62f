"""Virtual environments with packages from PyPI, as users have them, and rows about two of them."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from measure import Row, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What each of them has. The version is the one here, so that it is the same for all.
BASE = f"zenml[local]=={version('zenml')}"

MEGABYTE = 1_000_000


class Environment:
    """A virtual environment with ZenML."""

    def __init__(self, folder: Path, *requirements: str) -> None:
        """Makes it, unless it is there already.

        Args:
            folder: Where.
            requirements: What to install beside ZenML.
        """
        self._folder = folder
        self.python = str(folder / "bin" / "python")
        if not folder.exists():
            self._uv("venv", "--python", sys.executable, str(folder))
            self._uv("pip", "install", "--python", self.python, BASE, *requirements)

    def size(self) -> float:
        """Returns the size of all files that were installed, in megabytes. Bytecode is none."""
        files = (path for path in (self._folder / "lib").rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / MEGABYTE

    @staticmethod
    def _uv(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "uv", *arguments, "--quiet"], check=True)


def compared(
    what: str,
    reference: str,
    values: Mapping[str, Sequence[float]],
    *,
    limit: float | None = None,
    most: float | None = None,
) -> Row:
    """Makes a row of numbers.

    Args:
        what: What was measured.
        reference: What we compare with.
        values: The numbers: `ours`, and under another name those of the reference.
        limit: The highest ratio of the two medians that is fine.
        most: The highest median of ours that is fine.
    """
    samples = {name: [Sample(value) for value in found] for name, found in values.items()}
    ours = samples.pop("ours")
    (theirs,) = samples.values()
    return Row(what, ours, reference, theirs, limit=limit, most=most)
