"""Renews what is derived from the template's files: `python tests/renew.py`.

These are the manifests and the lists of files (see `derived.py`), and the tables of README.md (see
`readme_tables.py`).
"""

from __future__ import annotations

import sys

from derived import ROOT, derived_files
from readme_tables import README, with_tables


def main() -> None:
    """Writes what is not current, and says so."""
    for path, text in derived_files().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write(f"renewed {path.relative_to(ROOT)}\n")
    if "--files" not in sys.argv:
        text = with_tables(README.read_text(encoding="utf-8"))
        if README.read_text(encoding="utf-8") != text:
            README.write_text(text, encoding="utf-8", newline="\n")
            sys.stdout.write("renewed README.md\n")


if __name__ == "__main__":
    main()
