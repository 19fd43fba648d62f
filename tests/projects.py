"""Generated projects, installed beside the tests' own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rendering import render

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A generated project.

    Attributes:
        source: The project's folder.
        site: Where its wheel is installed; what it needs is in the tests' environment.
    """

    source: Path
    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that imports the installed package."""
        return os.environ | {"PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": ""}

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs a program in the project's folder."""
        return subprocess.run(
            command,
            cwd=self.source,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pytest(self, *arguments: str, timeout: float = 1200) -> subprocess.CompletedProcess[str]:
        """Runs the project's own tests."""
        options = ("-p", "no:cacheprovider", "-q")
        return self.run(sys.executable, "-m", "pytest", *options, *arguments, timeout=timeout)


def installed(folder: Path, **answers: str) -> Project:
    """Generates a project, builds its wheel, and installs that."""
    source, site = render(folder / "project", **answers), folder / "site"
    project = Project(source, site)
    build = project.run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist")
    )
    assert build.returncode == 0, build.stdout
    (wheel,) = (folder / "dist").glob("*.whl")
    install = project.run("uv", "pip", "install", "--no-deps", "--target", str(site), str(wheel))
    assert install.returncode == 0, install.stdout
    return project
