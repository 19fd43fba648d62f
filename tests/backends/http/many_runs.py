"""A program: the engine's controller and a generated `platform.py` on the example service.

It runs where a project's tests are, and prints what it saw as JSON. Its argument is a folder. No
ZenML is asked: what became of a step, the service is looked at for.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from example_service import ExampleService
from my_orch.engine.clock import Clock
from my_orch.engine.controller import Controller, Plan, StepRecord, StopRequest
from my_orch.engine.protocols import JobKey, JobSpec, Role
from my_orch.platform import HttpPlatform
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RUNS = 50
POLL_SECONDS = 0.5

# Eight steps: one, six side by side, one.
MIDDLE = [f"middle_{number}" for number in range(6)]
DIAMOND = {"first": [], **{name: ["first"] for name in MIDDLE}, "last": MIDDLE}


class Store:
    """ZenML, as the controller sees it: a step has succeeded if a job of it has."""

    transient: tuple[type[Exception], ...] = ()

    def __init__(self, service: ExampleService, run: str) -> None:
        """Looks at a run of a service."""
        self._service, self._run = service, run

    def stop_request(self) -> StopRequest:
        """Returns that nobody asks for a stop."""
        return StopRequest.NONE

    def step_records(self) -> Mapping[str, StepRecord]:
        """Returns nothing: no controller was there before."""
        return {}

    def step_record(self, name: str) -> StepRecord:
        """Looks how the jobs of a step are."""
        of_step = [
            job.state
            for job in list(self._service.jobs.values())
            if job.asked["key"].startswith(f"{self._run}/{name}/")
        ]
        return StepRecord(len(of_step), succeeded="succeeded" in of_step)

    def reuse_cached(self, _: str) -> bool:
        """Has no earlier result."""
        return False

    def end_step(self, _: str, cause: str, **__: bool) -> str:
        """Returns the cause."""
        return cause

    def end_run(self, _: str, **__: bool) -> None:
        """Does nothing."""


def execute(
    service: ExampleService, run: str, upstream: Mapping[str, Collection[str]], *command: str
) -> bool:
    """Executes a run with a platform of its own, as a controller's job would."""
    config: Any = SimpleNamespace(
        url=service.url, token=service.token, controller_queue="", poll_seconds=POLL_SECONDS
    )
    settings: Any = SimpleNamespace(queue="default", environment={})

    def job_of(name: str, attempt: int) -> JobSpec:
        return JobSpec(
            key=JobKey(run, name, attempt),
            role=Role.STEP,
            name=name,
            image="default",
            command=command,
            environment={},
            resources=ResourceSettings(),
            settings=settings,
            labels={"run_id": run},
        )

    plan = Plan(run, upstream, {}, ExecutionMode.CONTINUE_ON_FAILURE)
    platform = HttpPlatform(config)
    controller = Controller(plan, platform, Store(service, run), Clock(), job_of)
    return bool(controller.run())


def with_faults(folder: Path) -> dict[str, Any]:
    """Executes many runs at once, on a service that refuses requests and loses answers."""
    with ExampleService(folder, {"PATH": os.environ["PATH"]}) as service:
        service.slots["default"] = 12
        service.refuses, service.loses = 0.1, 0.05
        with ThreadPoolExecutor(RUNS) as threads:
            runs = [f"run-{number}" for number in range(RUNS)]
            done = [*threads.map(lambda run: execute(service, run, DIAMOND, "true"), runs)]
        return {
            "completed": sum(done),
            "jobs": len(service.jobs),
            "started": len(service.starts),
            "different": len(set(service.starts)),
            "requests": len(service.requests),
        }


def polls(folder: Path, steps: int) -> float:
    """Counts how often a run of so many steps side by side asks how jobs are, per interval."""
    with ExampleService(folder, {"PATH": os.environ["PATH"]}) as service:
        service.slots["default"] = steps
        upstream: dict[str, list[str]] = {f"step_{number}": [] for number in range(steps)}
        begun = time.monotonic()
        assert execute(service, "run", upstream, "sleep", "5")
        seconds = time.monotonic() - begun
        asked = sum(path == "/jobs/query" for _, path, _ in service.requests)
        return float(asked * POLL_SECONDS / seconds)


def main() -> None:
    """Prints what was seen."""
    seen: dict[str, Any] = {}
    for name in ("faults", "few", "many"):
        folder = Path(sys.argv[1], name)
        folder.mkdir()
        seen[name] = (
            with_faults(folder) if name == "faults" else polls(folder, {"few": 2, "many": 40}[name])
        )
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
