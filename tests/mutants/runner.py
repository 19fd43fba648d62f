"""Runs generated tests on mutants, quickly: ZenML is imported once, and a server is shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project

# How ZenML is set up in the tests of every project. It reads some of it when it is imported.
ZENML = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL": "0.2",
}

# How long the tests of one mutant may take, in seconds.
LIMIT = 600


class Result(NamedTuple):
    """How a run of pytest ended.

    Attributes:
        returncode: Its exit code.
        stdout: All it printed.
    """

    returncode: int
    stdout: str


class WarmPytest:
    """A process that has imported pytest and ZenML, and forks for each run of a project's tests."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Takes the process over.

        Args:
            process: `warm_pytest.py`, which answers on its output.
        """
        self._process = process

    def run(
        self, project: Project, *arguments: str, output: Path, environment: dict[str, str]
    ) -> Result:
        """Runs tests of a project.

        Args:
            project: Where it is, and where it is installed.
            *arguments: What pytest is called with.
            output: A file that is not there yet, for what pytest prints.
            environment: More environment variables.
        """
        assert self._process.stdin
        assert self._process.stdout
        request = {
            "arguments": ["-p", "no:cacheprovider", "-q", "--all", *arguments],
            "folder": str(project.source),
            # What hangs need not hang for long.
            "environment": project.environment | ZENML | environment | {"TEST_TIMEOUT_FACTOR": "1"},
            "path": [str(project.site)],
            "output": str(output),
            "seconds": LIMIT,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Result(int(self._process.stdout.readline()), output.read_text(errors="replace"))


@contextmanager
def warm_pytest() -> Iterator[WarmPytest]:
    """Starts the process, and ends it."""
    program = Path(__file__).with_name("warm_pytest.py")
    with subprocess.Popen(
        [sys.executable, str(program)],
        # Whoever runs pytest with options of its own does not mean these runs.
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | ZENML,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield WarmPytest(process)
        assert process.stdin
        process.stdin.close()


@contextmanager
def zenml_server(project: Project, folder: Path) -> Iterator[dict[str, str]]:
    """Starts a ZenML server by the kit of a project, and stops it at the end.

    Args:
        project: A project on the engine.
        folder: A folder that is not there yet, for all that the server writes.

    Yields:
        The environment variables by which the kit finds it.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "kit.zenml_server", str(folder)],
        cwd=project.source / "tests",
        env=project.environment | ZENML,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            yield dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        finally:
            process.terminate()
