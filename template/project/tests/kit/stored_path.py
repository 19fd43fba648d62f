# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Where steps and tests leave marks for each other: a folder, or a place in the artifact store.

In a live run no folder is shared, and the artifact store is all that both see.
"""

from __future__ import annotations

from pathlib import Path

from zenml.io import fileio

PREFIX = "stored:"


class StoredPath:
    """A path in the artifact store of the active stack, with what is needed here of a `Path`."""

    def __init__(self, uri: str) -> None:
        """Touches nothing.

        Args:
            uri: Where it is: `s3://bucket/folder`, say.
        """
        self.uri = uri.rstrip("/")

    def __str__(self) -> str:
        """Returns what `mark_path` makes a path of again, in another process."""
        return f"{PREFIX}{self.uri}"

    def __truediv__(self, name: str) -> StoredPath:
        """Returns the path of what is inside."""
        return StoredPath(f"{self.uri}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.uri.rpartition("/")[2]

    @property
    def parent(self) -> StoredPath:
        """What it is in."""
        return StoredPath(self.uri.rpartition("/")[0])

    def exists(self) -> bool:
        """Tells whether it is there."""
        return bool(fileio.exists(self.uri))

    def mkdir(self) -> None:
        """Makes a folder, where there are any."""
        fileio.makedirs(self.uri)

    def touch(self) -> None:
        """Leaves a mark."""
        self.write_text(self.name)  # Some stores have no empty objects.

    def write_text(self, text: str) -> None:
        """Writes a text."""
        with fileio.open(self.uri, "w") as file:
            file.write(text)

    def read_text(self) -> str:
        """Reads a text."""
        with fileio.open(self.uri, "r") as file:
            return str(file.read())

    def with_suffix(self, suffix: str) -> StoredPath:
        """Returns the path of a neighbour: for names without a suffix."""
        return StoredPath(f"{self.uri}{suffix}")

    def replace(self, target: StoredPath) -> None:
        """Renames it."""
        fileio.rename(self.uri, target.uri, overwrite=True)

    def iterdir(self) -> list[StoredPath]:
        """Lists what is inside."""
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in self._list()]
        return [self / name.rstrip("/").rpartition("/")[2] for name in names]

    def _list(self) -> list[str | bytes]:
        return [*fileio.listdir(self.uri)] if fileio.isdir(self.uri) else []

    def delete(self) -> None:
        """Deletes it, with all that is inside."""
        if fileio.isdir(self.uri):
            fileio.rmtree(self.uri)


def mark_path(text: str | Path) -> Path | StoredPath:
    """Returns the path that a text means, as a step gets it."""
    stored = str(text).startswith(PREFIX)
    return StoredPath(str(text).removeprefix(PREFIX)) if stored else Path(text)
