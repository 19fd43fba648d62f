"""What the measurements share: a temporary folder, and projects generated and installed in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from copier import Settings, run_copy

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent


@dataclass(frozen=True)
class Installed:
    """A generated project, installed in a folder of its own.

    Attributes:
        source: Its folder.
        package: The name of its package.
        flavor: Where its flavor is, as ZenML wants it said.
        environment: The environment variables for processes that use it.
    """

    source: Path
    package: str
    flavor: str
    environment: dict[str, str]


class Bench:
    """Where measurements are made."""

    def __init__(self, folder: Path, rounds: int, *, quick: bool = False) -> None:
        """Begins.

        Args:
            folder: A folder that is there, and empty.
            rounds: How often to measure what takes long. What does not is measured
                more often.
            quick: Whether to leave out what takes minutes.
        """
        self.folder = folder
        self.rounds = rounds
        self.quick = quick
        # Bytecode is written, as it is where packages are installed in the usual way.
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "ZENML_"))
        }
        self._installed: dict[str, Installed] = {}

    @cached_property
    def template(self) -> Path:
        """The template as it stands in the working tree. Without git, whose time is not ours."""
        copy = self.folder / "template"
        for name in ("copier.yml", "template", "hooks"):
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, copy / name)
            elif source.exists():
                copy.mkdir(exist_ok=True)
                shutil.copy(source, copy)
        return copy

    def installed(self, backend: str) -> Installed:
        """Returns a project for a backend, generated and installed the first time."""
        if backend not in self._installed:
            self._installed[backend] = self._install(backend)
        return self._installed[backend]

    def _install(self, backend: str) -> Installed:
        home = self.folder / backend
        project = home / "my-orch"
        data = {"backend": backend}
        run_copy(
            str(self.template), project, data=data, defaults=True, quiet=True, settings=Settings()
        )
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)],
            cwd=project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        # A wheel is a zip file of what belongs on Python's path.
        site = home / "site"
        with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
            wheel.extractall(site)
        environment = self.environment | {
            "PYTHONPATH": str(site),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_CONFIG_PATH": str(home / "zenml"),
        }
        flavor = "my_orch.flavor.MyOrchOrchestratorFlavor"
        return Installed(project, "my_orch", flavor, environment)
