"""Runs 100 steps of a second in 4 lanes on a real Slurm: by the engine, and by a bare loop.

Jobs are shell scripts, and ZenML is a folder: what is measured is the engine and the platform.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from kit.stage import FolderStore
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode

LANES = 4

# What a step does: it tells the folder, as it would tell ZenML.
STEP = 'touch "$0.begun"; sleep 1; echo completed > "$0.report"'

# CPUs of the node by which no more jobs run at a time than there are lanes.
SHARE = "--cpus-per-task=4"


def measure_engine(package: str, folder: Path, steps: int) -> dict[str, Any]:
    """Lets the engine's controller run steps, and returns what that took."""

    def module(name: str) -> Any:
        return importlib.import_module(f"{package}.{name}")

    protocols, scheduler = module("engine.protocols"), module("scheduler")
    config = SimpleNamespace(folder=str(folder / "jobs"), cluster="tests", poll_seconds=1.0)
    platform = module("platform").SlurmPlatform(config)
    calls: list[tuple[str, float]] = []
    run = scheduler.run

    def run_and_note(command: str, *arguments: str, **values: str) -> Any:
        calls.append((command, time.time()))
        return run(command, *arguments, **values)

    scheduler.run = run_and_note
    run_id, settings = str(uuid4()), module("config").Settings()

    def job_of(name: str, attempt: int) -> Any:
        return protocols.JobSpec(
            key=protocols.JobKey(run_id, name, attempt),
            role=protocols.Role.STEP,
            name=name,
            image=None,
            command=("sh", "-c", STEP, f"{folder}/{name}.{attempt}"),
            environment={},
            resources=ResourceSettings(),
            settings=settings,
        )

    controllers = module("engine.controller")
    plan = controllers.Plan(
        run=run_id,
        upstream={f"step_{number}": () for number in range(steps)},
        retries={},
        mode=ExecutionMode.CONTINUE_ON_FAILURE,
        max_parallelism=LANES,
    )
    store = FolderStore(folder, controllers)
    begun, cpu = time.time(), time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = module("engine.clock").Clock()
    assert controllers.Controller(plan, platform, store, clock, job_of).run()
    wall, cpu = time.time() - begun, time.process_time() - cpu
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    scheduler.run = run
    ends = sorted(file.stat().st_mtime for file in folder.glob("*.report"))
    assert len(ends) == steps
    submissions = [moment for command, moment in calls if command == "submit"]
    queries = [moment for command, moment in calls if command == "list"]
    return {
        "wall": wall,
        "cpu": cpu / steps,
        "commands_cpu": (
            spent.ru_utime + spent.ru_stime - children.ru_utime - children.ru_stime
        ) / steps,
        # A lane is free when a step has ended.
        "gaps": [begins - ends[n] for n, begins in enumerate(submissions[LANES:])],
        # The first comes at the beginning, and each of the others an interval after another.
        "queries_per_second": (len(queries) - 1) / (queries[-1] - queries[0]),
    }  # fmt: skip


def measure_loop(folder: Path, steps: int) -> float:
    """Submits all at once with a bare loop; Slurm runs as many at a time. Returns the seconds."""
    begun = time.time()
    for number in range(steps):
        words = ("sbatch", "--parsable", SHARE, f"--output={folder}/loop.log", "--wrap")
        subprocess.run([*words, f"sleep 1; : {number}"], check=True, stdout=subprocess.PIPE)
    submitted = time.time() - begun
    while subprocess.run(["squeue", "--noheader"], check=True, stdout=subprocess.PIPE).stdout:
        time.sleep(0.2)
    print(f"{steps} times sbatch: {submitted:.2f} s", file=sys.stderr)
    return time.time() - begun


def main() -> None:
    """Measures, and writes what it has found."""
    given = json.loads(sys.argv[1])
    found: dict[str, Any] = {"loop": [], "engine": []}
    for number in range(given["rounds"]):
        folder = Path(given["home"]) / f"round-{number}"
        folder.mkdir()
        found["engine"].append(measure_engine(given["package"], folder, given["steps"]))
        found["loop"].append(measure_loop(folder, given["steps"]))
    Path(given["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
