# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The contract on a stack of the owner's: `pytest --live STACK`.

All is seen through ZenML, through marks in the artifact store, and through what the orchestrator's
own platform says of its jobs. No process is looked at, and no folder is shared.
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from zenml.client import Client
from zenml.constants import ENV_ZENML_ACTIVE_STACK_ID
from zenml.utils.run_utils import stop_run

from . import beat, runs
from .harness import Harness, Job, JobPlatformHarness
from .stored_path import StoredPath, mark_path
from .timeouts import VARIABLE, scaled, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from zenml.models import PipelineRunResponse
    from zenml.pipelines.pipeline_definition import Pipeline

# By how much all time limits are multiplied, unless somebody asks for another factor: jobs may have
# to wait for machines and images.
FACTOR = 5.0

# How long jobs have to end by themselves once all tests are over, in seconds. It is scaled.
END_SECONDS = 30.0

# After how many beats that did not come a process is over. A store may take a while for one.
MISSED_BEATS = 5

# What a live run takes from the project's own harness.
TAKEN_OVER = (
    "flavor",
    "orchestrator",
    "config",
    "flavor_name",
    "distribution",
    "capabilities",
    "runs_at_a_time",
    "run_metadata",
    "live_settings",
)


class LiveHarness(JobPlatformHarness):
    """A stack that is registered, in the ZenML that the user is connected to."""

    seconds_to_notice: ClassVar[float] = 3.0
    # Nothing more than what a platform gives a job that asks for nothing.
    modest: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, project: Harness, stack: str) -> None:
        """Asks nobody yet.

        Args:
            project: The project's own harness.
            stack: The name or the ID of the stack.
        """
        vars(self).update({name: getattr(project, name) for name in TAKEN_OVER})
        self._stack = stack
        self._place: StoredPath | None = None
        self.pace = scaled(1)

    def platform(self, folder: Path) -> Any:
        """Is not called: the platform is there."""
        raise NotImplementedError

    # ---- Before and after

    def open(self) -> None:
        """Makes the stack the active one, of this process and of those that it starts.

        Raises:
            pytest.UsageError: If it is not there, or has another orchestrator.
        """
        try:
            stack = Client().get_stack(self._stack, allow_name_prefix_match=False)
        except KeyError as error:
            raise pytest.UsageError(f"--live: there is no stack `{self._stack}`: {error}") from None
        os.environ[ENV_ZENML_ACTIVE_STACK_ID] = str(stack.id)
        found = Client().active_stack
        if not isinstance(found.orchestrator, self.orchestrator):
            raise pytest.UsageError(
                f"--live: the orchestrator of stack `{self._stack}` is a "
                f"`{found.orchestrator.flavor}`. This project tests its own, "
                f"`{self.flavor_name}`: register a stack with that."
            )
        vars(self)["platform_class"] = type(cast("Any", found.orchestrator).platform)
        self._place = StoredPath(f"{found.artifact_store.path.rstrip('/')}/contract-{runs.SESSION}")

    def estimate(self, names: Collection[str], more: int) -> str:
        """Says what is going to happen, and roughly what it costs.

        Args:
            names: The shared runs that are going to be made.
            more: How many jobs there are beside them.
        """
        orchestrator: Any = Client().active_stack.orchestrator
        jobs = more + runs.jobs_of(
            names,
            isolated=self.capabilities.isolated_steps,
            controllers=getattr(orchestrator, "controller", "") == "job",
        )
        return (
            f"live: about {jobs} jobs on stack `{self._stack}` ({self.flavor_name}), of "
            f"{self.runs_at_a_time} runs at a time. None asks for CPUs, memory or GPUs, and most "
            f"work for seconds, so the cost is about {jobs} times that of your platform's smallest "
            f"job. All time limits are times {scaled(1):g}. With --collect-only nothing runs."
        )

    def clear(self) -> list[str]:
        """Stops what the tests have left running, and deletes their marks.

        Returns:
            What was left running, in words: that it is stopped now, or that it is not.
        """
        left: dict[str, str] = {}

        def look() -> bool:
            left.clear()
            for run in self._all_runs():
                if run.in_progress and not run.status.is_finished and run.status != "paused":
                    left[f"run {run.name} ({run.status.value})"] = str(run.id)
                for handle, phase in self._phases(str(run.id)).items():
                    left[f"job {handle} of run {run.name} ({phase})"] = str(run.id)
            return not left

        def has_ended() -> bool:
            with suppress(TimeoutError):
                wait_until(look, END_SECONDS, what="all jobs are to end", pause=1)
            return not left

        found: dict[str, str] = {}
        if not has_ended():
            found = dict(left)
            for run_id in {*found.values()}:
                self._stop(run_id)
            has_ended()
        if self._place is not None:
            self._place.delete()
        return [
            f"{each}: {'STILL THERE, stop it by hand' if each in left else 'stopped now'}"
            for each in {**found, **left}
        ]

    def _all_runs(self) -> list[PipelineRunResponse]:
        """Returns all runs of this test run, their children too."""
        client = Client()
        named = client.list_pipeline_runs(name=f"contains:{runs.SESSION}", size=1000).items
        known = {run.id for run in named} | {*runs.journal}
        found, parents = [], list(known)
        for run_id in parents:
            found.append(client.get_pipeline_run(run_id))
            children = client.list_pipeline_runs(parent_run_id=run_id, size=1000).items
            parents += [run.id for run in children if run.id not in parents]
        return found

    def _stop(self, run_id: str) -> None:
        """Stops a run, and each of its jobs, whatever becomes of it."""
        try:
            stop_run(Client().get_pipeline_run(run_id), graceful=False)
        except Exception as error:  # It may have ended; its jobs matter more.
            print(f"Run {run_id} could not be stopped: {error}")
        for handle in self._phases(run_id):
            self._ask("stop", handle)

    def _phases(self, run_id: str) -> dict[str, str]:
        """Returns the jobs of a run that have not ended, and how they are."""
        handles = [*self._ask("find", run_id).values()]
        found = self._ask("describe", handles) if handles else {}
        return {
            handle: status.phase.value
            for handle, status in found.items()
            if not status.phase.is_terminal
        }

    def _ask(self, function: str, *arguments: Any) -> Any:
        """Asks the platform, as the engine does, until it answers."""
        platform = cast("Any", Client().active_stack.orchestrator).platform
        retry = importlib.import_module(f"{self.package}.engine.clock").call_with_retries
        ask: Callable[..., Any] = getattr(platform, function)
        return retry(lambda: ask(*arguments), platform.transient, seconds=scaled(60))

    # ---- Runs

    def submit(self, pipeline: Pipeline, *args: Any, **kwargs: Any) -> None:
        """Runs a pipeline as a user does, to its end. Its steps have the same time limits."""
        settings = {"orchestrator": {"synchronous": True}, **self.live_settings}
        factor = {VARIABLE: f"{scaled(1):g}"}
        pipeline.with_options(settings=settings, environment=factor)(*args, **kwargs)

    def jobs(self, run: PipelineRunResponse) -> list[Job]:
        """Lists the jobs that the platform has of a run. What they were given is not to be seen."""
        found = self._ask("find", str(run.id))
        return [Job(key.step, "", {}, handle=handle) for key, handle in found.items()]

    @contextmanager
    def recorded(self, folder: Path) -> Iterator[None]:
        """Is not called: nothing is noted."""
        raise NotImplementedError

    # ---- Marks

    def place_for_marks(self, folder: Path) -> StoredPath:
        """Returns a place in the artifact store."""
        assert self._place is not None
        return self._place

    def living(self, pids: Path | StoredPath) -> list[Any]:
        """Lists those of the noted processes that still give signs of life."""
        marks = [mark_path(line) for line in pids.read_text().splitlines()]
        before = [mark.read_text() for mark in marks]
        time.sleep(MISSED_BEATS * beat.EVERY_SECONDS)
        return [
            mark.name for mark, sign in zip(marks, before, strict=True) if mark.read_text() != sign
        ]

    def end(self, run: PipelineRunResponse, pids: Path | StoredPath) -> None:
        """Stops the jobs of a run that could not be stopped."""
        self._stop(str(run.id))
