"""The control subjects: ZenML's own orchestrators on the emulators. What their tests share.

An emulator that was shaped to our code would prove nothing. ZenML's orchestrator for the same
platform, unmodified, has to run on it too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.timeouts import scaled
from projects import make_once
from rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pytest

HERE = Path(__file__).resolve().parent

# Set, if programs are to make the runs, too, that only the table of docs/conformance.md needs.
ALL = "CONFORMANCE_ALL"

# What a program's environment has, whichever it is.
VARIABLES = {
    "PYTHONDONTWRITEBYTECODE": "",
    # Spelled as ZenML does, for the containers to find what they were warmed up with.
    "ZENML_ANALYTICS_OPT_IN": "False",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL": "0.2",
}


def once(
    factory: pytest.TempPathFactory, name: str, find: Callable[[Path, Path], None]
) -> dict[str, Any]:
    """Returns what a program has seen. It runs once, however many processes share the tests.

    Args:
        factory: Makes folders.
        name: What its folder is called.
        find: Runs it, with a folder of its own and the file that it writes.
    """
    folder = make_once(factory, name, lambda own: find(own, own / "found.json"))
    whole: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return whole


def launch(command: list[str], folder: Path, variables: Mapping[str, str], seconds: float) -> None:
    """Runs a program in a folder, with a ZenML home of its own there.

    Args:
        command: The program and its arguments.
        folder: The folder.
        variables: What its environment has beside this process's.
        seconds: How long it may take; scaled. What it has started ends with it then.
    """
    program = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **VARIABLES, "ZENML_CONFIG_PATH": str(folder / "client"), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = program.communicate(timeout=scaled(seconds))
    except BaseException:
        os.killpg(program.pid, signal.SIGKILL)
        raise
    assert program.returncode == 0, output


def run_on_emulator(
    backend: str, python: str, folder: Path, result: Path, **variables: str
) -> None:
    """Runs the program of an orchestrator on the emulator of a generated project.

    Args:
        backend: The project's backend, which is also the name of ZenML's own orchestrator.
        python: The Python that finds what the orchestrator needs.
        folder: A folder for all that it leaves.
        result: The file that it writes.
        **variables: What its environment has in addition.
    """
    project = render(folder / "project", project_name="control", backend=backend)
    program = HERE / "backends" / backend / "control.py"
    path = os.pathsep.join([str(project / "tests"), str(HERE)])
    command = [python, str(program), str(folder), str(result)]
    seconds = 400
    if ALL in os.environ:
        command, seconds = [*command, "all"], 1200
    launch(command, folder, {"PYTHONPATH": path, **variables}, seconds)


def ids_in(seen: Iterable[dict[str, Any]]) -> set[str]:
    """Returns the run IDs that steps have noted."""
    return {step["run_id"] for step in seen}


def check_dynamic(run: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Checks where the steps of the dynamic pipeline have run.

    Returns:
        The run IDs that were noted in the function's process, and those in processes of isolated
        steps.
    """
    isolated = {name: seen for name, seen in run["seen"].items() if "isolated" in name}
    inline = {name: seen for name, seen in run["seen"].items() if name not in isolated}
    assert len({seen["pid"] for seen in isolated.values()}) == len(isolated) == 2, isolated
    assert len({seen["pid"] for seen in inline.values()}) == 1, inline
    return ids_in(inline.values()), ids_in(isolated.values())


def check_scheduled(runs: list[dict[str, Any]]) -> None:
    """Checks what came of a schedule that has fired twice: two runs, each of its own."""
    first, second = runs
    assert first["status"] == second["status"] == "completed", runs
    assert first["orchestrator_run_id"] != second["orchestrator_run_id"], runs
    for run in runs:
        assert ids_in(run["seen"].values()) == {run["orchestrator_run_id"]}, run
