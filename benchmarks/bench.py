"""What the measurements share: a temporary folder, and projects generated and installed in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copier import Settings, run_copy

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
TESTS = REPOSITORY / "tests"

# What working in a folder leaves behind.
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*_cache")


def program(backend: str, name: str) -> Path:
    """Returns a program that lies beside the benchmark of a backend."""
    return TESTS / "backends" / backend / name


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
                shutil.copytree(source, copy / name, ignore=LEFTOVERS)
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


def run_client(
    python: str,
    program: Path,
    arguments: dict[str, Any],
    home: Path,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Runs a program that measures in a process of its own, and returns what it has found.

    Args:
        python: The Python that runs it.
        program: The program. Its one argument is JSON, with the file `found` that it writes.
        arguments: What the JSON has beside that.
        home: A folder that is not there yet, for all that it leaves. It is also where it runs: in
            none that could be, or be in, a ZenML repository.
        environment: Its environment. It gets a ZenML home of its own.
    """
    home.mkdir()
    found, log = home / "found.json", home / "client.log"
    whole = {"home": str(home), "found": str(found), **arguments}
    with log.open("w") as output:
        client = subprocess.run(
            [python, str(program), json.dumps(whole)],
            cwd=home,
            env={**environment, "ZENML_CONFIG_PATH": str(home / "client")},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if client.returncode != 0:
        sys.exit(f"{log.read_text()[-5000:]}\nThe client failed; above is the end of its output.")
    values: dict[str, Any] = json.loads(found.read_text())
    return values
