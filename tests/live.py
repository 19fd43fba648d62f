"""The contract on an owner's stack: a registered one, and `pytest --live` on it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.timeouts import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from projects import Project

STACK = "mine"

# How long processes may take to end after pytest has, on a busy machine. Endless steps take longer.
GRACE_SECONDS = 30.0

# A program, in the folder of a project's tests: registers the flavor, an orchestrator and a stack.
REGISTER = """
import json, sys

sys.path.insert(0, ".")
from harness import HARNESS
from zenml.client import Client
from zenml.enums import StackComponentType as Kind

name, configuration, store = sys.argv[1:]
client, flavor = Client(), HARNESS.flavor
client.create_flavor(f"{flavor.__module__}.{flavor.__name__}", Kind.ORCHESTRATOR)
made = {
    Kind.ORCHESTRATOR: client.create_stack_component(
        name, HARNESS.flavor_name, Kind.ORCHESTRATOR, json.loads(configuration)
    ),
    Kind.ARTIFACT_STORE: client.create_stack_component(
        name, "local", Kind.ARTIFACT_STORE, {"path": store}
    ),
}
client.create_stack(name, {kind: component.id for kind, component in made.items()})
"""

# Another: counts the runs of ZenML by their status.
COUNT = """
import collections, json
from zenml.client import Client

runs = Client().list_pipeline_runs(size=1000).items
print(json.dumps(collections.Counter(run.status.value for run in runs)))
"""


class Owner:
    """Somebody who has a project, a ZenML and a stack.

    Attributes:
        artifacts: The folder of the stack's artifact store.
    """

    def __init__(
        self,
        project: Project,
        folder: Path,
        configuration: Mapping[str, Any],
        connection: Mapping[str, str] | None = None,
    ) -> None:
        """Registers the stack.

        Args:
            project: The project.
            folder: A folder that is not there yet, for ZenML's files and the artifacts.
            configuration: How the orchestrator is configured.
            connection: The variables by which ZenML's client finds a server.
        """
        self._project, self._folder = project, folder
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir(parents=True)
        self._environment = {
            **project.environment,
            **(connection or {}),
            "ZENML_CONFIG_PATH": str(folder / "zenml"),
            "ZENML_ANALYTICS_OPT_IN": "false",
        }
        self._python(REGISTER, STACK, json.dumps(configuration), str(self.artifacts))

    def _python(self, program: str, *arguments: str) -> str:
        # ZenML wants to know the file of the main module.
        file = self._folder / "program.py"
        file.write_text(program)
        return self._run(str(file), *arguments, timeout=300, check=True).stdout

    def _run(
        self, *arguments: str, timeout: float, check: bool = False, folder: str = "tests"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._project.source / folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if check else subprocess.STDOUT,
            text=True,
            timeout=scaled(timeout),
            check=check,
        )

    def pytest(self, *options: str) -> tuple[int, str]:
        """Runs `pytest --live`, and returns how it ended, and what it said."""
        arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--live", STACK, *options)
        done = self._run(*arguments, timeout=300, folder=".")
        return done.returncode, done.stdout

    def runs(self) -> dict[str, int]:
        """Counts the runs of ZenML by their status."""
        found: dict[str, int] = json.loads(self._python(COUNT).splitlines()[-1])
        return found

    def left(self) -> list[str]:
        """Lists the processes of jobs that are still there after a moment's grace."""
        deadline = time.monotonic() + GRACE_SECONDS
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def _processes(self) -> list[str]:
        """Lists the processes that have the variables of this ZenML."""
        wanted = str(self._folder).encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # It may just have ended.
                if wanted in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found


def announced(output: str) -> int:
    """Returns how many jobs a live run said that it was going to run."""
    found = re.search(rf"live: about (\d+) jobs on stack `{STACK}`", output)
    assert found, output
    return int(found[1])


def kept(output: str) -> int:
    """Returns how many promises are kept, by the contract report."""
    found = re.search(r"contract: (\d+) kept, (\d+) cannot be seen live", output)
    assert found, output
    assert "Not to be seen live, as " in output
    return int(found[1])
