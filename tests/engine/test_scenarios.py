"""The simulated platform is held against the real ones: it tells the same stories.

The same scenarios are part of each project's contract, where they are played on its own platform.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import simulation
from engine.controller import StopRequest
from engine.protocols import JobStatus, Phase
from kit.scenarios import GRACE_SECONDS, SCENARIOS, Script, Stage
from simulation import Ending, ViolationError, World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from engine.protocols import JobKey, JobSpec
    from simulation import SimulatedJob, SimulatedPlatform

# What waits for ever, or works for ever, in seconds.
FOR_EVER = 1e9

# How much time passes between two looks, and at most, in seconds of virtual time.
LOOK_SECONDS = 0.1
LONGEST = 600.0

# The kinds of platforms that there are.
KINDS: dict[str, dict[str, Any]] = {
    "polled": {},
    "watched": {"watched": True},
    "late": {"unknown_seconds": 20.0, "stale_seconds": 5.0},
    "unreliable": {"lost_answers": 0.3, "refused_requests": 0.3},
}


class SimulatedStage(Stage):
    """A simulated platform and ZenML in virtual time."""

    run = simulation.RUN

    def __init__(self, kind: str) -> None:
        self.endings: dict[str, tuple[Ending, ...]] = {}
        scenario = simulation.Scenario(
            upstream={"first": (), "second": ()},
            retries={"first": 1},
            endings=self.endings,
            grace_seconds=GRACE_SECONDS,
            **KINDS[kind],
        )
        self.world = World(scenario, 1)
        self.clock, self.store = self.world, self.world.zenml
        super().__init__("engine")

    def platform(self) -> SimulatedPlatform:
        return copy.copy(self.world.platform)

    def direct(self, upstream: Mapping[str, Any], retries: Mapping[str, int]) -> None:
        self.world.scenario = replace(self.world.scenario, upstream=upstream, retries=retries)
        super().direct(upstream, retries)

    def job(self, key: JobKey, script: Script) -> JobSpec:
        self.note(key, ending_of(script))
        return replace(simulation.job_spec(key.step, key.attempt), key=key)

    def note(self, key: JobKey, ending: Ending) -> None:
        before = self.endings.get(key.step, ())[: key.attempt - 1]
        self.endings[key.step] = (*before, ending)

    def said(self) -> list[str]:
        lines = (line[9:].strip() for line in self.world.story)
        words = ("begins", "reports completed", "reports failed", "hears SIGTERM")
        return [line.removeprefix(f"{self.run}/") for line in lines if line.endswith(words)]

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = self.world.time + LONGEST
        while not condition():
            self.world.pass_by(LOOK_SECONDS)
            if self.world.time > end:
                raise TimeoutError(what)

    def of(self, job: str) -> SimulatedJob:
        return self.world.platform.jobs[f"{self.run}/{job}"]

    def let_go(self, job: str) -> None:
        self.world.platform._finish(self.of(job))  # noqa: SLF001

    def kill(self, job: str) -> None:
        self.end(f"{self.run}/{job}", "die")

    def end(self, handle: str, what: str) -> None:
        job = self.world.platform.jobs[handle]
        job.ending = replace(job.ending, what=what)
        self.world.platform._finish(job)  # noqa: SLF001

    def ask_for_stop(self, *, forced: bool) -> None:
        self.store.stop = StopRequest.FORCED if forced else StopRequest.GRACEFUL

    def step_statuses(self) -> Mapping[str, str]:
        return {name: runs[-1].status for name, runs in self.store.steps.items()}

    def run_status(self) -> str:
        return str(self.store.status)

    def cache(self, step: str) -> None:
        self.world.scenario = replace(self.world.scenario, cached=frozenset({step}))

    @contextmanager
    def crowded_out(self, job: JobSpec) -> Iterator[JobSpec]:
        self.note(job.key, Ending(pending=FOR_EVER))
        yield job
        if str(job.key) in self.world.platform.jobs:
            self.world.platform._run(self.world.platform.jobs[str(job.key)])  # noqa: SLF001

    @contextmanager
    def hopeless(self, job: JobSpec) -> Iterator[JobSpec]:
        self.note(job.key, Ending(what="hopeless"))
        yield job

    def refused(self, job: JobSpec) -> JobSpec:
        self.note(job.key, Ending(what="refused"))
        return job

    def preempt(self, handle: str) -> None:
        platform = self.world.platform
        platform._become(platform.jobs[handle], simulation.TAKEN_AWAY)  # noqa: SLF001

    def lose(self, handle: str) -> None:
        self.end(handle, "vanish")


def ending_of(script: Script) -> Ending:
    """Says in the simulation's words how a script goes."""
    if script.report == "completed":
        what = "late" if script.exit_code else "succeed"
    else:
        what = "fail" if script.report else "leave"
    seconds = FOR_EVER if script.waits else 1.0
    return Ending(1.0, seconds, what, script.exit_code, script.ignores_sigterm)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, scenario in SCENARIOS.items()
        for kind in KINDS
        if kind == "watched" or "watch" not in scenario.needs
    ],
)
def test_the_simulated_platform_tells_the_same_story(name: str, kind: str) -> None:
    stage = SimulatedStage(kind)
    SCENARIOS[name].play(stage)
    assert stage.story == SCENARIOS[name].story


# ---- Platforms with one method wrong, and the scenarios that find them


class StartsAgainAfterTheEnd(simulation.SimulatedPlatform):
    """Forgets a key when its job has ended."""

    def submit(self, job: JobSpec) -> str:
        found = self.jobs.get(str(job.key))
        if found is not None and found.status.phase.is_terminal:
            del self.jobs[found.handle]
        return super().submit(job)


class GivesAllAttemptsOneJob(simulation.SimulatedPlatform):
    """Leaves the attempt out of the key."""

    def submit(self, job: JobSpec) -> str:
        return super().submit(replace(job, key=job.key._replace(attempt=1)))


class FindsTheJobsOfAllRuns(simulation.SimulatedPlatform):
    """Does not look at the run."""

    def find(self, run: str) -> Mapping[JobKey, str]:
        return {job.key: handle for handle, job in self.jobs.items()}


class TakesTheUnknownForFailed(simulation.SimulatedPlatform):
    """Leaves nothing out."""

    def describe(self, handles: Collection[str]) -> Mapping[str, JobStatus]:
        return {**dict.fromkeys(handles, JobStatus(Phase.FAILED)), **super().describe(handles)}


class KillsAtOnce(simulation.SimulatedPlatform):
    """Does not send SIGTERM."""

    def stop(self, handle: str) -> None:
        self._end_stopped(self.jobs[handle])


class RaisesForWhatHasEnded(simulation.SimulatedPlatform):
    """Does not take a stop that comes too late."""

    def stop(self, handle: str) -> None:
        if self.jobs[handle].status.phase.is_terminal:
            raise ProcessLookupError
        super().stop(handle)


class HasNoReason(simulation.SimulatedPlatform):
    """Does not say why a job waits."""

    def describe(self, handles: Collection[str]) -> Mapping[str, JobStatus]:
        found = super().describe(handles)
        return {handle: replace(status, reason="") for handle, status in found.items()}


class LosesExitCodes(simulation.SimulatedPlatform):
    """Says only that a job has failed."""

    def describe(self, handles: Collection[str]) -> Mapping[str, JobStatus]:
        found = super().describe(handles)
        return {handle: replace(status, exit_code=None) for handle, status in found.items()}


@pytest.mark.parametrize(
    ("faulty", "name"),
    [
        (StartsAgainAfterTheEnd, "it_is_submitted_twice"),
        (GivesAllAttemptsOneJob, "it_is_tried_again"),
        (FindsTheJobsOfAllRuns, "there_are_two_runs"),
        (TakesTheUnknownForFailed, "many_are_described_at_once"),
        (KillsAtOnce, "it_obeys_a_stop"),
        (RaisesForWhatHasEnded, "it_is_stopped_after_its_end"),
        (HasNoReason, "it_waits_for_a_machine"),
        (LosesExitCodes, "it_is_killed"),
    ],
)
def test_a_faulty_platform_tells_another_story(
    faulty: type[simulation.SimulatedPlatform], name: str
) -> None:
    stage = SimulatedStage("polled")
    stage.world.platform.__class__ = faulty
    stage.current = stage.platform()
    try:
        SCENARIOS[name].play(stage)
    except (TimeoutError, ProcessLookupError, ViolationError):
        return
    assert stage.story != SCENARIOS[name].story
