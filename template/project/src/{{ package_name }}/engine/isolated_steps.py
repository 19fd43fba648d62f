# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The isolated steps of dynamic pipelines, each a job of its own, and the platform they are on."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zenml.enums import ExecutionStatus
from zenml.orchestrators import BaseOrchestrator

from .clock import Clock
from .log_follower import with_last_lines
from .protocols import JobHandle, JobKey, JobPlatform, JobSpec, Phase, Watches
from .run_store import end_step_run, get_step_run
from .sightings import Sighting, describe_end
from .waiting import ask, look, watch_job

if TYPE_CHECKING:
    from uuid import UUID

    from zenml.models import StepRunResponse

# ZenML asks again about steps with one of these. `queued` it would take for an end.
STATUSES = {
    Phase.PENDING: ExecutionStatus.PROVISIONING,
    Phase.RUNNING: ExecutionStatus.RUNNING,
    Phase.SUCCEEDED: ExecutionStatus.COMPLETED,
    Phase.STOPPED: ExecutionStatus.STOPPED,
}


@dataclass
class IsolatedStep:
    """What this process knows of one isolated step.

    Attributes:
        run: Its run in ZenML.
        handle: Its job.
        sighting: What was seen of the job.
        stopped: Whether it was asked to stop.
    """

    run: UUID
    handle: JobHandle
    sighting: Sighting
    stopped: bool = False


class IsolatedSteps(BaseOrchestrator):
    """What an orchestrator knows of its platform, and of the isolated steps that are there.

    ZenML may make several objects of one orchestrator; what a process knows is the same.
    """

    _platforms: ClassVar[dict[tuple[UUID, str], JobPlatform]] = {}
    _steps: ClassVar[dict[UUID, IsolatedStep]] = {}
    # The watch of a run lasts as long as there are isolated steps of it.
    _watches: ClassVar[dict[UUID, ExitStack]] = {}
    _lock: ClassVar[threading.RLock] = threading.RLock()

    def connect(self) -> JobPlatform:
        """Makes the platform. It is asked once in a process; no request has to be made yet."""
        raise NotImplementedError

    @property
    def platform(self) -> JobPlatform:
        """Where the jobs run."""
        key = self.id, self.config.model_dump_json()
        if key not in self._platforms:
            with self._lock:
                self._platforms[key] = self._platforms.get(key) or self.connect()
        return self._platforms[key]

    def _submit_step(self, job: JobSpec, run: UUID, step_run: UUID) -> None:
        """Submits a step.

        Args:
            job: Its job.
            run: The run in ZenML.
            step_run: The step run in ZenML.

        Raises:
            ValueError: If the platform can never run it.
            JobRefused: If the platform refuses it.
        """
        self.platform.validate(job)
        handle = ask(self.platform, lambda: self.platform.submit(job))
        with self._lock:
            sighting = Sighting(Clock().now(), self.platform.unknown_seconds)
            self._steps[step_run] = IsolatedStep(run, handle, sighting)
            if run not in self._watches and isinstance(self.platform, Watches):
                # Then it costs no request to ask how a step is.
                watch = ExitStack()
                with suppress(*self.platform.transient):
                    watch.enter_context(self.platform.watch(str(run), lambda _: None))
                    self._watches[run] = watch

    def get_isolated_step_status(self, step_run: StepRunResponse) -> ExecutionStatus:
        """Tells how far an isolated step has come. Why it failed is recorded in ZenML.

        Raises:
            Exception: What the platform raises, if it does not answer. ZenML asks again then.
        """
        step = self._known_step(step_run)
        if step is None:
            # It has ended with the process that submitted it.
            noted = get_step_run(step_run.id).status
            return noted if noted.is_finished else ExecutionStatus.FAILED
        status = look(self.platform, step.handle, step.sighting, Clock())
        if status is None:
            return ExecutionStatus.PROVISIONING
        if step.stopped and status.phase.is_terminal:
            return ExecutionStatus.STOPPED
        if status.phase is not Phase.FAILED:
            return STATUSES[status.phase]
        latest = get_step_run(step_run.id)
        if latest.status.is_successful:  # Whatever has become of its job afterwards.
            return ExecutionStatus.COMPLETED
        if latest.exception_info is None:
            cause = with_last_lines(self.platform, step.handle, describe_end(status))
            end_step_run(latest, cause, stopped=False)
        return ExecutionStatus.FAILED

    def wait_for_isolated_step(self, step_run: StepRunResponse) -> ExecutionStatus:
        """Waits until an isolated step has ended, and returns how."""
        if step := ask(self.platform, lambda: self._known_step(step_run)):
            run = str(step_run.pipeline_run_id)
            for _ in watch_job(self.platform, step.handle, Clock(), run=run):
                pass
        return ask(self.platform, lambda: self.get_isolated_step_status(step_run))

    def stop_isolated_step(self, step_run: StepRunResponse) -> None:
        """Asks an isolated step to end; it is killed after its grace period."""
        if step := ask(self.platform, lambda: self._known_step(step_run)):
            step.stopped = True
            ask(self.platform, lambda: self.platform.stop(step.handle))

    def cleanup_isolated_step(self, step_run: StepRunResponse) -> None:
        """Forgets an isolated step that has ended. What it has logged stays with the platform."""
        run, watch = step_run.pipeline_run_id, None
        with self._lock:
            self._steps.pop(step_run.id, None)
            if all(step.run != run for step in self._steps.values()):
                watch = self._watches.pop(run, None)
        if watch is not None:
            watch.close()

    def _known_step(self, step_run: StepRunResponse) -> IsolatedStep | None:
        """Returns a step of this process, or one that another process has submitted."""
        if step := self._steps.get(step_run.id):
            return step
        run = step_run.pipeline_run_id
        handle = self.platform.find(str(run)).get(JobKey(str(run), str(step_run.id), 1))
        if handle is None:
            return None
        sighting = Sighting(Clock().now(), self.platform.unknown_seconds)
        with self._lock:
            return self._steps.setdefault(step_run.id, IsolatedStep(run, handle, sighting))
