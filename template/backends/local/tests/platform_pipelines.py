# YOURS: pipelines for the tests of what only your platform does.
"""The pipelines that only the tests of this platform run. Steps import it in their processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.pipelines import look, note, wait_for
from zenml import pipeline, step
from zenml.client import Client
from zenml.config import ResourceSettings

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline


@step
def read_grace() -> float:
    config: Any = Client().active_stack.orchestrator.config
    return float(config.stop_grace_seconds)


@pipeline(enable_cache=False)
def read_configuration() -> None:
    read_grace()


@step
def meet(marks: str, name: str, other: str) -> None:
    """Ends when the other one works, too."""
    Path(marks, name).touch()
    wait_for(Path(marks, other))


@pipeline(enable_cache=False)
def meeting(marks: str) -> None:
    meet(marks, "one", "other")
    meet(marks, "other", "one")


# ---- Resources: pairs of steps that do not fit side by side, and one pair that does


@step
def work() -> dict[str, Any]:
    return look(0.2)


WANTED = {
    "cpu": ResourceSettings(cpu_count=2),
    "memory": ResourceSettings(memory="600MB"),
    "gpu": ResourceSettings(gpu_count=2),
    "half": ResourceSettings(gpu_count=1),
}


@pipeline(enable_cache=False)
def crowded() -> None:
    for name, settings in WANTED.items():
        for number in (1, 2):
            work.with_options(settings={"resources": settings})(id=f"{name}_{number}")


@pipeline(enable_cache=False, dynamic=True)
def dynamic_crowded() -> None:
    greedy = work.with_options(settings={"resources": WANTED["gpu"]})
    futures = [greedy.submit() for _ in range(2)]
    for future in futures:
        future.load()


@pipeline(enable_cache=False, dynamic=True, settings={"resources": WANTED["gpu"]})
def dynamic_with_resources() -> None:
    work()


@step
def touch(path: str) -> None:
    Path(path).touch()


@step(settings={"resources": ResourceSettings(cpu_count=64, memory="64TB", gpu_count=64)})
def impossible() -> None:
    raise AssertionError("This must never run.")


@pipeline(enable_cache=False)
def too_much(path: str) -> None:
    touch(path)
    impossible()


# ---- A client of its own


@step
def stubborn(marks: str) -> None:
    """Ends only when it is killed, and so does a process of its own, which leaves its group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    note(Path(marks, "pids"), f"{os.getpid()} {child.pid}")
    while True:
        with suppress(BaseException):
            time.sleep(600)


def stopped_as(name: str) -> Pipeline:
    """Makes a pipeline of that name for a client of its own, to tell its runs apart."""

    @pipeline(name=name, enable_cache=False, settings={"orchestrator": {"stop_grace_seconds": 1.0}})
    def stopped_elsewhere(marks: str) -> None:
        stubborn(marks)

    return stopped_elsewhere
