# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The orchestrator: ZenML's questions on one side, a platform's jobs on the other.

A project's orchestrator is a subclass that says which platform, which run ID, and where the
controller of a static pipeline lives.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID

from zenml.config.schedule import Schedule
from zenml.constants import METADATA_ORCHESTRATOR_RUN_ID, ORCHESTRATOR_DOCKER_IMAGE_KEY
from zenml.enums import ExecutionMode, ExecutionStatus, StackComponentType
from zenml.execution.pipeline.dynamic.run_context import DynamicPipelineRunContext
from zenml.logger import get_logger
from zenml.orchestrators import ContainerizedOrchestrator, PipelineSubmissionError, SubmissionResult
from zenml.orchestrators.utils import get_config_environment_vars
from zenml.stack import Stack, StackValidator
from zenml.utils.env_utils import get_runtime_environment
from zenml.utils.time_utils import to_utc_timezone

from . import run_store
from .client_controller import ClientController
from .clock import Clock, Result
from .conclusion import WAS_STOPPED, raise_for_run, settle_run
from .controller import Controller, Plan, last_jobs
from .exit_codes import RUN_FAILED
from .isolated_steps import IsolatedSteps
from .job_specs import CONTROLLER_STEP, IN_CONTAINER, ON_HOST, JobSpecs
from .log_follower import LogFollower
from .patience import give_up_busy_requests
from .processes.process_identity import own_process, process_is_alive
from .protocols import JobRefused, JobStatus, Phase, Schedules
from .secret_env import split_secrets
from .sightings import LOST
from .texts import shorten
from .waiting import ask, watch_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zenml.config.base_settings import BaseSettings
    from zenml.config.build_configuration import BuildConfiguration
    from zenml.config.step_run_info import StepRunInfo
    from zenml.metadata.metadata_types import MetadataType
    from zenml.models import (
        PipelineRunResponse,
        PipelineSnapshotBase,
        PipelineSnapshotResponse,
        ScheduleResponse,
        ScheduleUpdate,
    )

    from .protocols import JobHandle, JobSpec
    from .run_ids import RunIdStrategy

logger = get_logger(__name__)

# How long a platform may not answer while a run is submitted or stopped, in seconds.
SUBMISSION_SECONDS = 120.0

# What a user can do something about, beside a platform that does not answer.
UNDERSTOOD: tuple[type[Exception], ...] = (ValueError, JobRefused, *run_store.TRANSIENT)

SCHEDULE_DELETED = "The run's schedule was deleted."


class JobOrchestrator(IsolatedSteps):
    """An orchestrator of a platform that runs jobs. What a project sets comes first.

    Attributes:
        settings_type: What pipelines and steps can set; a subclass of `JobSettings`.
        run_id: Where the ID of a run comes from.
        distribution: What pip calls the project.
        controller: Where the controller of a static pipeline lives: in a job of its own, so that a
            run outlives its client; or in the client, with which the run ends.
        code_is_shared: Whether jobs see the client's files. If not, they run in images, and ZenML
            brings the code.
        controller_metadata: What the run's metadata call the job of its controller or function.
        schedule_metadata: What a schedule's metadata call what the platform has of it.
    """

    settings_type: ClassVar[type[BaseSettings]]
    run_id: ClassVar[RunIdStrategy]
    distribution: ClassVar[str]
    controller: ClassVar[Literal["client", "job"]] = "job"
    code_is_shared: ClassVar[bool] = False
    controller_metadata: ClassVar[str] = "controller_job"
    schedule_metadata: ClassVar[str] = "schedule_job"

    def stack_problem(self, stack: Stack) -> str | None:
        """Says what is wrong with a stack, and the remedy; None if nothing is."""
        return None

    def grace_seconds(self, settings: BaseSettings) -> float:
        """Returns how long a job may take to end when it is asked to, in seconds.

        It is the setting `stop_grace_seconds`, if there is one.
        """
        return float(getattr(settings, "stop_grace_seconds", 30.0))

    # ---- What ZenML asks

    @property
    def settings_class(self) -> type[BaseSettings]:
        """What pipelines and steps can set."""
        return self.settings_type

    @property
    def supported_execution_modes(self) -> list[ExecutionMode]:
        """All that ZenML has."""
        return list(ExecutionMode)

    @property
    def requirements(self) -> set[str]:
        """What the images need that ZenML builds for this stack."""
        return super().requirements | {f"{self.distribution}=={version(self.distribution)}"}

    @property
    def validator(self) -> StackValidator:
        """Refuses a stack that cannot work."""

        def validate(stack: Stack) -> tuple[bool, str]:
            problem = self.stack_problem(stack)
            return (False, f"Orchestrator `{self.name}`: {problem}") if problem else (True, "")

        needed = {StackComponentType.CONTAINER_REGISTRY, StackComponentType.IMAGE_BUILDER}
        builds = isinstance(self, ContainerJobOrchestrator) and not self.prebuilt_image()
        return StackValidator(needed if builds else None, validate)

    def get_orchestrator_run_id(self) -> str:
        """Returns the run ID, in a process of the run.

        Raises:
            RuntimeError: If this process belongs to no run.
        """
        return self.run_id.read(lambda: self.platform)

    def submit_pipeline(
        self,
        snapshot: PipelineSnapshotResponse,
        stack: Stack,
        base_environment: dict[str, str],
        step_environments: dict[str, dict[str, str]],
        placeholder_run: PipelineRunResponse | None = None,
    ) -> SubmissionResult | None:
        """Submits a static pipeline.

        Args:
            snapshot: The pipeline, perhaps with a schedule.
            stack: The stack it runs on.
            base_environment: The environment, as ZenML wants it.
            step_environments: That of each step.
            placeholder_run: The run that ZenML has created for it.

        Returns:
            How to wait for the run, and the metadata of a schedule.

        Raises:
            PipelineSubmissionError: If the platform refuses, or a setting, a resource or the
                schedule is one that it cannot have. Nothing runs then.
        """
        of_step = step_environments.__getitem__
        return self._submit_job(snapshot, placeholder_run, base_environment, of_step)

    def submit_dynamic_pipeline(
        self,
        snapshot: PipelineSnapshotResponse,
        stack: Stack,
        environment: dict[str, str],
        placeholder_run: PipelineRunResponse | None = None,
    ) -> SubmissionResult | None:
        """Submits a dynamic pipeline: one job, in which ZenML runs its function.

        Args:
            snapshot: The pipeline, perhaps with a schedule.
            stack: The stack it runs on.
            environment: The environment, as ZenML wants it.
            placeholder_run: The run that ZenML has created for it.

        Returns:
            How to wait for the run, and the metadata of a schedule.

        Raises:
            PipelineSubmissionError: If the platform refuses, or a setting, a resource or the
                schedule is one that it cannot have. Nothing runs then.
        """
        return self._submit_job(snapshot, placeholder_run, environment, lambda _: environment)

    @run_store.noting_cause()
    def submit_isolated_step(self, step_run_info: StepRunInfo, environment: dict[str, str]) -> None:
        """Starts a step of a dynamic pipeline in a job of its own.

        Args:
            step_run_info: The step.
            environment: The environment, as ZenML wants it.

        Raises:
            ValueError: If the platform can never run it.
            RuntimeError: If the platform refuses it, or this process belongs to no run.
        """
        info = step_run_info
        image = None if self.code_is_shared else info.get_image(key=ORCHESTRATOR_DOCKER_IMAGE_KEY)
        run_id, own_job = self.get_orchestrator_run_id(), self.platform.current_job()
        specs = self._specs(info.snapshot, None, run_id, {}, lambda _: environment)
        specs = replace(specs, run=str(info.run_id), run_name=info.run_name, parent=own_job)
        job = specs.isolated_step(info, image)
        try:
            self._submit_step(job, info.run_id, info.step_run_id)
        except JobRefused as error:
            raise RuntimeError(
                f"Step `{job.name}` cannot run: the platform refuses its job: {shorten(str(error))}"
            ) from error

    def get_pipeline_run_metadata(self, run_id: UUID) -> dict[str, MetadataType]:
        """Returns what a person needs to find the run: its run ID."""
        return {METADATA_ORCHESTRATOR_RUN_ID: self.get_orchestrator_run_id()}

    @classmethod
    def run_init_hook(cls, snapshot: PipelineSnapshotResponse) -> None:
        """Lets no step of a child pipeline begin that starts while its parent is being stopped.

        ZenML calls this in the process of a dynamic pipeline, before the function of a child.
        """
        if context := DynamicPipelineRunContext.get():
            run_store.inherit_stop(context.run)
        super().run_init_hook(snapshot)

    def fetch_status(
        self, run: PipelineRunResponse, include_steps: bool = False
    ) -> tuple[ExecutionStatus | None, dict[str, ExecutionStatus] | None]:
        """Tells how a run is. One whose own job has ended without a report is settled.

        Args:
            run: The run.
            include_steps: Whether to tell it of the steps as well.

        Returns:
            The status of the run and those of its steps, as ZenML has them; nothing, if the run has
            just been settled.
        """
        steps = {name: step.status for name, step in run.steps.items()} if include_steps else None
        # ZenML has a run as failed as soon as a step is, while others go on.
        open_steps = steps and not all(status.is_finished for status in steps.values())
        is_over = run.status.is_finished and not open_steps
        own = None if is_over or run.status in run_store.WITHOUT_JOB else self._own_job_status(run)
        if own is None or not own.phase.is_terminal:
            return run.status, steps
        self._stop_leftovers(run, own)
        self._ask(lambda: settle_run(run.id, own, lambda: self._jobs_of_steps(run)))
        # ZenML makes the status of a static run of those of its steps.
        return None, None

    def stop_run(self, run: PipelineRunResponse, graceful: bool = False) -> None:
        """Stops a run, from any process that has this package.

        Args:
            run: The run. No further step of it, or of its child pipelines, starts.
            graceful: Whether steps in progress may finish, however long they take. ZenML's
                heartbeat would end them after 15 seconds, so it is switched off for the run.

        Raises:
            RuntimeError: If the job of the run is not known, or is that of a run whose child this
                one is, and is not to be stopped. Nothing has changed then.
        """
        own = self._own_job_status(run)
        if run.root_run_id and not graceful and not (own and own.phase.is_terminal):
            raise RuntimeError(
                f"The run `{run.name}` is a child of the run {run.root_run_id} and works in its "
                "process, so it cannot be stopped by force on its own. Stop it gracefully, or stop "
                "that run."
            )
        if own is None and self.controller == "job" and run.status is not ExecutionStatus.PAUSED:
            raise RuntimeError(
                f"The run `{run.name}` cannot be stopped, since its own job is not known: the "
                f"run's metadata do not name it (`{self.controller_metadata}`), and the platform "
                "finds none. If the run was submitted just now, try again in a moment."
            )
        if graceful:
            run_store.disable_heartbeats(run.id)
        super().stop_run(run, graceful=graceful)

    def _stop_run(self, run: PipelineRunResponse, graceful: bool = False) -> None:
        """Stops a run that ZenML has as `stopping`. See `stop_run`."""
        for child in run_store.list_children(run.id):
            # ZenML starts no step of it then.
            run_store.publish_stopping(child, run_store.PARENT_STOPPED)
        own = self._own_job_status(run)
        is_over = run.status is ExecutionStatus.PAUSED or (own and own.phase.is_terminal)
        if self.controller == "client" and not graceful:
            run_store.publish_metadata(run.id, self.id, {run_store.FORCE_STOP: True})
        if not is_over and (self.controller == "client" or graceful):
            return  # The controller, or the function, ends the run.
        if refusals := self._stop_jobs(run):
            raise refusals[0]
        run_store.end_run(run.id, WAS_STOPPED, failed=False)

    def update_schedule(self, schedule: ScheduleResponse, update: ScheduleUpdate) -> None:
        """Changes a schedule's cron expression, pauses it, or lets it go on.

        To pause it takes until its runs in progress have ended: ZenML refuses their token as soon
        as it has the schedule as inactive, which is when this returns.

        Raises:
            RuntimeError: If the platform does not know it, or refuses the change.
        """
        handle = schedule.run_metadata.get(self.schedule_metadata)
        try:
            if handle is None:
                raise JobRefused(
                    "its metadata do not name what the platform has of it "
                    f"(`{self.schedule_metadata}`), so it was not made by this orchestrator."
                )
            self._schedules().update_schedule(
                str(handle), cron=update.cron_expression, active=update.active
            )
        except (JobRefused, ValueError) as error:
            raise RuntimeError(f"Schedule `{schedule.name}` was not updated: {error}") from error
        if update.active is False:
            self._wait_for_runs(schedule)

    def delete_schedule(self, schedule: ScheduleResponse) -> None:
        """Deletes a schedule, and stops its runs in progress.

        They could not go on: ZenML's token for them ends with the schedule.

        Raises:
            RuntimeError: If some of them cannot be stopped. All are tried, and it names those.
        """
        handle = schedule.run_metadata.get(self.schedule_metadata)
        if handle is None:
            logger.warning("The platform knows no schedule `%s`.", schedule.name)
            return
        for run in run_store.list_open_runs(schedule_id=schedule.id):
            # First of all, so that their steps take it for a stop, and not for a failure.
            run_store.publish_stopping(run.id, SCHEDULE_DELETED)
        self._schedules().delete_schedule(str(handle))
        refused = []
        for run in run_store.list_open_runs(schedule_id=schedule.id):
            # What its own job has submitted, it may not be able to stop.
            if refusals := self._stop_jobs(run):
                refused.append(f"`{run.name}`: {shorten(str(refusals[0]))}")
            else:
                run_store.end_run(run.id, SCHEDULE_DELETED, failed=False)
        if refused:
            raise RuntimeError(
                f"The schedule `{schedule.name}` fires no more, but not all of its runs could be "
                f"stopped: {'; '.join(refused)}. Delete it again to try once more."
            )

    def _wait_for_runs(self, schedule: ScheduleResponse) -> None:
        def in_progress() -> list[PipelineRunResponse]:
            runs = run_store.list_open_runs(schedule_id=schedule.id)
            return [run for run in runs if run.status not in run_store.WITHOUT_JOB]

        clock = Clock()
        if runs := in_progress():
            logger.warning(
                "The schedule `%s` does not fire any more. It is paused once its runs in progress "
                "have ended, since ZenML refuses their token then: %s. To not wait, stop them. If "
                "this is interrupted they go on, and you pause it again later.",
                schedule.name,
                ", ".join(run.name for run in runs),
            )
        while runs:
            for run in runs:  # One whose job has died ends by this.
                self.fetch_status(run_store.get_run(run.id))
            clock.wait(self.platform.poll_seconds)
            runs = in_progress()

    # ---- What jobs of the engine ask

    def claim_from_job(
        self, snapshot: PipelineSnapshotResponse, run_argument: str | None
    ) -> PipelineRunResponse:
        """Gives the run of this job its ID, and lets it be found again.

        Args:
            snapshot: What is executed.
            run_argument: The ID of the run in ZenML that the client has submitted; None for a
                schedule, whose run is created here, once.
        """

        def claim() -> PipelineRunResponse:
            submitted = run_store.get_run(UUID(run_argument)) if run_argument else None
            return run_store.claim_run(snapshot, submitted, self.get_orchestrator_run_id())

        run = ask(self.platform, claim)
        job = self.platform.current_job()
        if job is not None and run.run_metadata.get(self.controller_metadata) != job:
            self._publish(run, {self.controller_metadata: job})
        return run

    def controller_of(
        self, snapshot: PipelineSnapshotResponse, run: PipelineRunResponse
    ) -> Controller:
        """Makes the controller of a static pipeline, in a job of its own."""
        configuration, _ = get_config_environment_vars()
        own = {**configuration, **split_secrets(os.environ)[1]}
        assert snapshot.stack is not None
        stack = Stack.from_model(snapshot.stack)

        def environment_of(step: str) -> dict[str, str]:
            config = snapshot.step_configurations[step].config
            return {**own, **get_runtime_environment(config=config, stack=stack)}

        specs = self._specs(snapshot, run, run.orchestrator_run_id, {}, environment_of)
        specs = replace(specs, parent=self.platform.current_job())
        return self._controller(specs, run)

    # ---- Submission

    def _controller(self, specs: JobSpecs, run: PipelineRunResponse) -> Controller:
        """Makes what takes all steps to their end, or the function of a dynamic pipeline."""
        snapshot = specs.snapshot
        pipeline = snapshot.pipeline_configuration
        steps = {} if snapshot.is_dynamic else snapshot.step_configurations
        upstream = {name: step.spec.upstream_steps for name, step in steps.items()}
        plan = Plan(
            run=str(run.id),
            upstream=upstream or {pipeline.name: ()},
            retries={name: step.config.retry for name, step in steps.items()},
            mode=pipeline.execution_mode,
            max_parallelism=self._setting(snapshot, "max_parallelism"),
            what="Pipeline" if snapshot.is_dynamic else "Step",
        )
        kind = run_store.ZenMLFunctionRun if snapshot.is_dynamic else run_store.ZenMLRun
        use_cache = not (snapshot.is_dynamic or self.config.supports_client_side_caching)
        store = kind(snapshot, run, use_cache=use_cache)
        return Controller(plan, self.platform, store, Clock(), specs.job)

    def _submit_job(
        self,
        snapshot: PipelineSnapshotResponse,
        run: PipelineRunResponse | None,
        environment: Mapping[str, str],
        environment_of: Callable[[str], Mapping[str, str]],
    ) -> SubmissionResult:
        """Submits the run's own job, or a schedule of it; or does its work in this process.

        Args:
            snapshot: What is executed.
            run: The run that ZenML has created for it; None for a schedule.
            environment: The environment of the run's own job, as ZenML wants it.
            environment_of: Returns that of a step.
        """
        platform, in_client = self.platform, self.controller == "client"
        if in_client:
            give_up_busy_requests()  # The controller tries again.
        with submission(*platform.transient):
            synchronous = self._setting(snapshot, "synchronous")
            if run is None:
                run_store.check_run_name(snapshot)
            # One that is resumed keeps its own.
            run_id = (run.orchestrator_run_id or self.run_id.new(run)) if run else None
            specs = self._specs(snapshot, run, run_id, environment, environment_of)
            specs = replace(specs, generation=self._generation(run))
            own_job, *_ = jobs = self._jobs(specs)
            if problems := [*filter(None, map(self._problem_of, jobs))]:
                raise ValueError(" ".join(problems))
            if run is None:
                assert snapshot.schedule is not None, "a run without a schedule has a placeholder"
                wanted = schedule_of(snapshot.schedule)
                handle = self._schedules().create_schedule(wanted, own_job)
                return SubmissionResult(metadata={self.schedule_metadata: handle})
            if run_id is not None or in_client:
                # Before any job runs, so that no other execution can take this run for its own.
                run = self._ask(partial(run_store.claim_run, snapshot, run, run_id or ""))
            if in_client:
                self._publish(run, own_process())
                stop = partial(self._stop_jobs, run)
                wait = ClientController(self._controller(specs, run), run, stop).wait
                return SubmissionResult(wait_for_completion=wait if synchronous else None)
            handle = self._ask(lambda: platform.submit(own_job))
            begun = "The run's own job was submitted, and is being stopped."
            try:
                with submission(*platform.transient, state=begun):
                    if run_id is None:
                        run_id = self._ask(lambda: self.run_id.of_job(platform, handle))
                        if run_id:
                            run = self._ask(partial(run_store.claim_run, snapshot, run, run_id))
                    self._publish(run, {self.controller_metadata: handle})
            except BaseException:
                self._ask(lambda: platform.stop(handle))
                raise
        wait = partial(self._wait, run, handle)
        return SubmissionResult(wait_for_completion=wait if synchronous else None)

    def _jobs(self, specs: JobSpecs) -> list[JobSpec]:
        """Makes the run's own job, and those of steps that are looked at before it is submitted.

        Of a dynamic pipeline these are the steps that it names ahead. Others are looked at when
        they are submitted.
        """
        steps = [specs.step(name, 1) for name in specs.snapshot.step_configurations]
        return [specs.own_job(), *steps]

    def _wait(self, run: PipelineRunResponse, handle: JobHandle) -> None:
        """Waits for the end of a run, and shows the log of its own job meanwhile.

        Raises:
            RuntimeError: If the run failed; the message names the steps and the causes.
            RunStoppedException: If it was stopped.
        """
        log = LogFollower(self.platform, handle)
        for job in watch_job(self.platform, handle, Clock(), run=str(run.id)):
            if job.phase is not Phase.PENDING:
                log.start()
            elif job.reason:
                logger.info("The run's own job waits: %s", job.reason)
        log.finish()
        self._stop_leftovers(run, job)
        ask(self.platform, partial(raise_for_run, run.id, job, partial(self._jobs_of_steps, run)))

    def _ask(self, call: Callable[[], Result]) -> Result:
        """Asks the platform, or ZenML, until there is an answer, while a person waits for it."""
        return ask(self.platform, call, seconds=SUBMISSION_SECONDS)

    def _generation(self, run: PipelineRunResponse | None) -> int:
        """Counts the run's own jobs: one that is resumed gets another."""
        if run is None or not run.orchestrator_run_id:
            return 1
        known = self._ask(lambda: self.platform.find(str(run.id)))
        return 1 + sum(key.step == CONTROLLER_STEP for key in known)

    def _specs(
        self,
        snapshot: PipelineSnapshotResponse,
        run: PipelineRunResponse | None,
        run_id: str | None,
        environment: Mapping[str, str],
        environment_of: Callable[[str], Mapping[str, str]],
    ) -> JobSpecs:
        """Makes what makes the jobs of a run, or of a schedule, which has no run yet."""
        return JobSpecs(
            snapshot=snapshot,
            run=str(run.id) if run else None,
            run_name=run.name if run else "",
            entrypoint=self._entrypoint(),
            settings_for=self.get_settings,
            image_for=lambda step: self._image_of(snapshot, step),
            grace_seconds=self.grace_seconds,
            environment=environment,
            environment_of=environment_of,
            run_id={} if run_id is None else {self.run_id.variable: run_id},
            directory=str(Path.cwd()) if self.code_is_shared else None,
        )

    def _entrypoint(self) -> tuple[str, ...]:
        """Returns how ZenML's entrypoint is started: a program, and its first arguments."""
        return ON_HOST if self.code_is_shared else IN_CONTAINER

    def _image_of(self, snapshot: PipelineSnapshotResponse, step: str | None) -> str | None:
        """Returns the image of a step, or that of the pipeline itself (None)."""
        return None

    def _problem_of(self, job: JobSpec) -> str | None:
        """Lets the platform look at a job, and says why it can never run it."""
        try:
            self.platform.validate(job)
        except ValueError as error:
            return str(error)
        return None

    def _publish(self, run: PipelineRunResponse, place: dict[str, MetadataType]) -> None:
        """Lets a run be found again, in ZenML and at the place where its controller is."""
        known = run.orchestrator_run_id
        metadata = {**({METADATA_ORCHESTRATOR_RUN_ID: known} if known else {}), **place}
        self._ask(lambda: run_store.publish_metadata(run.id, self.id, metadata))

    def _setting(self, snapshot: PipelineSnapshotResponse, name: str) -> Any:
        return getattr(self.get_settings(snapshot), name)

    # ---- Runs in progress

    def _own_job_status(self, run: PipelineRunResponse) -> JobStatus | None:
        """Tells how the job of a run's controller or function is; None if it cannot be known.

        A child pipeline runs in the job of the run at the root.
        """
        root = run_store.get_run(run.root_run_id) if run.root_run_id else run
        if root.status in run_store.WITHOUT_JOB:
            return None
        if self.controller == "client":
            alive = process_is_alive(root.run_metadata)
            if alive is None:
                return None
            return JobStatus(Phase.RUNNING) if alive else JobStatus(Phase.FAILED, LOST)
        handle = self._own_job(root)
        if handle is None:
            return None
        return next(watch_job(self.platform, handle, Clock(), seconds=SUBMISSION_SECONDS))

    def _own_job(self, run: PipelineRunResponse) -> JobHandle | None:
        """Returns the last job of a run's controller or function; None if it is not known."""
        noted = run.run_metadata.get(self.controller_metadata)
        if noted is not None:
            return str(noted)
        jobs = last_jobs(self._ask(lambda: self.platform.find(str(run.id))))
        return jobs[CONTROLLER_STEP][1] if CONTROLLER_STEP in jobs else None

    def _stop_leftovers(self, run: PipelineRunResponse, end: JobStatus) -> None:
        """Stops what a run's own job has left behind, if it did not end the run itself."""
        if end.phase is not Phase.SUCCEEDED and end.exit_code != RUN_FAILED:
            self._stop_jobs(run)

    def _jobs_of_steps(self, run: PipelineRunResponse) -> dict[str, JobStatus]:
        """Tells how the last job of each step is, as far as the platform knows it."""
        jobs = last_jobs(self._ask(lambda: self.platform.find(str(run.id))))
        handles = {step: handle for step, (_, handle) in jobs.items()}
        found = self._ask(lambda: self.platform.describe([*handles.values()]))
        # The key of an isolated step has the ID of its step run.
        names = {str(step.id): name for name, step in run.steps.items()}
        return {names.get(step, step): found[h] for step, h in handles.items() if h in found}

    def _stop_jobs(
        self, run: PipelineRunResponse, spared: JobHandle | None = None
    ) -> list[Exception]:
        """Stops the run's own job, and all others of it and of its children that have not ended.

        Args:
            run: The run.
            spared: A job that is left alone: that which asks.

        Returns:
            What the platform has refused, which is logged: that keeps no other job from being
            stopped, and no run from its end.

        Raises:
            Exception: An error that passes, if the platform or ZenML does not answer.
        """
        platform = self.platform
        # Its own first, so that it submits nothing more.
        own = None if run.root_run_id else run.run_metadata.get(self.controller_metadata)
        handles = dict.fromkeys([] if own is None else [str(own)])
        for each in (run.id, *self._ask(lambda: run_store.list_children(run.id))):
            handles |= dict.fromkeys(self._ask(partial(platform.find, str(each))).values())
        known = self._ask(lambda: platform.describe(handles)) if handles else {}
        refusals: list[Exception] = []
        for handle in handles:
            if handle == spared or (handle in known and known[handle].phase.is_terminal):
                continue
            try:
                self._ask(partial(platform.stop, handle))
            except (*platform.transient, *run_store.TRANSIENT):
                raise
            except Exception as error:
                logger.warning("A job of `%s` cannot be stopped, and goes on: %s", run.name, error)
                refusals.append(error)
        return refusals

    def _schedules(self) -> Schedules:
        platform = self.platform
        # With a controller in the client, the run ID would repeat at each firing.
        if self.controller == "client" or not isinstance(platform, Schedules):
            raise ValueError(
                "This orchestrator has no schedules: its controller lives in the client, or its "
                "platform has none. Remove the schedule, and let cron, say, call the pipeline."
            )
        return platform


class ContainerJobOrchestrator(JobOrchestrator, ContainerizedOrchestrator):
    """An orchestrator whose jobs run in images, to which ZenML brings the user's code."""

    def prebuilt_image(self) -> str | None:
        """Returns what jobs run in, if no image is to be built for them; None to let ZenML build.

        ZenML then only uploads the user's code. A `parent_image` of the user's takes its place.
        """
        return None

    def get_docker_builds(self, snapshot: PipelineSnapshotBase) -> list[BuildConfiguration]:
        """Returns the builds. One that is skipped still makes ZenML upload the code."""
        builds = super().get_docker_builds(snapshot)
        if image := self.prebuilt_image():
            for build in builds:
                update = {"skip_build": True, "parent_image": build.settings.parent_image or image}
                build.settings = build.settings.model_copy(update=update)
        return builds

    def _image_of(self, snapshot: PipelineSnapshotResponse, step: str | None) -> str | None:
        """Returns the image of a step, or that of the pipeline itself (None)."""
        if step is not None:
            return self.get_image(snapshot, step_name=step)
        try:
            return self.get_image(snapshot)
        except KeyError:
            # All steps have images of their own, and each of those has this package.
            return self.get_image(snapshot, step_name=next(iter(snapshot.step_configurations)))


@contextmanager
def submission(
    *transient: type[Exception], state: str = "Nothing was submitted."
) -> Iterator[None]:
    """Says in one way why a submission has failed. ZenML takes a schedule back then.

    Args:
        transient: What the platform raises when it does not answer.
        state: What has come of it so far.

    Raises:
        PipelineSubmissionError: In place of the errors that a user can understand.
    """
    try:
        yield
    except (*UNDERSTOOD, *transient) as error:
        raise PipelineSubmissionError(shorten(f"{state} {error}")) from error


def schedule_of(known: ScheduleResponse) -> Schedule:
    """Says when a schedule fires. ZenML stores times in UTC, with or without saying so."""
    known_fields = Schedule.model_fields.items()
    fields = {name: getattr(known, name, field.default) for name, field in known_fields}
    for name, value in fields.items():
        if isinstance(value, datetime):
            fields[name] = to_utc_timezone(value)
    # It was validated when it was made.
    return Schedule.model_construct(**fields)
