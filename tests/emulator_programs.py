"""What programs share that run pipelines on an emulator, whichever platform it emulates.

For programs only: ZenML reads its environment when it is imported.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import pipelines
from kit.harness import process_runs
from kit.timeouts import scaled, wait_until
from zenml.client import Client
from zenml.config import DockerSettings, ResourceSettings
from zenml.enums import ExecutionMode, StackComponentType
from zenml.orchestrators import BaseOrchestrator
from zenml.utils import source_utils
from zenml.utils.run_utils import refresh_run_status, stop_run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from uuid import UUID

    from zenml.config import Schedule
    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline

# What images would bring.
IMAGE_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "ZENML_ANALYTICS_OPT_IN",
    "ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL",
)
# What every container's process imports. They are forked from one that has done so.
WARM = (
    "zenml.client",
    "zenml.entrypoints.step_entrypoint_configuration",
    "zenml.integrations.registry",
    "zenml.materializers",
    "zenml.orchestrators.step_launcher",
    "zenml.orchestrators.step_runner",
    "zenml.pipelines.dynamic.entrypoint_configuration",
    "zenml.step_operators.step_operator_entrypoint_configuration",
    "zenml.zen_stores.rest_zen_store",
)

# What a step asks for, to be told from its sibling that asks for nothing. With `GREEDY` that is the
# step `left` of the contract's diamond.
MORE = {"cpu_count": 4, "memory": "8GB"}
GREEDY = {"left": {"settings": {"resources": ResourceSettings.model_validate(MORE)}}}

# How many seconds a step takes beside one that fails, by the execution mode.
SECONDS = {
    ExecutionMode.FAIL_FAST: 60.0,
    ExecutionMode.STOP_ON_FAILURE: 2.0,
    ExecutionMode.CONTINUE_ON_FAILURE: 0.1,
}

# A name of a run about as long as ZenML allows.
LONGEST_NAME = "r" * 250

# How long a step goes on after its run was stopped gently.
STOP_SECONDS = 2.0


class Warnings(logging.Handler):
    """Notes what is warned of in this process."""

    def __init__(self) -> None:
        """Begins with it."""
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Notes a warning."""
        self._lines.append(record.getMessage())

    def take(self) -> list[str]:
        """Returns what was noted since it was taken last."""
        lines, self._lines = self._lines, []
        return lines


WARNINGS = Warnings()


def image() -> dict[str, str]:
    """Returns the environment variables that an image would bring."""
    return {name: value for name, value in os.environ.items() if name in IMAGE_VARIABLES}


def register_shared_store() -> str:
    """Registers the artifact store of `shared_store`, and returns the name of its flavor."""
    source_utils.set_custom_source_root(str(Path(__file__).parent))
    return Client().create_flavor("shared_store.Flavor", StackComponentType.ARTIFACT_STORE).name


def register(
    home: Path,
    orchestrators: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    store: str = "local",
) -> None:
    """Registers stacks that differ in their orchestrator.

    Args:
        home: A folder, where the artifacts go.
        orchestrators: The flavor and the configuration of each stack's orchestrator, by the stack's
            name.
        store: The flavor of their artifact stores.
    """
    zenml = Client()
    artifacts = home / "artifacts"
    artifacts.mkdir(exist_ok=True)
    others: dict[StackComponentType, tuple[str, Mapping[str, Any]]] = {
        StackComponentType.ARTIFACT_STORE: (store, {"path": str(artifacts)}),
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": "registry.invalid/tests"}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
    }
    for stack, orchestrator in orchestrators.items():
        wanted = {StackComponentType.ORCHESTRATOR: orchestrator, **others}
        components = {
            kind: zenml.create_stack_component(stack, flavor, kind, dict(configuration)).id
            for kind, (flavor, configuration) in wanted.items()
        }
        zenml.create_stack(stack, components)


def use(stack: str, source_root: Path) -> None:
    """Activates a stack.

    Args:
        stack: Its name.
        source_root: The folder with the module of the pipelines.
    """
    Client().activate_stack(stack)
    source_utils.set_custom_source_root(str(source_root))


def runnable(
    pipeline: Pipeline,
    schedule: Schedule | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Gives a pipeline what it needs on an emulator: an image that nobody has to build.

    Args:
        pipeline: The pipeline.
        schedule: When it runs; at once if there is none.
        settings: Its other settings.
    """
    # A container is a process of this machine.
    docker = DockerSettings(skip_build=True, parent_image="registry.invalid/tests/tests:1")
    whole = {"docker": docker, **(settings or {})}
    return pipeline.with_options(settings=whole, schedule=schedule)


def submit(
    pipeline: Pipeline,
    settings: dict[str, Any] | None = None,
    schedule: Schedule | None = None,
    arguments: Sequence[Any] = (),
) -> UUID:
    """Submits a pipeline, and returns the ID of the newest run.

    Args:
        pipeline: The pipeline.
        arguments: Its arguments.
        settings: Settings of the orchestrator.
        schedule: When it runs; at once if there is none.
    """
    runnable(pipeline, schedule, {"orchestrator": settings or {}})(*arguments)
    return newest_run()


def newest_run() -> UUID:
    """Returns the ID of the newest run."""
    return Client().list_pipeline_runs(sort_by="desc:created", size=1).items[0].id


def scheduled_runs() -> list[PipelineRunResponse]:
    """Returns the runs of the schedule, of which there is one."""
    (schedule,) = Client().list_schedules().items
    return list(Client().list_pipeline_runs(schedule_id=schedule.id).items)


def outcome(run_id: UUID) -> dict[str, Any]:
    """Returns a run as ZenML has it, and what its steps noted in their processes.

    The run is looked at once more afterwards, which asks the orchestrator: `asked_again`. The
    warnings are those since the run before.
    """
    found = Client().get_pipeline_run(run_id)
    return {
        "id": str(found.id),
        "status": found.status.value,
        "orchestrator_run_id": found.orchestrator_run_id,
        "metadata_run_id": found.run_metadata.get("orchestrator_run_id"),
        "steps": {name: step.status.value for name, step in found.steps.items()},
        "causes": {
            name: step.exception_info.message
            for name, step in found.steps.items()
            if step.exception_info
        },
        "versions": {name: step.version for name, step in found.steps.items()},
        "seen": {name: step.output.load() for name, step in found.steps.items() if step.outputs},
        "asked_again": ask_again(run_id),
        "warnings": WARNINGS.take(),
    }


def ask_again(run_id: UUID) -> dict[str, Any]:
    """Lets ZenML ask the orchestrator for a run, and returns what the run and its steps are then.

    Returns:
        The status of the run and those of its steps, and the error, if ZenML could not ask.
    """
    error = ""
    try:
        refresh_run_status(Client().get_pipeline_run(run_id), include_step_updates=True)
    except Exception as raised:  # It is noted.
        error = repr(raised)
    found = Client().get_pipeline_run(run_id)
    steps = {name: step.status.value for name, step in found.steps.items()}
    return {"status": found.status.value, "steps": steps, "error": error}


def declared() -> dict[str, Any]:
    """Returns what the orchestrator says that it offers, as `Capabilities` of the contract has it.

    ZenML has no word for the rest: what it does not declare, every orchestrator offers.
    """
    orchestrator = Client().active_stack.orchestrator
    stops = ("_stop_run", "_stop_run_forcefully")
    return {
        "dynamic_pipelines": orchestrator.supports_dynamic_pipelines,
        "isolated_steps": orchestrator.can_run_isolated_steps,
        "stopping_isolated_steps": orchestrator.can_stop_isolated_steps,
        "forceful_stop": any(
            getattr(type(orchestrator), name) is not getattr(BaseOrchestrator, name)
            for name in stops
        ),
        "retries": orchestrator.config.handles_step_retries,
        "schedules": orchestrator.config.is_schedulable,
        "execution_modes": [mode.value for mode in orchestrator.supported_execution_modes],
    }


def without_id() -> dict[str, str]:
    """Asks for the run ID in a process that is none of a run's.

    Returns:
        The ID that was made up, as `made_up`, or the error, as `error`.
    """
    try:
        return {"made_up": Client().active_stack.orchestrator.get_orchestrator_run_id()}
    except Exception as error:  # It is noted.
        return {"error": str(error)}


def stop(run_id: UUID, *, graceful: bool) -> str:
    """Stops a run in progress as a user does, and returns what it is refused with, if it is."""
    try:
        stop_run(Client().get_pipeline_run(run_id), graceful=graceful)
    except Exception as error:  # It is noted.
        return str(error)
    return ""


def refused_modes(supported: Collection[str]) -> dict[str, str]:
    """Submits a pipeline in each execution mode that is not supported, and returns what is said."""
    said = {}
    for mode in ExecutionMode:
        if mode.value not in supported:
            try:
                runnable(pipelines.single.with_options(execution_mode=mode))()
                said[mode.value] = ""
            except Exception as error:  # It is noted.
                said[mode.value] = str(error)
    return said


def look() -> dict[str, Any]:
    """Returns what the contract asks of an orchestrator beside its runs."""
    offers = declared()
    return {
        "declared": offers,
        "refused_modes": refused_modes(offers["execution_modes"]),
        "without_id": without_id(),
    }


def look_longer(execute: Callable[..., dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Makes the runs that only the table needs, if the program has a third argument.

    Args:
        execute: Runs a pipeline to its end, and returns what came of it.
        folder: An empty folder.
    """
    if not sys.argv[3:]:
        return {}
    broken = {"first": {"environment": {"PYTHONHOME": "/nowhere"}}}
    found: dict[str, Any] = {
        "killed": attempt(execute, pipelines.killed),
        "dead_before_zenml": attempt(execute, pipelines.diamond.with_options(steps=broken)),
        "longest": attempt(execute, pipelines.long_name.with_options(run_name=LONGEST_NAME)),
        "dynamic_failing": attempt(execute, pipelines.dynamic_failing),
        "dynamic_killed": attempt(execute, pipelines.dynamic_killed),
        "dynamic_greedy": attempt(execute, pipelines.dynamic, MORE),
        "stopped_gently": execute_and_stop(
            execute, pipelines.stopped_gently, folder / "gently", graceful=True
        ),
        "stopped_by_zenml": execute_and_stop(
            execute, pipelines.stopped, folder / "by_force", graceful=False
        ),
        "modes": {},
    }
    if declared()["forceful_stop"]:
        found["dynamic_stopped"] = execute_and_stop(
            execute, pipelines.dynamic_stopped, folder / "dynamic", graceful=False
        )
    for mode in Client().active_stack.orchestrator.supported_execution_modes:
        marks = folder / mode.value
        marks.mkdir()
        run = attempt(execute, pipelines.modes(mode, SECONDS[mode]), str(marks))
        found["modes"][mode.value] = run | {"marks": sorted(each.name for each in marks.iterdir())}
    return found


def attempt(
    execute: Callable[..., dict[str, Any]], pipeline: Pipeline, *arguments: Any
) -> dict[str, Any]:
    """Runs a pipeline, and returns what came of it: if it was refused, what was said to that."""
    try:
        return execute(pipeline, *arguments)
    except Exception as error:  # It is noted.
        return {"refused": str(error)}


def execute(pipeline: Pipeline, *arguments: Any) -> dict[str, Any]:
    """Runs a pipeline to its end, and returns what came of it."""
    error = ""
    try:
        runnable(pipeline)(*arguments)
    except Exception as raised:  # The test looks at it.
        error = str(raised)
    return outcome(newest_run()) | {"error": error}


def execute_and_stop(
    execute: Callable[..., dict[str, Any]], pipeline: Pipeline, marks: Path, *, graceful: bool
) -> dict[str, Any]:
    """Runs a pipeline, and stops it as a user does, while its first step works.

    Args:
        execute: Runs a pipeline to its end.
        pipeline: The pipeline; its only argument is a folder for marks.
        marks: The folder, which is not there yet.
        graceful: Whether its step may finish. It is let finish a while after the stop.

    Returns:
        What came of it: beside the outcome, the status of the run in progress (`in_progress`), what
        was said to the stop (`stop_error`), the marks, and how many processes of the step went on
        (`left`). These are ended.
    """
    marks.mkdir()
    ended = threading.Event()

    def run() -> None:
        attempt(execute, pipeline, str(marks))
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    noted = marks / "pids"
    wait_until(lambda: noted.exists() or ended.is_set(), 120, what="a step is to work")
    run_id = newest_run()
    in_progress = ask_again(run_id)["status"]
    stop_error = stop(run_id, graceful=graceful)
    if graceful:
        time.sleep(STOP_SECONDS)
        (marks / "go").touch()
    pids = [int(pid) for pid in noted.read_text().split()]
    if not stop_error:
        ended.wait(scaled(60))
        # Containers that are to end may have half a minute for it.
        with suppress(TimeoutError):
            wait_until(lambda: not any(map(process_runs, pids)), 60, what="a step is to end")
    left = [pid for pid in pids if process_runs(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    ended.wait(scaled(60))
    return outcome(run_id) | {
        "in_progress": in_progress,
        "stop_error": stop_error,
        "marks": sorted(path.name for path in marks.iterdir()),
        "left": len(left),
    }
