"""A platform and a ZenML in virtual time, on which the engine's controller runs as it is.

One `World` is one run: its DAG, its clock, what happens to it, and the story of what happened. All
that is random comes from one seed, so a run can be repeated.
"""

from __future__ import annotations

import heapq
import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from engine.controller import Controller, Plan
from engine.protocols import JobKey, JobRefused, JobSpec, JobStatus, Phase, Role
from engine.run_store import StepRecord, StopRequest
from zenml.config import ResourceSettings
from zenml.config.base_settings import BaseSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from engine.protocols import JobHandle

RUN = "run"
SETTINGS = BaseSettings()
RESOURCES = ResourceSettings()

# The status of a job that was preempted.
TAKEN_AWAY = JobStatus(Phase.FAILED, "its machine was taken away", preempted=True)

# How long a run may go on after its last fault, in seconds of virtual time.
LONGEST_RUN = 24 * 3600.0

# How many calls a controller may make at all: more than any run needs.
MOST_CALLS = 100_000


class PlatformAwayError(Exception):
    """The simulated platform does not answer."""


class ZenMLAwayError(Exception):
    """The simulated ZenML does not answer."""


class KilledError(BaseException):
    """The controller's process is killed."""


class ViolationError(AssertionError):
    """An invariant does not hold."""


# ---- What happens in a run -----------------------------------------------------------------------


@dataclass(frozen=True)
class Ending:
    """How one attempt of a step goes.

    Attributes:
        pending: How long its job waits for a machine, in seconds.
        seconds: How long its process works.
        what: `succeed`; `fail` (reported to ZenML); `die` (killed, so that nobody reports it);
            `leave` (exit code 0 without a report); `preempted` (before it begins); `vanish` (its
            job is lost while it works); `refused` (the platform never takes it); `hopeless` (it
            waits for what cannot come); `late` (it succeeds, but its process dies afterwards).
        exit_code: How its process ends if it fails.
        ignores_sigterm: Whether it ends only when it is killed, after its grace period.
    """

    pending: float = 1.0
    seconds: float = 5.0
    what: str = "succeed"
    exit_code: int = 1
    ignores_sigterm: bool = False


@dataclass(frozen=True)
class Scenario:
    """One run, and what happens to it.

    Attributes:
        upstream: The DAG.
        mode: The execution mode.
        endings: How the attempts of each step go; the last one is for all further attempts.
        retries: How often each step is tried again.
        max_parallelism: How many jobs at the same time.
        watched: Whether the platform reports changes, instead of being polled.
        lost_answers: The share of submissions whose answer is lost.
        refused_requests: The share of requests that the platform does not answer.
        unknown_seconds: How long the platform does not know a job that it has accepted.
        stale_seconds: How old a status may be that the platform tells.
        platform_away: When the platform does not answer, from and to, in seconds.
        zenml_away: When ZenML does not answer.
        zenml_lost_at: At which call of the controller, from 0, ZenML goes away for an hour.
        zenml_answer_lost: Whether that call still has its effect, and only the answer is lost.
        kills: After how many calls of the controller it is killed, each counted from its start.
        stop_at: When the run is to be stopped.
        forced: Whether by force.
        cached: The steps that have an earlier result.
        grace_seconds: How long a job takes to end that is asked to.
        faults_until: When faults at random end.
    """

    upstream: Mapping[str, Collection[str]]
    mode: ExecutionMode = ExecutionMode.CONTINUE_ON_FAILURE
    endings: Mapping[str, tuple[Ending, ...]] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)
    max_parallelism: int | None = None
    watched: bool = False
    lost_answers: float = 0.0
    refused_requests: float = 0.0
    unknown_seconds: float = 0.0
    stale_seconds: float = 0.0
    platform_away: tuple[float, float] | None = None
    zenml_away: tuple[float, float] | None = None
    zenml_lost_at: int | None = None
    zenml_answer_lost: bool = False
    kills: tuple[int, ...] = ()
    stop_at: float | None = None
    forced: bool = False
    cached: frozenset[str] = frozenset()
    grace_seconds: float = 2.0
    faults_until: float = 3600.0


# ---- The world -----------------------------------------------------------------------------------


class World:
    """Virtual time, in which things happen at their moments. It is the controller's clock too."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        """Begins at the time 0.

        Args:
            scenario: What happens.
            seed: Where all that is random comes from.
        """
        self.scenario = scenario
        self.random = Random(seed)
        self.time = 0.0
        self.story: list[str] = []
        self.calls = 0
        self.kill_after: int | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._woken = False
        self.zenml = SimulatedZenML(self)
        self.platform: SimulatedPlatform = (
            WatchedPlatform(self) if scenario.watched else SimulatedPlatform(self)
        )

    def tell(self, what: str) -> None:
        """Adds a line to the story."""
        self.story.append(f"{self.time:9.2f}  {what}")

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        """Lets something happen after so many seconds."""
        heapq.heappush(self._events, (self.time + seconds, next(self._numbers), do))

    def now(self) -> float:
        """Returns the time."""
        return self.time

    def wake(self) -> None:
        """Ends the present wait of the controller, or the next."""
        self._woken = True

    def wait(self, seconds: float) -> None:
        """Lets time pass, until the controller is woken."""
        self.count_call()
        end = self.time + seconds
        while not self._woken and self._events and self._events[0][0] <= end:
            self.time, _, do = heapq.heappop(self._events)
            do()
        if not self._woken:
            self.time = end
        self._woken = False
        if self.time > LONGEST_RUN:
            raise ViolationError("the run does not end")

    def pass_by(self, seconds: float) -> None:
        """Lets time pass while there is no controller."""
        end = self.time + seconds
        while self._events and self._events[0][0] <= end:
            self.time, _, do = heapq.heappop(self._events)
            do()
        self.time = end

    def count_call(self) -> None:
        """Counts a call of the controller, which may be its last."""
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise ViolationError("the run does not end, and calls without end are made")
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                self.kill_after = None
                raise KilledError

    def is_faulty(self, share: float) -> bool:
        """Tells whether a fault that comes at random comes now."""
        return self.time < self.scenario.faults_until and self.random.random() < share

    def is_away(self, window: tuple[float, float] | None) -> bool:
        """Tells whether the time is within a window."""
        return window is not None and window[0] <= self.time < window[1]


@dataclass
class SimulatedStepRun:
    """A step run in ZenML."""

    attempt: int
    status: str = "running"  # running, completed, failed, stopped, cached


class SimulatedZenML:
    """ZenML, as the controller (`ZenMLRun`) and the processes of steps see it."""

    transient = (ZenMLAwayError,)

    def __init__(self, world: World) -> None:
        """Knows of nothing yet."""
        self._world = world
        self.steps: dict[str, list[SimulatedStepRun]] = {}
        self.status = "running"
        self.stop = StopRequest.NONE
        self.unstarted: set[str] = set()
        self.calls = 0

    @contextmanager
    def _asked(self) -> Iterator[None]:
        world = self._world
        world.count_call()
        is_lost = self.calls == world.scenario.zenml_lost_at
        self.calls += 1
        if is_lost:
            away = world.time, world.time + 3600.0
            world.scenario = replace(world.scenario, zenml_away=away)
        if world.is_away(world.scenario.zenml_away) and not (
            is_lost and world.scenario.zenml_answer_lost
        ):
            raise ZenMLAwayError("ZenML is away")
        yield
        if is_lost:
            raise ZenMLAwayError("the answer is lost")
        world.count_call()

    def stop_request(self) -> StopRequest:
        with self._asked():
            return self.stop

    def step_records(self) -> Mapping[str, StepRecord]:
        with self._asked():
            return {name: record_of(runs) for name, runs in self.steps.items()}

    def step_record(self, name: str) -> StepRecord:
        with self._asked():
            return record_of(self.steps.get(name, []))

    def reuse_cached(self, name: str) -> bool:
        with self._asked():
            if name not in self._world.scenario.cached:
                return False
            if not self.succeeded(name):
                self.steps[name] = [SimulatedStepRun(0, "cached")]
            return True

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        with self._asked():
            runs = self.steps.get(name, [])
            if runs and runs[-1].status == "running":
                runs[-1].status = "stopped" if stopped else "failed"
                self._world.tell(f"ZenML is told that {name} is {runs[-1].status}: {cause}")
            elif not runs and not stopped:
                self.steps[name] = [SimulatedStepRun(0, "failed")]
                self.unstarted.add(name)
                self._world.tell(f"ZenML is told that {name} failed unstarted: {cause}")
            return cause

    def end_run(self, reason: str, *, failed: bool) -> None:
        with self._asked():
            for runs in self.steps.values():
                for run in runs:
                    if run.status == "running":
                        run.status = "failed" if failed else "stopped"
            self.status = "failed" if failed else "stopped"
            self._world.tell(f"ZenML is told that the run {self.status}: {reason}")

    # What the processes of steps say

    def succeeded(self, name: str) -> bool:
        """Tells whether a step has succeeded."""
        return any(run.status in ("completed", "cached") for run in self.steps.get(name, []))

    def begin(self, name: str, attempt: int) -> SimulatedStepRun | None:
        """Creates the step run of an attempt; None if the run is being stopped."""
        if self.stop is not StopRequest.NONE:
            return None
        if missing := [up for up in self._world.scenario.upstream[name] if not self.succeeded(up)]:
            raise ViolationError(f"{name} begins before {missing} have succeeded")
        runs = self.steps.setdefault(name, [])
        if any(run.status == "running" for run in runs):
            raise ViolationError(f"two attempts of {name} are in progress")
        if self.succeeded(name):
            raise ViolationError(f"{name} begins again though it has succeeded")
        if any(run.attempt == attempt for run in runs):
            raise ViolationError(f"attempt {attempt} of {name} begins twice")
        allowed = self._world.scenario.retries.get(name, 0) + 1
        if len(runs) >= allowed:
            raise ViolationError(f"{name} begins more than {allowed} times")
        runs.append(SimulatedStepRun(attempt))
        return runs[-1]


def record_of(runs: list[SimulatedStepRun]) -> StepRecord:
    """Says what the attempts of a step come to."""
    return StepRecord(len(runs), any(run.status in ("completed", "cached") for run in runs))


@dataclass
class SimulatedJob:
    """A job of the simulated platform.

    Attributes:
        handle: What the platform calls it.
        key: Its key.
        ending: How it goes.
        history: Its statuses, with the times from which they hold.
        known_from: When the platform finds it first.
        run: Its step run in ZenML, once it has begun.
        stopping: Whether it was asked to stop.
        gone: Whether the platform does not know it any more.
    """

    handle: str
    key: JobKey
    ending: Ending
    history: list[tuple[float, JobStatus]]
    known_from: float
    run: SimulatedStepRun | None = None
    stopping: bool = False
    gone: bool = False

    @property
    def status(self) -> JobStatus:
        """How it really is."""
        return self.history[-1][1]


class SimulatedPlatform:
    """A platform whose jobs live in virtual time (`JobPlatform`)."""

    transient = (PlatformAwayError,)
    poll_seconds = 5.0
    unknown_seconds = 60.0

    def __init__(self, world: World) -> None:
        """Has no jobs yet."""
        self._world = world
        self.jobs: dict[str, SimulatedJob] = {}
        self.submissions = 0
        self.asked: dict[str, set[int]] = {}

    def _ask(self) -> None:
        self._world.count_call()
        scenario = self._world.scenario
        if self._world.is_away(scenario.platform_away) or self._world.is_faulty(
            scenario.refused_requests
        ):
            raise PlatformAwayError("the platform is away")

    def validate(self, job: JobSpec) -> None:
        """Takes every job."""

    def submit(self, job: JobSpec) -> JobHandle:
        self._ask()
        self.submissions += 1
        self.asked.setdefault(job.name, set()).add(job.key.attempt)
        handle = str(job.key)
        if handle not in self.jobs:
            endings = self._world.scenario.endings.get(job.name, (Ending(),))
            ending = endings[min(job.key.attempt, len(endings)) - 1]
            if job.key.attempt > len(endings) and ending.what == "preempted":
                ending = replace(ending, what="succeed")  # Faults end.
            if ending.what == "refused":
                raise JobRefused("it is refused")
            self._create(handle, job.key, ending)
        if self._world.is_faulty(self._world.scenario.lost_answers):
            self._world.tell(f"the answer to the submission of {job.name} is lost")
            raise PlatformAwayError("the answer is lost")
        self._world.count_call()
        return handle

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        self._ask()
        told = self._world.time - self._world.random.uniform(0, self._world.scenario.stale_seconds)
        found = {}
        for handle in handles:
            job = self.jobs.get(handle)
            if job is None or job.gone or job.known_from > self._world.time:
                continue
            found[handle] = [status for since, status in job.history if since <= told][-1:] or [
                job.history[0][1]
            ]
        self._world.count_call()
        return {handle: statuses[0] for handle, statuses in found.items()}

    def stop(self, handle: JobHandle) -> None:
        self._ask()
        job = self.jobs.get(handle)
        if job is not None and not (job.stopping or job.status.phase.is_terminal):
            job.stopping = True
            self._world.tell(f"{handle} is asked to stop")
            if job.run is not None:
                self._world.tell(f"{handle} hears SIGTERM")
            grace = self._world.scenario.grace_seconds
            needed = grace if job.ending.ignores_sigterm else self._world.random.uniform(0, grace)
            self._world.at(needed, lambda: self._end_stopped(job))
        self._world.count_call()

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        self._ask()
        job = self.jobs.get(handle)
        if job is None or job.run is None:
            return
        yield f"the first line of {job.key.step}/{job.key.attempt}"
        while follow and not job.status.phase.is_terminal:
            self._world.pass_by(1.0)
        if job.status.phase is Phase.SUCCEEDED:
            yield f"the last line of {job.key.step}/{job.key.attempt}"

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        self._ask()
        found = {
            job.key: handle
            for handle, job in self.jobs.items()
            if job.key.run == run and not job.gone and job.known_from <= self._world.time
        }
        self._world.count_call()
        return found

    def current_job(self) -> JobHandle | None:
        return None

    # The life of a job

    def _create(self, handle: str, key: JobKey, ending: Ending) -> None:
        world = self._world
        for other in self.jobs.values():
            if other.key.step == key.step and not other.status.phase.is_terminal:
                raise ViolationError(f"{handle} is started while {other.handle} is in progress")
        if world.zenml.status != "running":
            raise ViolationError(f"{handle} is started after the end of the run")
        pending = JobStatus(Phase.PENDING, "waits for a machine")
        known = world.time + world.random.uniform(0, world.scenario.unknown_seconds)
        job = SimulatedJob(handle, key, ending, [(world.time, pending)], known)
        self.jobs[handle] = job
        world.tell(f"{handle} is created")
        if ending.what == "hopeless":
            hopeless = JobStatus(Phase.PENDING, "waits for what cannot come", hopeless=True)
            world.at(ending.pending, lambda: self._become(job, hopeless))
        elif ending.what == "preempted":
            world.at(ending.pending, lambda: self._become(job, TAKEN_AWAY))
        else:
            world.at(ending.pending, lambda: self._run(job))

    def _become(self, job: SimulatedJob, status: JobStatus) -> None:
        if job.status.phase.is_terminal:
            return
        job.history.append((self._world.time, status))
        self._world.tell(f"{job.handle} is {status.phase.value} {status.reason}".rstrip())
        self.changed(job)

    def changed(self, job: SimulatedJob) -> None:
        """Is told that a job has changed."""

    def _run(self, job: SimulatedJob) -> None:
        if job.status.phase is not Phase.PENDING:
            return
        self._become(job, JobStatus(Phase.RUNNING))
        self._begin(job)

    def _begin(self, job: SimulatedJob) -> None:
        """Is the job's process, as it reports to ZenML that it begins, for as long as it takes."""
        if job.status.phase.is_terminal:
            return
        if self._world.is_away(self._world.scenario.zenml_away):
            self._world.at(5.0, lambda: self._begin(job))
            return
        job.run = self._world.zenml.begin(job.key.step, job.key.attempt)
        if job.run is None:  # The run is being stopped: no step begins any more.
            self._become(job, JobStatus(Phase.FAILED, exit_code=1))
            return
        self._world.tell(f"{job.handle} begins")
        self._world.at(job.ending.seconds, lambda: self._finish(job))

    def _finish(self, job: SimulatedJob) -> None:
        """Is the job's process at its end."""
        if job.status.phase.is_terminal:
            return
        what = job.ending.what
        if what in ("succeed", "fail", "late"):
            if self._world.is_away(self._world.scenario.zenml_away):
                self._world.at(5.0, lambda: self._finish(job))
                return
            assert job.run is not None
            if job.run.status == "running":
                job.run.status = "failed" if what == "fail" else "completed"
                self._world.tell(f"{job.handle} reports {job.run.status}")
        if what == "vanish":
            job.history.append((self._world.time, JobStatus(Phase.FAILED, "lost")))
            job.gone = True
            self._world.tell(f"{job.handle} vanishes")
            self.changed(job)
            return
        end = {
            "succeed": JobStatus(Phase.SUCCEEDED, exit_code=0),
            "leave": JobStatus(Phase.SUCCEEDED, exit_code=0),
            "fail": JobStatus(Phase.FAILED, exit_code=job.ending.exit_code),
            "late": JobStatus(Phase.FAILED, exit_code=137),
        }.get(what, JobStatus(Phase.FAILED, exit_code=137))
        self._become(job, end)

    def _end_stopped(self, job: SimulatedJob) -> None:
        away = self._world.is_away(self._world.scenario.zenml_away)
        hears_the_signal = self._world.random.random() < 0.5 and not away
        if hears_the_signal and job.run is not None and job.run.status == "running":
            job.run.status = "stopped"
        self._become(job, JobStatus(Phase.STOPPED))


class WatchedPlatform(SimulatedPlatform):
    """The same, which reports changes (`Watches`), some of them late."""

    poll_seconds = 30.0

    def __init__(self, world: World) -> None:
        """Has no jobs, and nobody who is to be told."""
        super().__init__(world)
        self._told: list[Callable[[JobHandle | None], None]] = []

    @contextmanager
    def watch(self, run: str, changed: Callable[[JobHandle | None], None]) -> Iterator[None]:
        self._ask()
        self._told.append(changed)
        try:
            yield
        finally:
            self._told.remove(changed)

    def changed(self, job: SimulatedJob) -> None:
        for told in list(self._told):
            self._world.at(self._world.random.uniform(0, 0.2), lambda told=told: told(job.handle))


# ---- A run ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What became of a run.

    Attributes:
        world: The world in which it ran.
        succeeded: What the controller returned.
    """

    world: World
    succeeded: bool

    @property
    def status(self) -> str:
        """The status of the run in ZenML."""
        return self.world.zenml.status if self.world.zenml.status != "running" else "completed"


ControllerClass = type[Controller]


def simulate(
    scenario: Scenario, seed: int = 0, controller_class: ControllerClass = Controller
) -> Result:
    """Runs a scenario to its end, and checks the invariants.

    Args:
        scenario: What happens.
        seed: Where all that is random comes from.
        controller_class: The controller.

    Raises:
        ViolationError: If an invariant does not hold. Its text has the story.
    """
    world = World(scenario, seed)
    try:
        return run_in(world, controller_class)
    except ViolationError as violation:
        story = "\n".join(world.story[-60:])
        raise ViolationError(f"{violation}\nseed {seed}, {scenario}\n{story}") from violation


def run_in(world: World, controller_class: ControllerClass) -> Result:
    """Runs controllers, one after the other, until one comes to the end of the run."""
    scenario = world.scenario
    plan = Plan(
        run=RUN,
        upstream=scenario.upstream,
        retries={
            name: StepRetryConfig(max_retries=count, delay=3, backoff=2)
            for name, count in scenario.retries.items()
        },
        mode=scenario.mode,
        max_parallelism=scenario.max_parallelism,
    )
    if scenario.stop_at is not None:
        world.at(scenario.stop_at, lambda: stop(world))
    kills = list(scenario.kills)
    while True:
        world.kill_after = kills.pop(0) if kills else None
        controller = controller_class(plan, world.platform, world.zenml, world, job_spec)
        try:
            # One whose run was told to have failed does not begin: see `ControllerEntrypoint`.
            succeeded = world.zenml.status != "failed" and controller.run()
        except KilledError:
            world.kill_after = None
            world.tell("the controller is killed")
            world.pass_by(world.random.uniform(0.1, 20.0))
            continue
        world.tell("the controller returns")
        check_end(world, succeeded=succeeded)
        return Result(world, succeeded)


def stop(world: World) -> None:
    """Asks for the run to be stopped, as a user does."""
    if world.is_away(world.scenario.zenml_away):
        world.at(5.0, lambda: stop(world))
        return
    world.zenml.stop = StopRequest.FORCED if world.scenario.forced else StopRequest.GRACEFUL
    world.tell(f"a user asks for a {world.zenml.stop.value} stop")


def job_spec(name: str, attempt: int) -> JobSpec:
    """Makes the job of a step."""
    return JobSpec(
        key=JobKey(RUN, name, attempt),
        role=Role.STEP,
        name=name,
        image=None,
        command=(),
        environment={"RUN_ID": RUN},
        resources=RESOURCES,
        settings=SETTINGS,
    )


# ---- Invariants ----------------------------------------------------------------------------------


def check_end(world: World, *, succeeded: bool) -> None:
    """Checks what must hold when a controller has come to the end of the run."""
    scenario, zenml = world.scenario, world.zenml
    status = zenml.status if zenml.status != "running" else "completed"
    left = [job.handle for job in world.platform.jobs.values() if not is_over(job)]
    if left:
        raise ViolationError(f"the run has ended, and {left} go on")
    open_steps = [
        name for name, runs in zenml.steps.items() if any(r.status == "running" for r in runs)
    ]
    if open_steps:
        raise ViolationError(f"the run has ended, and ZenML has {open_steps} as running")
    done = {name for name in scenario.upstream if zenml.succeeded(name)}
    failed = {
        name
        for name, runs in zenml.steps.items()
        if name not in done and runs and runs[-1].status == "failed"
    }
    if zenml.stop is StopRequest.NONE:
        expected = "completed" if done == set(scenario.upstream) else "failed"
        if status != expected:
            raise ViolationError(f"the run is {status}, and should be {expected}")
        if status == "failed" and not failed:
            raise ViolationError("the run failed, though no step did")
    elif status == "completed" and done != set(scenario.upstream):
        raise ViolationError("the run was stopped and is completed")
    if succeeded is (status == "failed"):
        raise ViolationError(f"the controller says {succeeded}, and ZenML {status}")
    if zenml.stop is StopRequest.NONE and scenario.mode is ExecutionMode.CONTINUE_ON_FAILURE:
        check_nothing_is_left(world, done, failed)
    allowed = bound_of_calls(world)
    if world.calls > allowed:
        raise ViolationError(f"{world.calls} calls were made, and {allowed:.0f} would do")


def check_nothing_is_left(world: World, done: set[str], failed: set[str]) -> None:
    """Checks that a run that goes on after failures has tried all that it could."""
    for name in failed:
        # After a restart, it cannot be told whether the attempt that never began was the one that
        # was taken away, or a later one.
        if world.scenario.kills and name in world.zenml.unstarted and was_preempted(world, name):
            continue
        if tries_of(world, name) <= world.scenario.retries.get(name, 0):
            raise ViolationError(f"{name} had another try left")
    for name, upstream in world.scenario.upstream.items():
        if name not in world.zenml.steps and set(upstream) <= done:
            raise ViolationError(f"{name} was never run")


def tries_of(world: World, name: str) -> int:
    """Counts the attempts of a step, without those that were taken away before they began."""
    jobs = (world.platform.jobs.get(str(JobKey(RUN, name, n))) for n in world.platform.asked[name])
    return sum(job is None or not job.status.preempted for job in jobs)


def was_preempted(world: World, name: str) -> bool:
    """Tells whether a job of a step was taken away."""
    jobs = world.platform.jobs.values()
    return any(job.status.preempted for job in jobs if job.key.step == name)


def is_over(job: SimulatedJob) -> bool:
    """Tells whether a job has ended."""
    return job.gone or job.status.phase.is_terminal


def bound_of_calls(world: World) -> float:
    """Says how many calls a run may make: some for each job, and some for each second."""
    controllers = len(world.scenario.kills) + 1
    return (
        60 * controllers
        + 40 * (len(world.platform.jobs) + world.platform.submissions)
        + (8 * world.time)
    )


# ---- Scenarios at random -------------------------------------------------------------------------

ENDINGS = ("fail", "die", "leave", "preempted", "vanish", "refused", "hopeless", "late")


def random_scenario(seed: int) -> Scenario:
    """Makes up a run, and what happens to it."""
    random = Random(f"scenario {seed}")
    names = [f"s{number}" for number in range(random.randint(1, 9))]
    upstream = {
        name: tuple(random.sample(names[:place], min(place, random.choice((0, 1, 1, 2)))))
        for place, name in enumerate(names)
    }

    # Now and then attempts fail one after the other, each in its own way.
    share = random.choice((0.2, 0.2, 0.2, 0.8))

    def ending() -> Ending:
        what = random.choice(ENDINGS) if random.random() < share else "succeed"
        deaf = random.random() < 0.3
        return Ending(random.uniform(0.1, 10), random.uniform(0.1, 60), what, ignores_sigterm=deaf)

    def window(share: float) -> tuple[float, float] | None:
        if random.random() > share:
            return None
        begin = random.uniform(0, 60)
        return begin, begin + random.choice((5.0, 60.0, 3600.0))

    calm = random.random() < 0.3
    return Scenario(
        upstream=upstream,
        mode=random.choice(list(ExecutionMode)),
        endings={name: tuple(ending() for _ in range(random.randint(1, 5))) for name in names},
        retries={name: random.randint(1, 3) for name in names if random.random() < 0.4},
        max_parallelism=random.choice((None, None, 1, 2)),
        watched=random.random() < 0.5,
        lost_answers=0.0 if calm else random.choice((0.0, 0.1, 0.5)),
        refused_requests=0.0 if calm else random.choice((0.0, 0.1, 0.3)),
        unknown_seconds=random.choice((0.0, 0.0, 3.0, 20.0)),
        stale_seconds=random.choice((0.0, 0.0, 2.0, 15.0)),
        platform_away=window(0.15),
        zenml_away=window(0.15),
        kills=tuple(
            random.randint(0, 80) for _ in range(0 if calm else random.choice((0, 0, 1, 2, 4)))
        ),
        stop_at=random.uniform(0, 120) if random.random() < 0.25 else None,
        forced=random.random() < 0.5,
        cached=frozenset(name for name in names if random.random() < 0.05),
        grace_seconds=random.uniform(0.1, 10),
    )


def simplify(scenario: Scenario) -> Iterator[Scenario]:
    """Makes simpler scenarios of one, for a violation to be shown by the simplest."""
    last = list(scenario.upstream)[-1]
    if len(scenario.upstream) > 1:
        yield replace(
            scenario,
            upstream={n: ups for n, ups in scenario.upstream.items() if n != last},
            cached=scenario.cached - {last},
            endings={n: e for n, e in scenario.endings.items() if n != last},
            retries={n: r for n, r in scenario.retries.items() if n != last},
        )
    for name, value in (
        ("lost_answers", 0.0),
        ("refused_requests", 0.0),
        ("unknown_seconds", 0.0),
        ("stale_seconds", 0.0),
        ("platform_away", None),
        ("zenml_away", None),
        ("stop_at", None),
        ("cached", frozenset()),
        ("kills", ()),
        ("kills", scenario.kills[1:]),
        ("max_parallelism", None),
        ("retries", {}),
        ("watched", False),
    ):
        if getattr(scenario, name) != value:
            yield replace(scenario, **{name: value})
    for name, endings in scenario.endings.items():
        if any(ending.what != "succeed" for ending in endings):
            calm = tuple(replace(ending, what="succeed") for ending in endings)
            yield replace(scenario, endings={**scenario.endings, name: calm})


def shrink(
    scenario: Scenario, seed: int, controller_class: ControllerClass = Controller
) -> ViolationError | None:
    """Looks for the simplest scenario that violates an invariant; None if this one does not."""
    try:
        simulate(scenario, seed, controller_class)
    except ViolationError as violation:
        found = violation
    else:
        return None
    simpler = True
    while simpler:
        simpler = False
        for candidate in simplify(scenario):
            try:
                simulate(candidate, seed, controller_class)
            except ViolationError as violation:
                scenario, found, simpler = candidate, violation, True
                break
    return found


def explore(seeds: range, controller_class: ControllerClass = Controller) -> ViolationError | None:
    """Simulates many runs at random, and returns the first violation, shrunk; None without one."""
    for seed in seeds:
        if (violation := shrink(random_scenario(seed), seed, controller_class)) is not None:
            return violation
    return None
