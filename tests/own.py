"""ZenML's own orchestrators on stand-ins: what their tests, and the programs they run, share."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from zenml.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from uuid import UUID

    import pytest

# What a program's environment has, whichever it is.
VARIABLES = {
    "PYTHONDONTWRITEBYTECODE": "",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL": "0.2",
}


def once(
    factory: pytest.TempPathFactory, name: str, find: Callable[[Path, Path], None]
) -> dict[str, Any]:
    """Returns what a program has seen. It runs once, however many processes share the tests.

    Args:
        factory: Makes folders.
        name: What the file is called that it writes.
        find: Runs it, with a folder of its own and the file.
    """
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    result = folder / f"{name}.json"
    with result.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not result.exists():
            find(factory.mktemp("own"), result)
    whole: dict[str, Any] = json.loads(result.read_text())
    return whole


def launch(command: list[str], folder: Path, variables: Mapping[str, str], seconds: float) -> None:
    """Runs a program in a folder, with a ZenML home of its own there.

    Args:
        command: The program and its arguments.
        folder: The folder.
        variables: What its environment has beside this process's.
        seconds: How long it may take.
    """
    program = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **VARIABLES, "ZENML_CONFIG_PATH": str(folder / "client"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert program.returncode == 0, program.stdout + program.stderr


def outcome(run_id: UUID) -> dict[str, Any]:
    """Returns a run as ZenML has it, and what its steps noted in their processes."""
    found = Client().get_pipeline_run(run_id)
    return {
        "id": str(found.id),
        "status": found.status.value,
        "orchestrator_run_id": found.orchestrator_run_id,
        "steps": {name: step.status.value for name, step in found.steps.items()},
        "seen": {name: step.output.load() for name, step in found.steps.items() if step.outputs},
    }


def ids_in(seen: Iterable[dict[str, Any]]) -> set[str]:
    """Returns the run IDs that steps have noted."""
    return {step["run_id"] for step in seen}
