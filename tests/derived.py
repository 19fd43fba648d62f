"""What is derived from the template's files, and kept in the repository.

- `MANIFEST.sha256` in the engine, the kit and each emulator: the hashes by which a generated
  project knows that nobody has edited them.
- `files` in the `backend.yml` of each backend: what is in its folder.

`python tests/renew.py` writes them anew; `tests/answers/test_wiring.py` says when that is due.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "template" / "project"
BACKENDS = ROOT / "template" / "backends"
MANIFEST = "MANIFEST.sha256"
EMULATORS = "tests/kit/*_emulator"

# What working in a folder leaves behind. Copier does not take it either.
LEFTOVERS = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def files_below(folder: Path) -> list[str]:
    """Returns the relative paths of all files below a folder, sorted; none if it is missing."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not LEFTOVERS.intersection(path.parts)
    )


def vendored_folders() -> list[Path]:
    """Returns the folders that generated projects hold against a manifest."""
    return [
        PROJECT / "src" / "{{ package_name }}" / "engine",
        PROJECT / "tests" / "kit",
        *sorted(BACKENDS.glob(f"*/{EMULATORS}")),
    ]


def manifest(folder: Path) -> str:
    """Writes down the hash of each file of a folder, as `sha256sum` does.

    Returns:
        A line for each file: the hash of its bytes, with LF as line end, two blanks, its path.
    """
    lines = []
    for name in files_below(folder):
        if name != MANIFEST:
            content = (folder / name).read_bytes().replace(b"\r\n", b"\n")
            lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    return "".join(lines)


def backend_files(folder: Path) -> list[str]:
    """Returns what the `files` of a backend should be, given its folder.

    These are the paths below `src`, `tests` and `files`, without the suffix `.jinja`.
    """
    found = {
        f"{part}/{name.removesuffix('.jinja')}"
        for part in ("src", "tests", "files")
        for name in files_below(folder / part)
    }
    manifests = {f"tests/kit/{path.name}/{MANIFEST}" for path in folder.glob(EMULATORS)}
    return sorted(found | manifests)


def wiring(folder: Path) -> str:
    """Returns the text of a `backend.yml` as it should be: its `files` come last, and are all."""
    text = (folder / "backend.yml").read_text(encoding="utf-8")
    head, found, _ = text.partition("\nfiles:")
    if not found:
        message = f"{folder.name}/backend.yml has no `files`."
        raise ValueError(message)
    names = backend_files(folder)
    return head + "\nfiles:" + "".join(f"\n  - {name}" for name in names) + "\n"


def derived_files() -> dict[Path, str]:
    """Returns the text that each derived file should have."""
    texts = {folder / MANIFEST: manifest(folder) for folder in vendored_folders()}
    return texts | {path: wiring(path.parent) for path in sorted(BACKENDS.glob("*/backend.yml"))}
