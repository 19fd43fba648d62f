# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The pipelines that the contract runs. Steps import this module in their own processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import zenml
from zenml import pipeline, step
from zenml.client import Client
from zenml.config import ResourceSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode, StepRuntime
from zenml.steps.heartbeat import StepHeartbeatWorker

from . import beat as signs_of_life
from . import recording
from .stored_path import StoredPath, mark_path
from .timeouts import wait_until

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

# Tells processes apart that have the same number, as the first ones of containers.
IMPORTED = uuid4().hex

# The function of a dynamic pipeline submits jobs in a process of its own.
recording.install()


def observe(started: float, **more: Any) -> dict[str, Any]:
    """Returns what a step sees in its process."""
    return {
        "run_id": Client().active_stack.orchestrator.get_orchestrator_run_id(),
        "pid": machine_pid(),
        "parent": os.getppid(),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "directory": str(Path.cwd()),
        "mark": os.environ.get("MARK"),
        "started": started,
        "ended": time.time(),
        **more,
    }


def look(seconds: float = 0.0) -> dict[str, Any]:
    """Takes some time, and returns what it sees."""
    started = time.time()
    time.sleep(seconds)
    return observe(started)


def machine_pid() -> int:
    """Returns this process's ID, as the machine has it: the first of a container is 1 there.

    `/proc` is the machine's in the kit's containers too.
    """
    link = Path("/proc/self")
    return int(link.readlink().name) if link.is_symlink() else os.getpid()


def be_killed() -> None:
    """Ends this process by SIGKILL.

    The first process of a container gets none that it sends itself, but the kernel's when it has
    used up its CPU time: https://man7.org/linux/man-pages/man2/getrlimit.2.html.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    import resource  # Windows has none.

    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass


def with_resources(resources: dict[str, Any]) -> dict[str, Any]:
    """Makes the settings of a step that asks for resources."""
    return {"resources": ResourceSettings(**resources)} if resources else {}


# ---- In sequence, side by side, and one output for two steps


@step
def first() -> dict[str, Any]:
    return look()


@step(environment={"MARK": "for left"})
def left(seen: dict[str, Any]) -> dict[str, Any]:
    return look(0.5)


@step
def right(seen: dict[str, Any]) -> dict[str, Any]:
    return look(0.5)


@step
def last(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    return look()


@pipeline(enable_cache=False)
def diamond(resources: dict[str, Any] = {}) -> None:  # noqa: B006 - ZenML reads it
    """Its step `left` asks for the resources."""
    seen = first()
    last(left.with_options(settings=with_resources(resources))(seen), right(seen))


@step(runtime=StepRuntime.ISOLATED)
def isolated(seen: dict[str, Any]) -> dict[str, Any]:
    return look()


@pipeline(enable_cache=False, dynamic=True)
def dynamic(resources: dict[str, Any] = {}) -> None:  # noqa: B006 - ZenML reads it
    """Its step `isolated`, and not `isolated_2`, asks for the resources."""
    seen = first()
    greedy = isolated.with_options(settings=with_resources(resources))
    futures = [greedy.submit(seen), isolated.submit(seen)]
    last(*[future.load() for future in futures])


@pipeline(enable_cache=False, dynamic=True)
def dynamic_inline() -> None:
    last(first(), first())


@pipeline(enable_cache=False)
def single() -> None:
    first()


@step
def cacheable() -> dict[str, Any]:
    return look()


@pipeline(enable_cache=True)
def cached() -> None:
    cacheable()


# The longest name that ZenML allows for a pipeline.
LONGEST_NAME = "n" * 255


@pipeline(name=LONGEST_NAME, enable_cache=False)
def long_name() -> None:
    first()


@pipeline(name=LONGEST_NAME, enable_cache=False, dynamic=True)
def dynamic_long_name() -> None:
    first()


# ---- Failures


@step
def fail() -> None:
    raise ValueError("as it was told to")


@step
def die() -> None:
    be_killed()


@step
def after() -> None:
    pass


@pipeline(enable_cache=False)
def failing() -> None:
    fail()
    after(after=["fail"])


@pipeline(enable_cache=False)
def killed() -> None:
    die()
    after(after=["die"])


@pipeline(enable_cache=False, dynamic=True)
def dynamic_failing() -> None:
    fail()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_killed() -> None:
    die.with_options(runtime=StepRuntime.ISOLATED)()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_orchestration_killed() -> None:
    die()


@step(retry=StepRetryConfig(max_retries=2, delay=0))
def die_at_first(marks: str) -> dict[str, Any]:
    mark = mark_path(marks) / "died"
    if not mark.exists():
        mark.touch()
        be_killed()
    return look()


@step(retry=StepRetryConfig(max_retries=1, delay=0))
def fail_always(marks: str) -> None:
    (mark_path(marks) / f"{os.getpid()}-{IMPORTED}").touch()
    raise ValueError("at each try")


@pipeline(enable_cache=False)
def retried(marks: str) -> None:
    last_look(die_at_first(marks))


@pipeline(enable_cache=False)
def retried_in_vain(marks: str) -> None:
    fail_always(marks)


@step
def last_look(seen: dict[str, Any]) -> dict[str, Any]:
    return look()


@step
def slow(marks: str, seconds: float) -> None:
    """Is in progress while its neighbour fails."""
    (mark_path(marks) / "slow_started").touch()
    time.sleep(seconds)
    (mark_path(marks) / "slow_ended").touch()


@step
def fail_beside(marks: str) -> None:
    wait_for(mark_path(marks) / "slow_started")
    raise ValueError("while its neighbour works")


@step
def mark(marks: str, name: str) -> None:
    (mark_path(marks) / name).touch()


def modes(mode: ExecutionMode, seconds: float) -> Pipeline:
    """Makes a pipeline with a branch that fails, and one that takes so many seconds."""

    @pipeline(name=f"mode_{mode.value}", enable_cache=False, execution_mode=mode)
    def branches(marks: str) -> None:
        slow(marks, seconds)
        fail_beside(marks)
        mark(marks, "after_slow", after=["slow"], id="after_slow")
        mark(marks, "after_fail", after=["fail_beside"], id="after_fail")

    return branches


# ---- Stop


@step
def endless(marks: str) -> None:
    """Works for ever, with a process of its own."""
    place = mark_path(marks)
    if isinstance(place, StoredPath):
        signs = [place / "step", place / "child"]
        subprocess.Popen([sys.executable, signs_of_life.__file__, str(signs[1])])
        wait_for(signs[1])
        signs[0].touch()
        note(place / "pids", "\n".join(map(str, signs)))
        signs_of_life.beat(signs[0])
        return
    code = "import os, time; print(os.path.realpath('/proc/self'), flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    named = Path(child.stdout.readline().strip()).name  # As the machine names it.
    pid = named if named.isdigit() else child.pid
    note(place / "pids", f"{machine_pid()} {pid}")
    time.sleep(600)


@step
def short(marks: str) -> None:
    """Takes long enough to be stopped while it works."""
    place = mark_path(marks)
    note(place / "pids", str(machine_pid()))
    wait_for(place / "go")
    beat()
    (place / "finished").touch()


@pipeline(enable_cache=False)
def stopped(marks: str) -> None:
    endless(marks)
    mark(marks, "next", after=["endless"])


@pipeline(enable_cache=False)
def stopped_gently(marks: str) -> None:
    short(marks)
    mark(marks, "next", after=["short"])


@pipeline(enable_cache=False, dynamic=True)
def dynamic_stopped(marks: str) -> None:
    endless.with_options(runtime=StepRuntime.ISOLATED)(marks)
    mark(marks, "next")


@pipeline(enable_cache=False, dynamic=True)
def child(marks: str) -> None:
    """Is run by another pipeline."""
    endless.with_options(runtime=StepRuntime.ISOLATED)(marks)
    mark(marks, "next")


@pipeline(enable_cache=False, dynamic=True)
def child_stopped(marks: str) -> None:
    child(marks)


@pipeline(enable_cache=False, dynamic=True)
def dynamic_stopped_gently(marks: str) -> None:
    short(marks)
    mark(marks, "next")


# ---- While ZenML is away: the files `away` and `back` say when


def begin(marks: str, name: str) -> None:
    """Notes that a step has begun, each time in a file of its own."""
    Path(marks, f"{name}.begun.{uuid4()}").touch()


def begin_and_wait(marks: str, name: str, event: str) -> None:
    """Notes that a step has begun, waits for an event, and notes that it ends."""
    begin(marks, name)
    wait_for(Path(marks, event), 600)
    Path(marks, f"{name}.ended").touch()


@step
def outlast(marks: str) -> None:
    begin_and_wait(marks, "outlast", "back")


@step
def fail_meanwhile(marks: str) -> None:
    begin_and_wait(marks, "fail_meanwhile", "away")
    raise ValueError("while ZenML is away")


@step
def end_meanwhile(marks: str, name: str) -> None:
    begin_and_wait(marks, name, "away")


@step
def end_just_before(marks: str) -> None:
    begin_and_wait(marks, "end_just_before", "go")


@step
def start_meanwhile(marks: str) -> None:
    begin(marks, "start_meanwhile")


@pipeline(enable_cache=False)
def outlasting(marks: str) -> None:
    outlast(marks)
    mark(marks, "below_outlast", after=["outlast"])


@pipeline(enable_cache=False)
def failing_meanwhile(marks: str) -> None:
    fail_meanwhile(marks)
    mark(marks, "below_failure", after=["fail_meanwhile"])


@pipeline(enable_cache=False)
def settled_meanwhile(marks: str) -> None:
    end_meanwhile(marks, "last")


@pipeline(enable_cache=False)
def starting_meanwhile(marks: str) -> None:
    end_just_before(marks)
    start_meanwhile(marks, after=["end_just_before"])


@pipeline(enable_cache=False, dynamic=True)
def dynamic_meanwhile(marks: str, isolated_steps: bool) -> None:
    runtime = StepRuntime.ISOLATED if isolated_steps else StepRuntime.INLINE
    beside = end_meanwhile.with_options(runtime=runtime).submit(marks, "beside", id="beside")
    end_meanwhile(marks, "inline", id="inline")
    beside.wait()
    mark(marks, "below_dynamic", id="below_dynamic")


# ---- Resources of a whole dynamic pipeline


@pipeline(enable_cache=False, dynamic=True)
def dynamic_single() -> None:
    first()


# ---- A pause


@pipeline(enable_cache=False, dynamic=True)
def pausing() -> None:
    """Ends at once, until somebody resolves the condition; then the second step runs."""
    first()
    zenml.wait(timeout=0, poll_interval=1, name="somebody")
    first.with_options(runtime=StepRuntime.ISOLATED)(id="after_pause")


@pipeline(enable_cache=False, dynamic=True)
def pausing_inline() -> None:
    """As `pausing`, for platforms without isolated steps."""
    first()
    zenml.wait(timeout=0, poll_interval=1, name="somebody")
    first(id="after_pause")


def beat() -> None:
    """Does what ZenML's heartbeat does every 15 seconds, in a step that does not take so long.

    Raises:
        KeyboardInterrupt: If ZenML would end the step. It raises the same.
    """
    worker = StepHeartbeatWorker(zenml.get_step_context().step_run.id)
    worker._heartbeat()  # noqa: SLF001 - it would wait for 15 seconds
    if worker.is_terminated:
        raise KeyboardInterrupt


def note(path: Path | StoredPath, text: str) -> None:
    """Writes a file that is there only when it is whole, for those who wait for it."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)  # type: ignore[arg-type]


def wait_for(path: Path | StoredPath, seconds: float = 60.0) -> None:
    """Waits until a file is there.

    Args:
        path: The file.
        seconds: How long to wait at most; it is scaled.

    Raises:
        TimeoutError: If it does not come.
    """
    wait_until(path.exists, seconds, what=f"{path} is to come")
