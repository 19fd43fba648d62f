# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""ZenML: all that the engine asks it and tells it goes through this module.

A step reports its own end. One that was killed, or that failed before ZenML was up in its process,
cannot: without what is recorded here, it would stay `running` for ever.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import zenml.models
from requests import RequestException
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.exceptions import EntityExistsError, IllegalOperationError
from zenml.logger import get_logger
from zenml.models import ExceptionInfo, PipelineRunUpdate, StepRunUpdate
from zenml.orchestrators import publish_utils
from zenml.orchestrators.step_run_utils import StepRunRequestFactory, publish_cached_step_run
from zenml.pipelines.run_utils import create_placeholder_run
from zenml.stack import Stack
from zenml.utils.exception_utils import collect_exception_information
from zenml.utils.pagination_utils import depaginate
from zenml.utils.string_utils import format_name_template
from zenml.utils.time_utils import utc_now

from .run_ids import check_length
from .sightings import NO_REASON
from .texts import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from zenml.metadata.metadata_types import MetadataType
    from zenml.models import PipelineRunResponse, PipelineSnapshotResponse, StepRunResponse

logger = get_logger(__name__)

# Pydantic completes most of these models where they are first used, and two threads that do so at
# once get in each other's way: `model_rebuild` is not thread-safe, as its own code says.
for model in list(vars(zenml.models).values()):
    if hasattr(model, "model_rebuild"):
        model.model_rebuild(raise_errors=False)

# `PipelineRunUpdate.status_reason` has max_length=255, and so has `PipelineRunRequest.name`.
MAX_REASON = MAX_NAME = 255

# A step with one of these has said how it ended, or that it will be tried again.
TERMINAL = {status for status in ExecutionStatus if status.is_finished} | {ExecutionStatus.RETRYING}

STOPPED = (ExecutionStatus.STOPPING, ExecutionStatus.STOPPED)

# A run with one of these has no job: its last one has ended, and the next is to come.
WITHOUT_JOB = (ExecutionStatus.PAUSED, ExecutionStatus.RESUMING)

# The run metadata with which `stop_run` asks a controller in a client for a forced stop.
FORCE_STOP = "stop_forcefully"

PARENT_STOPPED = "The run is a child of one that is being stopped."

# How long ZenML may be away before a client that needs an answer gives up, in seconds.
ZENML_OUTAGE_SECONDS = 600.0

# What ZenML's client says of an answer of a server, or of a proxy before it, that is overloaded.
OVERLOADED = re.compile(r"(429|502|503|504) HTTP Error received from server")


class ZenMLUnavailableError(RuntimeError):
    """ZenML does not answer. It is worth another try."""


TRANSIENT: tuple[type[Exception], ...] = (ZenMLUnavailableError,)


def is_outage(error: Exception) -> bool:
    """Tells whether an error of ZenML's clients is one that another try may not meet.

    A client of a server does without SQLAlchemy, as long as there is no error: it takes a tenth of
    what ZenML takes to import.
    """
    from sqlalchemy.exc import OperationalError

    overloaded = isinstance(error, RuntimeError) and OVERLOADED.match(str(error))
    return bool(overloaded) or isinstance(error, (RequestException, OperationalError))


@contextmanager
def asking_zenml() -> Iterator[None]:
    """Tells an outage of ZenML from its other errors.

    Raises:
        ZenMLUnavailableError: In place of the errors that another try may not meet.
    """
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise ZenMLUnavailableError(f"ZenML does not answer: {error}") from error
        raise


@contextmanager
def noting_cause() -> Iterator[None]:
    """Lets ZenML note why a step failed that could not be submitted; else it notes that it did."""
    try:
        yield
    except Exception as error:
        publish_utils.step_exception_info.set(collect_exception_information(error))
        raise


class StopRequest(Enum):
    """Whether a run is to be stopped."""

    NONE = "none"
    GRACEFUL = "graceful"  # jobs in progress may finish
    FORCED = "forced"


@dataclass(frozen=True)
class StepRecord:
    """What ZenML has of a step of the run.

    Attributes:
        attempts: How many attempts have begun.
        succeeded: Whether the step has succeeded, or was cached.
    """

    attempts: int = 0
    succeeded: bool = False


@dataclass(eq=False, repr=False)
class ZenMLRun:
    """A run of a static pipeline. Every function may be called again after a failure.

    Attributes:
        snapshot: What is executed.
        run: Its run.
        use_cache: Whether steps are looked up in the cache. If not, the client has done so.
        transient: The errors that are worth another try.
    """

    snapshot: PipelineSnapshotResponse
    run: PipelineRunResponse
    use_cache: bool = False
    transient: ClassVar[tuple[type[Exception], ...]] = TRANSIENT

    @asking_zenml()
    def stop_request(self) -> StopRequest:
        """Tells whether the run is to be stopped."""
        run = Client().get_pipeline_run(self.run.id, hydrate=False)
        if run.status not in STOPPED:
            return StopRequest.NONE
        forced = FORCE_STOP in get_run(self.run.id).run_metadata
        return StopRequest.FORCED if forced else StopRequest.GRACEFUL

    def step_records(self) -> Mapping[str, StepRecord]:
        """Returns what ZenML has of all steps that have begun, by their names."""
        attempts: dict[str, list[StepRunResponse]] = {}
        for step in list_step_runs(self.run.id, hydrate=False):
            attempts.setdefault(step.name, []).append(step)
        return {name: record_of(of_step) for name, of_step in attempts.items()}

    def step_record(self, name: str) -> StepRecord:
        """Returns what ZenML has of one step."""
        return record_of(list_step_runs(self.run.id, name=name, hydrate=False))

    @asking_zenml()
    def reuse_cached(self, name: str) -> bool:
        """Takes an earlier result for a step, if there is one, and tells whether there was."""
        if not (self.use_cache and self._factory.has_caching_enabled(name)):
            return False
        request = self._factory.create_request(name)
        try:
            self._factory.populate_request(request)
        except Exception as error:  # What is wrong with it, the step itself says best.
            if is_outage(error):
                raise
            logger.warning("Step `%s` is not looked up in the cache: %s", name, error)
            return False
        if request.status is not ExecutionStatus.CACHED:
            return False
        with suppress(EntityExistsError):  # The answer to an earlier request was lost.
            publish_cached_step_run(request, self.run)
        return True

    @asking_zenml()
    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Records the end of a step's last attempt, unless the step did so itself.

        Args:
            name: The step's name.
            cause: Why its job ended.
            stopped: Whether it ended because it was asked to.

        Returns:
            Why the step failed, as ZenML has it.
        """
        attempts = list_step_runs(self.run.id, name=name, hydrate=True)
        if attempts:
            latest = max(attempts, key=lambda step: step.version)
            return end_step_run(latest, cause, stopped=stopped)
        if not stopped:
            try:
                self._publish_unstarted(name, cause)
            except Exception as error:  # ZenML takes no more steps once a run has failed.
                if is_outage(error):
                    raise
                logger.warning("ZenML is not told how step `%s` ended (%s): %s", name, cause, error)
        return cause

    def end_run(self, reason: str, *, failed: bool) -> None:
        """Records the end of the run, and of the steps that it leaves open. See `end_run`."""
        end_run(self.run.id, reason, failed=failed)

    @cached_property
    def _factory(self) -> StepRunRequestFactory:
        assert self.snapshot.stack is not None
        return StepRunRequestFactory(self.snapshot, self.run, Stack.from_model(self.snapshot.stack))

    def _publish_unstarted(self, name: str, cause: str) -> None:
        """Creates the step run of a step that failed before it could do so itself."""
        request = self._factory.create_request(name)
        self._factory.populate_request(request)
        message = f"Step `{name}` ended before it could start: {cause}."
        request.status = ExecutionStatus.FAILED
        request.end_time = utc_now()
        request.exception_info = ExceptionInfo(traceback=message, message=message)
        Client().zen_store.create_run_step(request)


class ZenMLFunctionRun(ZenMLRun):
    """A run of a dynamic pipeline whose function is the one job of the controller."""

    def step_records(self) -> Mapping[str, StepRecord]:
        """Returns nothing: the run is not continued by another controller."""
        return {}

    def step_record(self, name: str) -> StepRecord:
        """Tells how the function has ended: as its run has."""
        status = get_run(self.run.id).status
        return StepRecord(1, status.is_successful or status is ExecutionStatus.PAUSED)

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Records nothing: `end_run` does."""
        return cause


def record_of(attempts: Sequence[StepRunResponse]) -> StepRecord:
    """Says what the attempts of a step come to."""
    return StepRecord(len(attempts), any(step.status.is_successful for step in attempts))


@asking_zenml()
def list_step_runs(
    run_id: UUID, *, name: str | None = None, hydrate: bool
) -> list[StepRunResponse]:
    """Lists the step runs of a run, each attempt on its own."""
    return depaginate(
        Client().list_run_steps, pipeline_run_id=run_id, name=name, hydrate=hydrate, size=200
    )


def active_orchestrator() -> Any:
    """Returns the orchestrator of this process: a `JobOrchestrator`, whose module imports this."""
    return Client().active_stack.orchestrator


@asking_zenml()
def get_run(run_id: UUID) -> PipelineRunResponse:
    """Reads a run, with all that ZenML knows of it."""
    return Client().get_pipeline_run(run_id)


@asking_zenml()
def get_step_run(step_run_id: UUID) -> StepRunResponse:
    """Reads a step run."""
    return Client().get_run_step(step_run_id)


@asking_zenml()
def get_snapshot(snapshot_id: UUID) -> PipelineSnapshotResponse:
    """Reads a snapshot."""
    return Client().get_snapshot(snapshot_id)


@asking_zenml()
def find_run(snapshot: PipelineSnapshotResponse, run_id: str) -> PipelineRunResponse | None:
    """Finds the execution of a snapshot that has an ID; None if there is none yet."""
    runs = Client().list_pipeline_runs(snapshot_id=snapshot.id, orchestrator_run_id=run_id)
    return Client().get_pipeline_run(runs.items[0].id) if runs.items else None


@asking_zenml()
def claim_run(
    snapshot: PipelineSnapshotResponse, run: PipelineRunResponse | None, run_id: str
) -> PipelineRunResponse:
    """Gives a run its ID, so that no other execution can take the run for its own.

    Args:
        snapshot: What is executed.
        run: The run that ZenML has created for it; None if there is none, as for a schedule.
        run_id: The ID.

    Returns:
        The run. If it was claimed under this ID before, it is the same run. A run that is resumed
        keeps the ID that it has.

    Raises:
        ValueError: If ZenML cannot store the ID.
    """
    check_length(run_id)
    if run is None:
        found = find_run(snapshot, run_id)
        return found or create_placeholder_run(snapshot=snapshot, orchestrator_run_id=run_id)
    if run.orchestrator_run_id:
        return run
    try:
        return Client().zen_store.update_run(run.id, PipelineRunUpdate(orchestrator_run_id=run_id))
    except IllegalOperationError:  # A job of the run that began at once has done so already.
        found = Client().get_pipeline_run(run.id)
        if found.orchestrator_run_id != run_id:
            raise
        return found


def check_run_name(snapshot: PipelineSnapshotResponse) -> None:
    """Looks at the name that each run of a schedule is to have, before the schedule is made.

    Raises:
        ValueError: If ZenML cannot store it: each run would fail when the schedule fires.
    """
    known = snapshot.pipeline_configuration.finalize_substitutions(start_time=utc_now())
    name = format_name_template(snapshot.run_name_template, known)
    if len(name) > MAX_NAME:
        raise ValueError(
            f"A run of the schedule would be called `{shorten(name, 60)}`, with {len(name)} "
            f"characters, and ZenML stores {MAX_NAME}. Give it a shorter `run_name`, or the "
            "pipeline a shorter name."
        )


@asking_zenml()
def publish_metadata(run_id: UUID, component: UUID, metadata: Mapping[str, MetadataType]) -> None:
    """Adds to the metadata of a run, as those of a component of its stack."""
    publish_utils.publish_pipeline_run_metadata(run_id, {component: dict(metadata)})


def list_children(run_id: UUID) -> list[UUID]:
    """Lists the runs of a run's child pipelines, and of theirs, that have not ended.

    A child is a run of its own in ZenML, with a status of its own. It works in its parent's
    process, and has only its isolated steps' jobs to itself.
    """
    runs = list_open_runs(parent_run_id=run_id)
    return [each for run in runs for each in (run.id, *list_children(run.id))]


@asking_zenml()
def list_open_runs(**of: UUID) -> list[PipelineRunResponse]:
    """Lists the runs of a parent or of a schedule that have not ended."""
    runs = depaginate(Client().list_pipeline_runs, hydrate=False, size=200, **of)
    return [run for run in runs if not run.status.is_finished]


@asking_zenml()
def disable_heartbeats(run_id: UUID) -> None:
    """Lets the steps of a run, and of its children, finish after it is `stopping`.

    A step asks ZenML every 15 seconds how its run is, and ends itself if that is being stopped,
    unless its heartbeat is disabled (`zenml.steps.heartbeat`).
    """
    for each in (run_id, *list_children(run_id)):
        Client().zen_store.disable_run_heartbeat(each)


@asking_zenml()
def publish_stopping(run_id: UUID, reason: str) -> None:
    """Tells ZenML that a run is being stopped, so that its steps take it for a stop."""
    with suppress(IllegalOperationError):  # It has just ended.
        stopping = ExecutionStatus.STOPPING
        publish_utils.publish_pipeline_run_status_update(run_id, stopping, status_reason=reason)


@asking_zenml()
def inherit_stop(run: PipelineRunResponse) -> None:
    """Tells ZenML that a run is being stopped that is about to begin, if its parent is."""
    if run.root_run_id:
        parent = Client().get_pipeline_run(run.id).parent_run
        if parent is not None and parent.status in STOPPED:
            publish_stopping(run.id, PARENT_STOPPED)


@asking_zenml()
def end_run(run_id: UUID, reason: str, *, failed: bool, causes: str = "") -> None:
    """Records the end of a run, of the steps that it leaves open, and of its children.

    Args:
        run_id: The run in ZenML.
        reason: Why, in words.
        failed: Whether it failed; otherwise it was stopped.
        causes: Why steps of it have failed, if that is why it did.
    """
    for each in (*list_children(run_id), run_id):
        for step in list_step_runs(each, hydrate=False):
            if step.status not in TERMINAL:
                end_step_run(step, reason, stopped=not failed)
        run = get_run(each)
        if run.status.is_finished and not (failed and is_unexplained(run)):
            continue
        # Of a static pipeline, ZenML makes it `stopped` itself, since all steps have ended.
        stopped = ExecutionStatus.STOPPED if is_dynamic(run) else ExecutionStatus.STOPPING
        status = ExecutionStatus.FAILED if failed else stopped
        with suppress(IllegalOperationError):  # It has just reported its end itself.
            short = shorten(causes or reason, MAX_REASON)
            publish_utils.publish_pipeline_run_status_update(each, status, status_reason=short)


def is_unexplained(run: PipelineRunResponse) -> bool:
    """Tells whether a run has failed, and nobody has said why.

    ZenML has a static run as failed as soon as a step is, while others go on. A dynamic run has the
    exception of its function.
    """
    return run.status.is_failed and not is_dynamic(run) and not run.get_body().status_reason


def cause_of(step: StepRunResponse, cause: str) -> str:
    """Returns why a step run has failed that has ended. If ZenML does not know, it is told.

    It knows of what the user's function raises; not of what is raised when an output is saved, nor
    of an exception that cannot be written.

    Args:
        step: The step run, with all that ZenML knows of it.
        cause: How its job has ended, with the last lines of its log.
    """
    has_failed = step.status.is_failed or step.status is ExecutionStatus.RETRYING
    if has_failed and step.exception_info is None:
        info = ExceptionInfo(traceback=cause, message=cause)
        Client().zen_store.update_run_step(step.id, StepRunUpdate(exception_info=info))
        return cause
    return describe_exception(step.exception_info)


@asking_zenml()
def end_step_run(step: StepRunResponse, cause: str, *, stopped: bool) -> str:
    """Records the end of a step run, unless the step did so itself.

    Args:
        step: The step run; with all that ZenML knows of it, if it may have ended.
        cause: Why its process has ended, with the last lines of its log.
        stopped: Whether it was asked to end.

    Returns:
        Why the step failed, as ZenML has it.
    """
    if step.status in TERMINAL:
        return cause_of(step, cause)
    message = f"The process of step `{step.name}` ended without a report: {cause}."
    logger.debug(message)
    # It may have reported its end itself by now, and that report stands.
    with suppress(IllegalOperationError):
        publish_utils.publish_step_run_status_update(
            step.id,
            ExecutionStatus.STOPPED if stopped else ExecutionStatus.FAILED,
            exception_info=None if stopped else ExceptionInfo(traceback=message, message=message),
        )
    return cause


def describe_exception(info: ExceptionInfo | None) -> str:
    """Returns what an exception says at its end: its class and its message."""
    if info is None:
        return NO_REASON
    if info.traceback == info.message:  # as recorded above
        return str(info.message)
    if info.source is None:
        return shorten(str(info.traceback).strip().rpartition("\n")[2])
    # The traceback of ZenML 0.95 ends before these.
    name = info.source.rpartition(".")[2]
    return shorten(f"{name}: {info.message}") if info.message else str(name)


def is_dynamic(run: PipelineRunResponse) -> bool:
    """Tells whether a run is that of a dynamic pipeline, whose steps the platform cannot know."""
    return run.snapshot is not None and run.snapshot.is_dynamic
