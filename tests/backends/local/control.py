"""Runs pipelines with ZenML's own `local` orchestrator, on this machine.

A program of its own: ZenML reads its environment when it is imported. A folder with the contract's
kit is on Python's path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator_programs import (
    GREEDY,
    LONGEST_NAME,
    execute,
    look,
    newest_run,
    outcome,
    register,
    runnable,
    use,
)
from kit import pipelines
from kit.timeouts import scaled
from zenml.client import Client
from zenml.config import Schedule
from zenml.pipelines.run_utils import create_placeholder_run

if TYPE_CHECKING:
    from uuid import UUID


STACK = "own"

# Has the program run a pipeline of this name, and nothing else.
ONLY = "--only"


def execute_elsewhere(name: str) -> dict[str, Any]:
    """Runs a pipeline in a process of its own, which may be killed, and returns what came of it."""
    command = [sys.executable, __file__, ONLY, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(300), check=False)
    return outcome(newest_run()) | {"exit_code": done.returncode}


def execute_again(run_id: UUID) -> dict[str, Any]:
    """Executes the snapshot of a run once more, and returns what came of it."""
    snapshot = Client().get_pipeline_run(run_id).snapshot
    assert snapshot is not None
    run = create_placeholder_run(snapshot=snapshot)
    Client().active_stack.submit_pipeline(snapshot=snapshot, placeholder_run=run)
    return outcome(run.id)


def schedule_in_vain() -> str:
    """Schedules a pipeline, and returns what is said to that."""
    try:
        runnable(pipelines.single, schedule=Schedule(cron_expression="0 3 * * *"))()
    except Exception as error:  # The test looks at it.
        return str(error)
    return ""


def main(home: Path, found: Path) -> None:
    """Runs all, and writes what came of it to a file."""
    register(home, {STACK: ("local", {})})
    use(STACK, Path(pipelines.__file__).parent.parent)
    outcomes: dict[str, Any] = {
        "static": execute(pipelines.diamond.with_options(steps=GREEDY)),
        "again": execute_again(newest_run()),
        "dynamic": execute(pipelines.dynamic_inline),
        "failing": execute(pipelines.failing),
        "longest": execute(pipelines.long_name.with_options(run_name=LONGEST_NAME)),
        "killed": execute_elsewhere("killed"),
        "scheduled_in_vain": schedule_in_vain(),
    }
    outcomes |= look()
    found.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    if sys.argv[1] == ONLY:
        use(STACK, Path(pipelines.__file__).parent.parent)
        runnable(getattr(pipelines, sys.argv[2]))()
    else:
        main(*map(Path, sys.argv[1:3]))
