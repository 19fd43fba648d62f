# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a platform implements: the whole boundary between the engine and a platform.

A **job platform** runs one job at a time: it starts it, says how it is, stops it. The engine's
controller walks the DAG and submits a job for each step. Implement `JobPlatform`. A service that
walks the DAG itself is one that also implements `PipelineService` of `services/protocols.py`.

The engine owns everything else: the DAG, retries, execution modes, the run ID, stop, status,
recovery, and all calls to ZenML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from zenml.config import ResourceSettings
    from zenml.config.base_settings import BaseSettings
    from zenml.config.schedule import Schedule

# What a platform calls a job: a printable text of at most 255 characters. It is stored in ZenML,
# and another process, on another machine, can use it.
JobHandle = str


class JobRefused(Exception):  # noqa: N818 - a refusal, not a fault
    """The platform will never take this job. Its text says why, in words for the user."""


class NotWrittenError(NotImplementedError):
    """A function of a platform is not written yet."""

    def __init__(self, platform: object, function: str) -> None:
        """Names the function, and where it says what it must do."""
        super().__init__(
            f"`{type(platform).__name__}.{function}` is not written yet. What it must do is said "
            f"at `JobPlatform.{function}` in engine/protocols.py; README.md says how to get there."
        )


class JobKey(NamedTuple):
    """Identifies one attempt of one job, whoever submits it: the idempotency key.

    Attributes:
        run: The ID of the run in ZenML. For a schedule, the ID of the snapshot.
        step: The step's name. For an isolated step, the ID of its step run. For the controller or
            the function of a dynamic pipeline, a name that no step has.
        attempt: Which attempt it is, from 1.
    """

    run: str
    step: str
    attempt: int

    def __str__(self) -> str:
        """Writes the key as `run/step/attempt`."""
        return f"{self.run}/{self.step}/{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> JobKey:
        """Reads what `str()` wrote. A step's name may contain slashes.

        Raises:
            ValueError: If the text is not a key.
        """
        run, _, rest = text.partition("/")
        step, _, attempt = rest.rpartition("/")
        return cls(run, step, int(attempt))


class Role(str, Enum):
    """What a job is for."""

    CONTROLLER = "controller"  # walks the DAG of a static pipeline
    FUNCTION = "function"  # runs the function of a dynamic pipeline, and its inline steps
    STEP = "step"  # runs one step


class Phase(str, Enum):
    """Where a job is in its life."""

    PENDING = "pending"  # accepted; waits for a machine, an image, a quota
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # its process ended with exit code 0
    FAILED = "failed"
    STOPPED = "stopped"  # ended because somebody stopped it

    @property
    def is_terminal(self) -> bool:
        """Whether a job in this phase has ended."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED)


@dataclass(frozen=True)
class JobStatus:
    """How a job is.

    Attributes:
        phase: Where it is in its life.
        reason: Why it waits, or why it failed, in words for the user: "evicted: the node was low on
            memory". Empty if the platform knows no more than `exit_code` says.
        exit_code: How its process ended; 128 + n or -n for signal n. The engine puts it in words.
            None if the process has not ended, or did not end by itself.
        preempted: Whether the platform took the machine away, or lost it. If its step had not
            begun, the engine submits the job again, and no retry is used up.
        hopeless: Whether a pending job waits for what cannot come, such as an image that does not
            exist. The engine stops the job, and its step fails with `reason`.
    """

    phase: Phase
    reason: str = ""
    exit_code: int | None = None
    preempted: bool = False
    hopeless: bool = False


@dataclass(frozen=True)
class JobSpec:
    """What a platform is asked to run.

    Attributes:
        key: Identifies the job. The same key is the same job: see `JobPlatform.submit`.
        role: What the job is for.
        name: What a person calls it: the step's name, or the pipeline's. Any text.
        image: The container image. None where the platform runs processes without images.
        command: The program and its arguments.
        environment: The environment variables that anybody may read: what ZenML and the engine
            want. The settings' own variables, and those of the client where jobs are processes of
            its machine, are for the platform to add before these; never the client's secrets.
        resources: CPUs, memory and GPUs, as ZenML has them. Unset fields are None.
        settings: The settings of the step or the pipeline: the project's own settings class.
        secrets: More environment variables, among them ZenML's token. They must never be written
            where others can read them: not into a command line, a label or a script.
        labels: Texts to find the job by: `run_id`, `run_name`, `pipeline`, `project_id`, and for
            steps `step_name`, `step_run_id`. Any text; shorten it to what the platform takes.
        directory: The working directory: that of the client, where jobs see its files. None in
            containers.
        grace_seconds: How long the job may take to end after it was asked to (SIGTERM), before it
            is killed.
        parent: The job of the run's controller or function that submits this one, for platforms
            where jobs belong to others. None for that job itself, and if a client submits it.
    """

    key: JobKey
    role: Role
    name: str
    image: str | None
    command: Sequence[str]
    environment: Mapping[str, str]
    resources: ResourceSettings
    settings: BaseSettings
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    grace_seconds: float = 30.0
    parent: JobHandle | None = None


class JobPlatform(Protocol):
    """Runs jobs. Each function may be called from several threads at a time.

    A platform that derives from this class may be written function by function: those that are
    missing raise `NotWrittenError`.

    Any function but `validate` may raise an error of `transient`, when the platform does not answer
    or is overloaded: the engine then calls it again, later, with the same arguments. So none of
    them has to retry. A controller goes on without end; a submission, a stop or a question of the
    user's for two minutes; a client that waits for half an hour. If the error has an attribute
    `retry_after`, in seconds, the next call comes no sooner, but within a minute.

    Any other error is final. It ends the run, and no step is blamed for it: raise a `ValueError`
    for what is configured wrongly, such as a login that is not valid, with the setting's name and
    the remedy. That is no `JobRefused`, by which one step fails, and others go on.

    Attributes:
        transient: The errors that are worth another try. Annotate it as here, for a type checker.
        unknown_seconds: How long a job that was accepted may be unknown to `describe` and `find`. 0
            where they know at once what was accepted; a minute is right for most services. A
            controller that is restarted waits as long before it goes on.
        poll_seconds: How often the engine asks how jobs are. With `Watches`, how often it looks
            though no change was reported.
    """

    transient: tuple[type[Exception], ...]
    unknown_seconds: float
    poll_seconds: float

    def validate(self, job: JobSpec) -> None:
        """Checks a job without submitting it: settings, resources, names.

        It is called for every job of a run before the first is submitted. It may ask the platform,
        once for all jobs that ask for the same; no answer is no objection, and nothing is asked
        again. Whatever it lets pass, `submit` can still refuse.

        Raises:
            ValueError: If the platform can never run it. The text names every field that is wrong,
                what was asked for, what there is, and the remedy.
        """
        raise NotWrittenError(self, "validate")

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts a job, once.

        Must be idempotent by `job.key`: if a job of this key was submitted before, by whichever
        process, nothing is started and its handle is returned. The engine submits again when an
        answer was lost, and when a controller was restarted.

        Returns:
            The job's handle.

        Raises:
            JobRefused: If the platform refuses for good, in its own words.
        """
        raise NotWrittenError(self, "submit")

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Tells how jobs are, if possible with one request for all.

        Args:
            handles: The jobs to look at.

        Returns:
            The status of each that the platform knows. Leave out a job that it does not know: the
            engine counts it as lost if it was seen before, or stays unknown for `unknown_seconds`.
            Never report a job as failed because the platform could not be asked: raise instead.
        """
        raise NotWrittenError(self, "describe")

    def stop(self, handle: JobHandle) -> None:
        """Asks a job to end with SIGTERM, and has it killed after its grace period.

        The signals are for all processes of the job. Does not wait for the end. Does nothing if the
        job has ended or is unknown, but stops one that was accepted a moment ago. How a stopped job
        is described in the end, as stopped, failed or succeeded, is not important.
        """
        raise NotWrittenError(self, "stop")

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        """Reads what a job has written so far, line by line, without line ends.

        Args:
            handle: The job.
            follow: Whether to go on until the job has ended. An error of `transient` is fine: the
                engine opens the log again, and skips the lines that it has had.

        Returns:
            The lines; no lines if the log is gone, or is shown to the user in another way.
        """
        raise NotWrittenError(self, "logs")

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        """Finds the jobs of a run, whichever process submitted them.

        It is how a restarted controller continues, and how a run is stopped from anywhere.

        Args:
            run: The ID of the run in ZenML, as in `JobKey.run` and the label `run_id`.

        Returns:
            Every job of the run that the platform knows, ended or not.
        """
        raise NotWrittenError(self, "find")

    def current_job(self) -> JobHandle | None:
        """Returns the handle of the job that this process belongs to; None outside of jobs."""
        raise NotWrittenError(self, "current_job")


@runtime_checkable
class Watches(Protocol):
    """Optional, beside `JobPlatform`: the platform reports changes, and need not be polled."""

    def watch(
        self, run: str, changed: Callable[[JobHandle | None], None]
    ) -> AbstractContextManager[None]:
        """Reports changes to the jobs of a run, for as long as the context is open.

        Args:
            run: The ID of the run in ZenML.
            changed: To be called, from any thread, when a job may have changed; with None when
                several may have. It returns at once.

        Returns:
            A context manager. On entering it waits until the present jobs are known, for a bounded
            time; it raises an error of `transient` if they do not become known.
        """


@runtime_checkable
class Schedules(Protocol):
    """Optional, beside `JobPlatform`: the platform itself submits a job again and again."""

    def create_schedule(self, schedule: Schedule, job: JobSpec) -> str:
        """Lets a job be submitted at each firing. Idempotent by `job.key`.

        Args:
            schedule: When it fires, as the user asked for it: ZenML's own class. Times are in UTC;
                fields that are not set are None.
            job: The controller or the function of the pipeline. Each firing must get another run
                ID, so none is in its environment: the strategy in `run_id.py` has to find it.

        Returns:
            The schedule's handle, which is stored in ZenML.

        Raises:
            ValueError: If the platform cannot keep to such a schedule.
            JobRefused: If the platform refuses the job.
        """

    def update_schedule(self, handle: str, *, cron: str | None, active: bool | None) -> None:
        """Changes a schedule; what is None stays as it is.

        Raises:
            ValueError: If the platform cannot keep to such a schedule.
            JobRefused: If the platform refuses the change.
        """

    def delete_schedule(self, handle: str) -> None:
        """Deletes a schedule, and stops its jobs in progress. No error if it is gone already."""
