# YOURS: the pipelines that only the tests of this platform run
"""Pipelines that only the tests of this platform need."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.pipelines import be_killed, look, machine_pid, note, wait_for
from zenml import pipeline, step
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode, StepRuntime

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline


def orchestrator(**settings: Any) -> dict[str, Any]:
    """Writes settings of the orchestrator, for a pipeline or a step."""
    return {"orchestrator": settings}


# ---- Steps side by side, and in a row


@step
def modest() -> dict[str, Any]:
    return look()


NOTHING: dict[str, Any] = {}
ONE = {"one": NOTHING}


def wide(steps: dict[str, dict[str, Any]], name: str = "wide") -> Pipeline:
    """Makes a pipeline of steps that need nothing of each other.

    Args:
        steps: The settings of each step, by its name.
        name: The pipeline's name.
    """

    @pipeline(name=name, enable_cache=False)
    def side_by_side() -> None:
        for each, settings in steps.items():
            modest.with_options(settings=settings)(id=each)

    return side_by_side


@step
def tiny(number: int) -> int:
    return number + 1


def chain(length: int) -> Pipeline:
    """Makes a pipeline of so many steps, each of which needs the one before."""

    @pipeline(name=f"chain_{length}", enable_cache=False)
    def steps() -> None:
        number: Any = 0
        for _ in range(length):
            number = tiny(number)

    return steps


@step(enable_cache=True)
def once() -> int:
    return 1


@pipeline(enable_cache=False)
def half_cached() -> None:
    tiny(once())


# ---- What a job sees of its environment and its files

# Longer than a job's variable may be, and with all that could get lost on the way.
LONG = "".join(f'{number} "ünï" \\n $HOME 日本\n' for number in range(150))

PROCESSING = orchestrator(use_training_step=False)


@step(environment={"LONG": LONG})
def see(names: list[str]) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in names}


SEEN = ["LONG", "SHORT", "LONG_SETTING"]
VARIABLES = {"SHORT": "from the settings", "LONG_SETTING": LONG[::-1]}
HIDING = orchestrator(environment=VARIABLES, secrets_manager=True)


@pipeline(enable_cache=False, settings=HIDING)
def hiding() -> None:
    see(SEEN, id="training")
    see.with_options(settings=PROCESSING)(SEEN, id="processing")


@step(settings={"resources": ResourceSettings(cpu_count=3, memory="20GB")})
def greedy() -> dict[str, Any]:
    return look()


@pipeline(
    enable_cache=False,
    dynamic=True,
    settings={
        "resources": ResourceSettings(cpu_count=30),
        **HIDING,
    },
)
def dynamic_hiding() -> None:
    futures = [
        greedy.with_options(runtime=StepRuntime.ISOLATED).submit(),
        see.with_options(runtime=StepRuntime.ISOLATED, settings=PROCESSING).submit(SEEN),
    ]
    for future in futures:
        future.result()


@pipeline(enable_cache=False, dynamic=True)
def own_command(length: int) -> None:
    from zenml.steps.command_step import CommandStep  # older versions have none

    CommandStep(
        name="say",
        command=["python", "-c", f"import os; assert len(os.environ['SAID']) == {length}"],
        runtime=StepRuntime.ISOLATED,
        environment={"SAID": "x" * length},
    )()


@step
def copy(source: str, target: str) -> list[str]:
    """Copies files in upper case, and returns their names."""
    Path(target).mkdir(parents=True, exist_ok=True)
    found = sorted(Path(source).iterdir())
    for file in found:
        Path(target, file.name).write_text(file.read_text().upper())
    return [file.name for file in found]


def copying(folder: str) -> Pipeline:
    """Makes a pipeline whose steps copy a folder in S3: a training job, and processing jobs."""
    one = {"input_data_s3_uri": f"{folder}/in/", "output_data_s3_uri": f"{folder}/one"}
    channels = {
        "use_training_step": False,
        "input_data_s3_uri": {"day": f"{folder}/in/", "night": f"{folder}/in/"},
        "output_data_s3_uri": {"moon": f"{folder}/moon", "sun": f"{folder}/sun"},
    }
    processed = "/opt/ml/processing/{}/data".format

    @pipeline(name="copying", enable_cache=False)
    def steps() -> None:
        def run(settings: dict[str, Any], source: str, target: str, name: str) -> None:
            copy.with_options(settings=orchestrator(**settings))(source, target, id=name)

        run(one, "/opt/ml/input/data/training", "/opt/ml/model", "training")
        single = {**one, "use_training_step": False}
        run(single, processed("input"), processed("output"), "processing")
        run(channels, f"{processed('input')}/night", f"{processed('output')}/moon", "channels")

    return steps


# ---- Failures, each in its own way and all at the same time


@step
def leave(code: int) -> None:
    os._exit(code)


@step
def wait_long(marks: str, name: str) -> None:
    Path(marks, name).touch()
    time.sleep(600)


@step
def explode() -> None:
    raise ValueError("It exploded.")


# A role of another account, which SageMaker refuses when the job is to start.
NOT_OURS = "arn:aws:iam::999999999999:role/theirs"


@pipeline(enable_cache=False, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def all_kinds_of_failure(marks: str) -> None:
    leave(7, id="exit_code")
    leave.with_options(settings=PROCESSING)(8, id="processing")
    explode(id="exception")
    explode.with_options(settings=orchestrator(execution_role=NOT_OURS))(id="refused")
    wait_long(marks, "out_of_memory", id="out_of_memory")
    wait_long.with_options(settings=orchestrator(max_runtime_in_seconds=4))(
        marks, "too_late", id="too_late"
    )


@pipeline(enable_cache=False, dynamic=True)
def dynamic_refused() -> None:
    refused = orchestrator(execution_role=NOT_OURS)
    modest.with_options(runtime=StepRuntime.ISOLATED, settings=refused)()


# ---- What an API that fails must not do twice


@step
def count(marks: str, number: int) -> dict[str, Any]:
    """Notes each time that it runs."""
    with Path(marks, f"step-{number}").open("a") as file:
        file.write(f"{machine_pid()}\n")
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
def dynamic_single() -> None:
    modest()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_isolated() -> None:
    modest.with_options(runtime=StepRuntime.ISOLATED)()


@step
def patient(marks: str) -> dict[str, Any]:
    """Works until it is told to go."""
    note(Path(marks, "pids"), str(machine_pid()))
    wait_for(Path(marks, "go"))
    return look()


@pipeline(enable_cache=False, dynamic=True)
def dynamic_dying(marks: str) -> None:
    patient.with_options(runtime=StepRuntime.ISOLATED).submit(marks)
    wait_for(Path(marks, "pids"))
    be_killed()


@step
def deaf(marks: str) -> None:
    """Does not hear that it is told to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(Path(marks, "pids"), str(machine_pid()))
    time.sleep(600)


@pipeline(enable_cache=False, dynamic=True)
def dynamic_deaf(marks: str) -> None:
    deaf.with_options(runtime=StepRuntime.ISOLATED).submit(marks)


@pipeline(enable_cache=False, dynamic=True)
def dynamic_patient(marks: str) -> None:
    patient.with_options(runtime=StepRuntime.ISOLATED)(marks)
    modest()


@pipeline(enable_cache=False)
def static_patient(marks: str) -> None:
    patient(marks)
