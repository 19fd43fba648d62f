"""What a mutant is: an implementation with one thing wrong, and the test that kills it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation.

    Attributes:
        mistake: What is wrong, in words. README.md shows it.
        killed_by: The generated test that must fail, as pytest names it, below `tests/`. For an
            implementation that is unusual but right, the tests that must pass.
        source: For each module of the package, Python that is appended to it: it defines a function
            and puts it in the place of one that the module has. So it holds in every process that
            imports the module.
        text: For each module of the package, pieces of its text and what replaces them. For what no
            function of its own does.
        strategy: The run ID strategy of the project; None for the backend's first.
    """

    mistake: str
    killed_by: str
    source: dict[str, str] = field(default_factory=dict)
    text: dict[str, dict[str, str]] = field(default_factory=dict)
    strategy: str | None = None

    @property
    def name(self) -> str:
        """The mistake as an identifier."""
        return "".join(c if c.isalnum() else "_" for c in self.mistake.lower()).strip("_")

    @property
    def test(self) -> str:
        """The name of the test that kills it, without its file and class."""
        return self.killed_by.rpartition("::")[2]

    def apply(self, package: Path) -> None:
        """Changes an installed package.

        Args:
            package: The package's folder.

        Raises:
            ValueError: If a piece of text is not there exactly once: nothing would be tested.
        """
        for module, pieces in self.text.items():
            text = (package / module).read_text()
            for old, new in pieces.items():
                if text.count(old) != 1:
                    message = f"{module} has {text.count(old)} of {old!r}, not 1."
                    raise ValueError(message)
                text = text.replace(old, new)
            (package / module).write_text(text)
        for module, source in self.source.items():
            with (package / module).open("a") as file:
                file.write(f"\n\n{source}\n")


def copy_of(site: Path, destination: Path) -> Path:
    """Copies the folder in which a project is installed, for a mutant to change."""
    return shutil.copytree(site, destination)
