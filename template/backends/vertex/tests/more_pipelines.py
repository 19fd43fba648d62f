# YOURS: the pipelines that only the tests of this platform run
"""Pipelines that only the tests of this platform need."""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.pipelines import look, note, wait_for
from zenml import pipeline, step
from zenml.enums import ExecutionMode, StepRuntime


def orchestrator(**settings: Any) -> dict[str, Any]:
    """Writes settings of the orchestrator, for a pipeline or a step."""
    return {"orchestrator": settings}


@step
def modest() -> dict[str, Any]:
    return look()


# ---- Failures, each in its own way and all at the same time


@step
def leave(code: int) -> None:
    os._exit(code)


@step
def crash(number: int) -> None:
    """Ends by a signal, and leaves no memory behind on the disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), number)


@step
def wait_long(marks: str, name: str) -> None:
    Path(marks, name).touch()
    time.sleep(60)


@step
def explode() -> None:
    raise ValueError("It exploded.")


def custom_job(**parameters: Any) -> dict[str, Any]:
    """Writes settings for a custom job, for a pipeline or a step."""
    return orchestrator(custom_job_parameters=parameters)


# There is no such machine, which only Vertex AI knows.
REFUSED = custom_job(machine_type="q9-standard-4")

TIME_LIMIT = {
    "jobSpec": {
        "scheduling": {"timeout": "4s"},
    },
}
TOO_LATE = custom_job(job_arguments=TIME_LIMIT)


@pipeline(enable_cache=False, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def all_kinds_of_failure(marks: str) -> None:
    leave(7, id="exit_code")
    explode(id="exception")
    crash(int(signal.SIGSEGV), id="segmentation_fault")
    crash(int(signal.SIGABRT), id="abort")
    modest.with_options(settings=REFUSED)(id="refused")
    wait_long(marks, "out_of_memory", id="out_of_memory")
    wait_long.with_options(settings=TOO_LATE)(marks, "too_late", id="too_late")


@pipeline(enable_cache=False, dynamic=True, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def dynamic_kinds_of_failure(marks: str) -> None:
    """Fails once all of its isolated steps have, in the order of their names."""
    isolated: dict[str, Any] = {"runtime": StepRuntime.ISOLATED}
    futures = [
        crash.with_options(**isolated).submit(int(signal.SIGABRT), id="abort"),
        wait_long.with_options(**isolated, settings=TOO_LATE).submit(marks, "late", id="too_late"),
    ]
    for future in futures:
        with suppress(Exception):
            future.result()
    modest.with_options(**isolated, settings=REFUSED)(id="refused")


@pipeline(enable_cache=False, dynamic=True)
def dynamic_crashing(number: int, in_a_step: bool) -> None:
    """Its function ends by a signal."""
    if in_a_step:
        crash(number)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), number)


# ---- What an API that fails must not do twice


@step
def count(marks: str, number: int) -> dict[str, Any]:
    """Notes each time that it runs."""
    with Path(marks, f"step-{number}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return look(0.2)


@pipeline(enable_cache=False)
def six(marks: str) -> None:
    for branch in range(2):
        before: list[str] = []
        for number in range(3):
            name = f"step_{branch}_{number}"
            count(marks, 3 * branch + number, id=name, after=before)
            before = [name]


@pipeline(enable_cache=False, dynamic=True)
def dynamic_two(marks: str) -> None:
    counting = count.with_options(runtime=StepRuntime.ISOLATED)
    for future in [counting.submit(marks, number) for number in range(2)]:
        future.result()


# ---- What happens from outside while a step works


@step
def patient(marks: str) -> dict[str, Any]:
    """Works until it is told to go."""
    note(Path(marks, "pids"), str(os.getpid()))
    wait_for(Path(marks, "go"))
    return look()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_patient(marks: str) -> None:
    patient.with_options(runtime=StepRuntime.ISOLATED)(marks)
    modest()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_isolated() -> None:
    modest.with_options(runtime=StepRuntime.ISOLATED)()


@step
def deaf(marks: str) -> None:
    """Does not hear that it is told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(Path(marks, "pids"), str(os.getpid()))
    time.sleep(60)


@pipeline(enable_cache=False, dynamic=True)
def dynamic_deaf(marks: str) -> None:
    deaf.with_options(runtime=StepRuntime.ISOLATED).submit(marks)


# ---- What a job sees of its environment

# All that could get lost on the way: through JSON, a shell, or the service's own placeholders.
STRANGE = "\"ünï\" \\n $HOME $(CLOUD_ML_JOB_ID) 日本 {'a': [1]}\n\ttwo lines"


def hiding_settings() -> dict[str, Any]:
    """Writes settings that put the token into a secret."""
    return orchestrator(secret_manager=True)


@step(environment={"STRANGE": STRANGE, "EMPTY": "", "ZERO": "0"})
def see() -> dict[str, str | None]:
    names = ("STRANGE", "EMPTY", "ZERO", "NOT_THERE")
    return {**{name: os.environ.get(name) for name in names}, "run_id": look()["run_id"]}


@pipeline(enable_cache=False, settings=hiding_settings())
def hiding() -> None:
    see(id="task")
    see.with_options(settings=custom_job())(id="custom_job")


@pipeline(enable_cache=False, dynamic=True, settings=hiding_settings())
def dynamic_hiding() -> None:
    see.with_options(runtime=StepRuntime.ISOLATED)()


# ---- What need not run


@step
def tiny(number: int) -> int:
    return number + 1


@step(enable_cache=True)
def once() -> int:
    return 1


@pipeline(enable_cache=False)
def half_cached() -> None:
    tiny(once())
