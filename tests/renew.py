"""Renews what is derived from the template's files: `python tests/renew.py`.

These are the manifests and the lists of files (see `derived.py`), and the tables of README.md and
docs/mutants.md and the pages of settings (see `readme_tables.py`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from derived import ROOT, derived_files
from readme_tables import documents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def main() -> None:
    """Writes what is not current, and says so."""
    write(derived_files())
    if "--files" not in sys.argv:
        # They count the lines of projects, which the lists of files make.
        write(documents())
        # The first page of settings of a backend is a file that its list does not have.
        write(derived_files())


def write(files: Mapping[Path, str]) -> None:
    """Writes the files that have another text, and says which."""
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write(f"renewed {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
