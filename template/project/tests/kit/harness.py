# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""How the contract sees a platform. A project's `tests/harness.py` subclasses `Harness`.

That module ends with `HARNESS = MyHarness()`, which is where the kit finds it.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from unittest import mock

from zenml.client import Client
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode

from . import recording
from .timeouts import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from zenml.enums import StackComponentType
    from zenml.models import PipelineRunResponse
    from zenml.orchestrators import (
        BaseOrchestrator,
        BaseOrchestratorConfig,
        BaseOrchestratorFlavor,
    )
    from zenml.pipelines.pipeline_definition import Pipeline

    from .stored_path import StoredPath


# What steps ask for, as far as the platform takes it.
MODEST: dict[str, Any] = {"cpu_count": 1, "memory": "128MB", "gpu_count": 1}


@dataclass(frozen=True)
class Capabilities:
    """What the orchestrator offers. Declare what it does not: the contract then checks that.

    What is not offered is listed at the end of each test run, and has to be refused in words.

    Attributes:
        dynamic_pipelines: Pipelines whose steps are not known ahead.
        isolated_steps: Steps of a dynamic pipeline that run in a job of their own.
        stopping_isolated_steps: Such a job can be stopped alone.
        forceful_stop: A run can be stopped, together with its steps in progress.
        graceful_stop: A run can be stopped, and its steps in progress finish.
        stop_from_another_process: Any process can stop a run, also one that has not submitted it.
        retries: A step whose process died is tried again.
        schedules: The platform starts a pipeline again and again.
        resuming: A dynamic run that paused or failed goes on, under its old run ID.
        execution_modes: What can happen to the other steps when one fails.
        resources: The fields of `ResourceSettings` that the platform takes.
    """

    dynamic_pipelines: bool = True
    isolated_steps: bool = True
    stopping_isolated_steps: bool = True
    forceful_stop: bool = True
    graceful_stop: bool = True
    stop_from_another_process: bool = True
    retries: bool = True
    schedules: bool = True
    resuming: bool = True
    execution_modes: frozenset[ExecutionMode] = frozenset(ExecutionMode)
    resources: frozenset[str] = frozenset(("cpu_count", "memory", "gpu_count"))

    def missing(self) -> list[str]:
        """Lists what is not offered, in words."""
        found = [name.replace("_", " ") for name, value in vars(self).items() if value is False]
        modes = sorted(mode.value for mode in set(ExecutionMode) - self.execution_modes)
        fields = sorted(Capabilities().resources - self.resources)
        found += [f"execution mode {mode}" for mode in modes]
        return found + [f"ResourceSettings.{name}" for name in fields]


@dataclass(frozen=True)
class Job:
    """A job that was submitted to the platform.

    Attributes:
        name: The step's name; for other roles any name.
        role: `controller`, `function` or `step`, as in the engine's `Role`.
        environment: All environment variables that its process gets, secrets included.
        resources: What the platform was asked for, read back from the request itself.
        handle: What the platform calls it.
        native: The request, as the platform has it: a manifest, say. The kit never looks at it.
    """

    name: str
    role: str
    environment: Mapping[str, str] = field(repr=False)
    resources: ResourceSettings = field(default_factory=ResourceSettings)
    handle: str = ""
    native: Any = field(default=None, repr=False)


class Harness(ABC):
    """What the contract has to know about an orchestrator, its platform and the tests' stack.

    Attributes:
        flavor: The flavor class.
        orchestrator: The orchestrator class.
        config: The config class.
        flavor_name: What follows `--flavor`.
        distribution: What pip calls the project.
        capabilities: What the orchestrator offers.
        needs_zenml_server: Whether the jobs reach ZenML over the network. The kit then starts a
            server. If not, ZenML is a database in a folder.
        inherits_environment: Whether jobs have the variables of the client's environment too, but
            for the secrets, as processes of one machine do.
        seconds_to_notice: How long a graceful stop may take to be noticed. It is scaled.
        impossible: What no job of this platform can ever get; refused before anything runs. None
            if `validate` cannot know: the platform refuses such a job itself, or lets it wait.
        runs_at_a_time: How many of the contract's runs go on side by side.
        situations: What the platform has, or can be brought into, for the scripted scenarios: of
            `kit.scenarios.SITUATIONS`.
        run_metadata: Keys that the metadata of each run has, beside `orchestrator_run_id`: among
            them, where to find the job of its controller or function.
        live_settings: Settings of each pipeline of `pytest --live`: `{"docker": DockerSettings()}`,
            say, for an image that has this package.
        modest: What steps ask for, as far as it is offered.
        pace: By how much what is to happen at the same time takes longer than in the other tests.
    """

    flavor: ClassVar[type[BaseOrchestratorFlavor]]
    orchestrator: ClassVar[type[BaseOrchestrator]]
    config: ClassVar[type[BaseOrchestratorConfig]]
    flavor_name: ClassVar[str]
    distribution: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()
    needs_zenml_server: ClassVar[bool] = True
    inherits_environment: ClassVar[bool] = False
    seconds_to_notice: ClassVar[float] = 1.0
    impossible: ClassVar[ResourceSettings | None] = None
    runs_at_a_time: ClassVar[int] = 4
    situations: ClassVar[frozenset[str]] = frozenset()
    run_metadata: ClassVar[frozenset[str]] = frozenset()
    live_settings: ClassVar[Mapping[str, Any]] = {}
    modest: ClassVar[Mapping[str, Any]] = MODEST
    pace: float = 1.0

    @property
    def package(self) -> str:
        """The name of the package under test."""
        return self.flavor.__module__.partition(".")[0]

    # ---- Once for each test run

    @abstractmethod
    def platform(self, folder: Path) -> AbstractContextManager[dict[str, Any]]:
        """Starts the platform, and ends it. ZenML's server runs by then, if there is one.

        Args:
            folder: Where the platform may keep its files. It exists, and is deleted afterwards.

        Returns:
            A context manager that yields how the orchestrator is configured to find the platform.
        """

    def components(self, client: Client) -> dict[StackComponentType, UUID]:
        """Registers what the stack needs beside the orchestrator, and the default artifact store.

        A ZenML server may be shared: give the components names that are new, as
        `kit.container_fixtures.components` does.
        """
        return {}

    def warm_up(self, orchestrator: BaseOrchestrator) -> None:  # noqa: B027 - may do nothing
        """Begins what takes a while and can go on beside the first tests."""

    # ---- Runs

    def submit(self, pipeline: Pipeline, *args: Any, **kwargs: Any) -> None:
        """Runs a pipeline as a user does, to its end. What it raises is the caller's.

        Args:
            pipeline: The pipeline. Add settings with `pipeline.with_options(settings=...)`.
            args: The pipeline's arguments.
            kwargs: More of them.
        """
        pipeline(*args, **kwargs)

    @abstractmethod
    def jobs(self, run: PipelineRunResponse) -> list[Job]:
        """Lists what was submitted of a run, by whichever process.

        The job of the controller or function comes first, then those of the steps.
        """

    @abstractmethod
    def dry_run(self) -> AbstractContextManager[list[Job]]:
        """Lets nothing run that this process submits.

        What is submitted may be refused, or may end at once: the kit ignores errors of it.

        Returns:
            A context manager that yields a list, to which each job is added.
        """

    @contextmanager
    def inside(self, job: Job) -> Iterator[None]:
        """Lets this process pass for a job's: it has what the job's environment would be."""
        with mock.patch.dict(os.environ, self._environment_of(job), clear=True):
            yield

    def _environment_of(self, job: Job) -> dict[str, str]:
        inherited: dict[str, str] = {}
        if self.inherits_environment:
            secret_env = importlib.import_module(f"{self.package}.engine.secret_env")
            inherited, _ = secret_env.split_secrets(os.environ)
        return {**inherited, **job.environment}

    def run_python(self, job: Job, *arguments: str) -> str:
        """Runs Python in a new process that gets what a job's process gets, and no more.

        Args:
            job: The job.
            arguments: What follows `python` on the command line.

        Returns:
            What it wrote, stdout and stderr.
        """
        return subprocess.run(
            [sys.executable, *arguments],
            env=self._environment_of(job),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=scaled(120),
            check=False,
        ).stdout

    def living(self, pids: Path | StoredPath) -> list[Any]:
        """Lists those of the processes that a step has noted that still run."""
        return [pid for pid in map(int, pids.read_text().split()) if self.is_running(pid)]

    def end(self, run: PipelineRunResponse, pids: Path | StoredPath) -> None:
        """Ends the noted processes of a run that could not be stopped."""
        for pid in self.living(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def place_for_marks(self, folder: Path) -> Path | StoredPath:
        """Returns where steps and tests leave marks for each other.

        Args:
            folder: A folder of this machine, which is not there yet.
        """
        return folder

    def is_running(self, pid: int) -> bool:
        """Tells whether a process of a job runs, by the number that it sees itself."""
        return process_runs(pid)

    def logs(self, run: PipelineRunResponse) -> Mapping[str, str]:
        """Returns what the jobs of a run wrote, by their names, for the report of a failed test."""
        return {}

    # ---- For the scripted scenarios: what befalls jobs. Declare in `situations` what is there.

    def crowded_out(self, platform: Any, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for a machine.

        Args:
            platform: The platform (`JobPlatform`).
            job: The job (`JobSpec`), which is not submitted yet.

        Returns:
            A context manager that yields the job to submit. It waits, and the platform says why,
            until the context is left.
        """
        raise NotImplementedError

    def hopeless(self, platform: Any, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for what cannot come. The arguments are those of `crowded_out`."""
        raise NotImplementedError

    def refused(self, job: Any) -> Any:
        """Changes a job into one that `submit` refuses with `JobRefused`."""
        raise NotImplementedError

    def preempt(self, handle: str) -> None:
        """Takes away a job's machine, as the platform does."""
        raise NotImplementedError

    def lose(self, handle: str) -> None:
        """Lets the platform lose a job, as when somebody deletes it by hand."""
        raise NotImplementedError


class JobPlatformHarness(Harness):
    """A harness for an orchestrator on the engine's `JobPlatform`.

    It notes what is passed to `JobPlatform.submit`, in the process of each job that imports the
    kit's pipelines, too. Jobs have to be given the variables of `kit.recording` for that: those
    that inherit the client's environment are.

    Override `jobs` where what the platform itself has can be looked at: that proves more.

    Attributes:
        platform_class: The project's class that implements `JobPlatform`.
    """

    platform_class: ClassVar[type[Any]]

    @contextmanager
    def recorded(self, folder: Path) -> Iterator[None]:
        """Notes all jobs from now on. Enter it in `platform`.

        Args:
            folder: Where to keep the notes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{self.platform_class.__module__}:{self.platform_class.__qualname__}"
        variables = {recording.FOLDER: str(folder), recording.CLASS: name}
        with mock.patch.dict(os.environ, variables):
            recording.install()
            yield

    def jobs(self, run: PipelineRunResponse) -> list[Job]:
        """Lists what was noted of a run, in the order of submission."""
        return [from_note(note) for note in recording.read(str(run.id))]

    @contextmanager
    def dry_run(self) -> Iterator[list[Job]]:
        """Refuses each job, after noting it."""
        jobs: list[Job] = []
        protocols = importlib.import_module(f"{self.package}.engine.protocols")

        def refuse(_: Any, job: Any) -> str:
            jobs.append(from_note(recording.note_of(job, "")))
            raise protocols.JobRefused("This is a dry run.")

        with mock.patch.object(self.platform_class, "submit", refuse):
            yield jobs

    def logs(self, run: PipelineRunResponse) -> Mapping[str, str]:
        """Returns what the platform still has of the logs of a run's jobs."""
        platform = cast("Any", Client().active_stack.orchestrator).platform
        logs = {job.name: "\n".join(platform.logs(job.handle)) for job in self.jobs(run)}
        return {name: text for name, text in logs.items() if text}


def from_note(note: Mapping[str, Any]) -> Job:
    """Makes a `Job` of what `kit.recording` has noted."""
    return Job(
        name=note["name"],
        role=note["role"],
        environment=note["environment"],
        resources=ResourceSettings(**note["resources"]),
        handle=note["handle"],
        native=note,
    )


def process_runs(pid: int) -> bool:
    """Tells whether a process of this machine runs; one that waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # It has just ended, or this system has no /proc.
        return not Path("/proc/self").exists()
    return state not in ("Z", "X")


# The harness of a live run, in which the project's own is not used.
_instead: list[Harness] = []


def use_instead(harness: Harness) -> None:
    """Lets `current` return another harness than the project's."""
    _instead[:] = [harness]


def current() -> Harness:
    """Returns the harness in use: in most runs the project's, `HARNESS` of `tests/harness.py`."""
    return _instead[0] if _instead else cast("Harness", importlib.import_module("harness").HARNESS)
