"""A service that runs the DAG, and its clients, in virtual time.

The engine's `ServiceOrchestrator` is as it is: one client waits for the run, others ask how it is,
and stop it, at any moment. Simulated are the service, what its containers tell ZenML, and ZenML.
"""

from __future__ import annotations

import heapq
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest import mock
from uuid import UUID, uuid4

from engine import clock, conclusion, orchestrator, run_store, waiting
from engine.protocols import JobKey, JobStatus, Phase, Role
from engine.run_ids import RunIdStrategy
from engine.run_store import ZenMLUnavailableError
from engine.services import orchestrator as services
from engine.services.orchestrator import ServiceOrchestrator
from engine.services.protocols import PipelineSpec
from simulation import (
    LONGEST_RUN,
    RESOURCES,
    RUN,
    SETTINGS,
    Ending,
    KilledError,
    PlatformAwayError,
    Scenario,
    ViolationError,
    World,
    random_scenario,
)
from zenml.enums import ExecutionMode, ExecutionStatus
from zenml.exceptions import RunStoppedException
from zenml.models import ExceptionInfo
from zenml.orchestrators import PipelineSubmissionError, publish_utils

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from engine.protocols import JobHandle, JobPlatform
    from zenml.models import PipelineRunResponse

S = ExecutionStatus

# How long after the last fault clients ask, one after the other, until the run has ended.
PERSISTENT_SECONDS = 60.0

# How a step, or its container, ends: as in `simulation.Ending`. And the machine can be lost, with
# all that is on it, so that nobody tells ZenML: before a step has begun (`lost`), or while it works
# (`vanish`).
ENDINGS = ("fail", "die", "leave", "lost", "vanish")
LOST = JobStatus(Phase.FAILED, "the machine was lost")


@dataclass(frozen=True)
class ServiceScenario(Scenario):
    """One run of a service, and what happens to it.

    Attributes:
        waits: Whether its client waits. It dies after `kills[0]` calls, if there are any.
        refresh_at: When somebody asks how the run is.
        never_starts: Why the execution never starts, such as a quota; empty if it does.
        hopeless: Whether it then waits for ever, and the service says so.
    """

    waits: bool = True
    refresh_at: tuple[float, ...] = ()
    never_starts: str = ""
    hopeless: bool = False


@dataclass
class StepRun:
    """A step run, as ZenML has it."""

    name: str
    status: ExecutionStatus = S.RUNNING
    exception_info: ExceptionInfo | None = None
    id: UUID = field(default_factory=uuid4)
    log_collection: None = None


class ServiceZenML:
    """ZenML, as the clients and the containers see it: the functions of `run_store`."""

    def __init__(self, world: ServiceWorld) -> None:
        """Has the run, which its client has just submitted."""
        self._world = world
        self.steps: dict[str, StepRun] = {}
        self.metadata: dict[str, str] = {}
        self.reason: str | None = None
        self._status: ExecutionStatus = S.PROVISIONING

    @property
    def status(self) -> ExecutionStatus:
        """The status of the run, which ZenML makes of those of its steps."""
        if self._status.is_finished:
            return self._status
        if any(step.status is S.FAILED for step in self.steps.values()):
            return S.FAILED
        open_steps = any(not step.status.is_finished for step in self.steps.values())
        if self._status is S.STOPPING:
            # All steps that have begun have ended, and it was told so by `end_run`.
            return S.STOPPING if open_steps or not self._settled else S.STOPPED
        if len(self.steps) == len(self._world.scenario.upstream) and not open_steps:
            return S.COMPLETED
        return S.RUNNING if self.steps else self._status

    _settled = False

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Is a request to ZenML."""
        self._world.count_call()
        if self._world.is_away(self._world.scenario.zenml_away):
            raise ZenMLUnavailableError("ZenML is away")
        yield

    def get_run(self, _: object = None) -> Any:
        """Reads the run."""
        with self.asked():
            return self.run

    @property
    def run(self) -> Any:
        """The run, as it is now."""
        configurations = dict.fromkeys(self._world.scenario.upstream)
        return SimpleNamespace(
            id=RUN,
            name=RUN,
            root_run_id=None,
            status=self.status,
            steps={name: replace(step) for name, step in self.steps.items()},
            run_metadata=dict(self.metadata),
            orchestrator_run_id="" if not self.metadata else RUN,
            snapshot=SimpleNamespace(is_dynamic=False, step_configurations=configurations),
            get_body=lambda: SimpleNamespace(status_reason=self.reason),
        )

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Records the end of a step, unless it did so itself."""
        step = self.steps.get(name)
        if step is None and not stopped and not self.status.is_finished:
            step = self.steps[name] = StepRun(name)
        if step is not None and not step.status.is_finished:
            step.status = S.STOPPED if stopped else S.FAILED
            step.exception_info = None if stopped else ExceptionInfo(traceback=cause, message=cause)
            self._world.tell(f"ZenML is told that {name} is {step.status.value}: {cause}")
        return cause

    def end_run(self, _: object, reason: str, *, failed: bool, causes: str = "") -> None:
        """Records the end of the run, and of the steps that it leaves open."""
        with self.asked():
            for name in list(self.steps):
                self.end_step(name, reason, stopped=not failed)
            self._settled = True
            if not self.status.is_finished:
                self._status = S.FAILED if failed else S.STOPPED
                self.reason = reason
                self._world.tell(f"ZenML is told that the run is {self._status.value}: {reason}")

    def claim_run(self, _: object, run: Any, __: str) -> Any:
        """Gives the run its ID."""
        with self.asked():
            run.orchestrator_run_id = RUN
            return run

    def publish_metadata(self, _: object, __: object, metadata: Mapping[str, str]) -> None:
        """Adds to the metadata of the run."""
        with self.asked():
            self.metadata |= metadata

    def publish_status(self, *_: object, status: ExecutionStatus, **__: Any) -> None:
        """Changes the status of the run."""
        with self.asked():
            if not self.status.is_finished:
                self._status = status

    def store(self, *_: Any) -> Any:
        """Returns what `run_store.ZenMLRun` is of the run."""

        def end_step(name: str, cause: str, *, stopped: bool) -> str:
            with self.asked():
                return self.end_step(name, cause, stopped=stopped)

        return SimpleNamespace(end_step=end_step)


@dataclass
class Execution:
    """An execution, as the service has it."""

    handle: str
    history: list[tuple[float, JobStatus]]
    known_from: float
    steps: dict[str, JobStatus] = field(default_factory=dict)
    halted: bool = False

    @property
    def status(self) -> JobStatus:
        """How it really is."""
        return self.history[-1][1]


class SimulatedService:
    """A service (`PipelineService`) whose executions live in virtual time."""

    transient = (PlatformAwayError,)
    poll_seconds = 10.0
    unknown_seconds = 60.0

    def __init__(self, world: ServiceWorld) -> None:
        """Has no executions yet."""
        self._world = world
        self.executions: dict[str, Execution] = {}
        self.begun: list[str] = []
        self.secrets: set[str] = set()

    def _ask(self) -> None:
        self._world.count_call()
        scenario = self._world.scenario
        if self._world.is_away(scenario.platform_away) or self._world.is_faulty(
            scenario.refused_requests
        ):
            raise PlatformAwayError("the service is away")

    def validate(self, job: PipelineSpec) -> None:
        """Takes every pipeline."""

    def submit(self, job: PipelineSpec) -> JobHandle:
        self._ask()
        handle = str(job.key)
        if handle not in self.executions:
            self._start(handle)
        if self._world.is_faulty(self._world.scenario.lost_answers):
            raise PlatformAwayError("the answer is lost")
        return handle

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        self._ask()
        world = self._world
        told = world.time - world.random.uniform(0, world.scenario.stale_seconds)
        found = {}
        for handle in handles:
            execution = self.executions.get(handle)
            if execution is None or execution.known_from > world.time:
                continue
            past = [status for since, status in execution.history if since <= told]
            found[handle] = (past or [execution.history[0][1]])[-1]
        return found

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        self._ask()
        return dict(self.executions[handle].steps)

    def stop(self, handle: JobHandle) -> None:
        self._ask()
        execution = self.executions[handle]
        if execution.halted or execution.status.phase.is_terminal:
            return
        self._halt(execution)

    def _halt(self, execution: Execution) -> None:
        """Asks all containers of an execution to end, which tell ZenML so."""
        self._world.tell("the service stops the execution")
        execution.halted = True
        running = [n for n, s in execution.steps.items() if not s.phase.is_terminal]
        for name in running:
            grace = self._world.random.uniform(0, self._world.scenario.grace_seconds)
            self._world.at(grace, lambda name=name: self._report(execution, name, S.STOPPED))
        self._walk(execution)

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:
        self._ask()
        return {}

    def links(self, handle: JobHandle) -> Mapping[str, str]:
        return {}

    def clean_up(self, handle: JobHandle) -> None:
        self._ask()
        self.secrets.discard(handle)

    def logs(self, handle: JobHandle, *, follow: bool = False) -> Iterator[str]:
        return iter(())

    def current_job(self) -> JobHandle | None:
        return None

    # The life of an execution

    def _start(self, handle: str) -> None:
        world = self._world
        known = world.time + world.random.uniform(0, world.scenario.unknown_seconds)
        waiting = JobStatus(Phase.PENDING, world.scenario.never_starts)
        execution = Execution(handle, [(world.time, waiting)], known)
        self.executions[handle] = execution
        self.secrets.add(handle)
        world.tell("the execution is created")
        if not world.scenario.never_starts:
            world.at(1.0, lambda: self._walk(execution))
        elif world.scenario.hopeless:
            hopeless = replace(waiting, hopeless=True)
            world.at(30.0, lambda: self._become(execution, hopeless))
        else:
            failed = JobStatus(Phase.FAILED, world.scenario.never_starts)
            world.at(30.0, lambda: self._become(execution, failed))

    def _become(self, execution: Execution, status: JobStatus) -> None:
        if not execution.status.phase.is_terminal and execution.status != status:
            execution.history.append((self._world.time, status))
            self._world.tell(f"the execution is {status.phase.value} {status.reason}".rstrip())

    def _walk(self, execution: Execution) -> None:
        """Starts the steps that can start, and ends the execution when none is left."""
        if execution.status.phase.is_terminal:
            return
        scenario, steps = self._world.scenario, execution.steps
        failed = any(status.phase is Phase.FAILED for status in steps.values())
        goes_on = not execution.halted and (
            not failed or scenario.mode is ExecutionMode.CONTINUE_ON_FAILURE
        )
        for name, upstream in scenario.upstream.items():
            ready = all(up in steps and steps[up].phase is Phase.SUCCEEDED for up in upstream)
            if goes_on and ready and name not in steps:
                steps[name] = JobStatus(Phase.RUNNING)
                ending = scenario.endings.get(name, (Ending(),))[0]
                self._world.at(
                    ending.pending,
                    lambda name=name, ending=ending: self._begin(execution, name, ending),
                )
        if not execution.halted or steps:
            self._become(execution, JobStatus(Phase.RUNNING))
        if all(status.phase.is_terminal for status in steps.values()):
            well = all(status.phase is Phase.SUCCEEDED for status in steps.values())
            end = Phase.STOPPED if execution.halted else Phase.SUCCEEDED if well else Phase.FAILED
            reason = "a step failed" if end is Phase.FAILED else ""
            self._become(execution, JobStatus(end, reason))

    # The containers of steps, which outlast ZenML's absence

    def _begin(self, execution: Execution, name: str, ending: Ending) -> None:
        """Is the container of a step at its beginning: in a run that stops, none begins."""
        world = self._world
        if execution.steps[name].phase.is_terminal:
            return
        if ending.what == "lost":
            self._end(execution, name, LOST)
            return
        if world.is_away(world.scenario.zenml_away):
            world.at(5.0, lambda: self._begin(execution, name, ending))
            return
        if execution.halted or world.zenml.status.is_finished or world.zenml.status is S.STOPPING:
            goes_on = world.scenario.mode is ExecutionMode.CONTINUE_ON_FAILURE
            if execution.halted or not (goes_on and world.zenml.status is S.FAILED):
                self._end(execution, name, JobStatus(Phase.FAILED, exit_code=1))
                return
        if name in self.begun:
            raise ViolationError(f"{name} begins twice")
        self.begun.append(name)
        world.zenml.steps[name] = StepRun(name)
        world.tell(f"{name} begins")
        if ending.what == "vanish":
            world.at(ending.seconds, lambda: self._end(execution, name, LOST))
            return
        end = S.COMPLETED if ending.what == "succeed" else S.FAILED
        world.at(ending.seconds, lambda: self._report(execution, name, end))

    def _report(self, execution: Execution, name: str, end: ExecutionStatus) -> None:
        """Is the step, or its supervisor, that tells ZenML how it has ended, until it can."""
        world = self._world
        if execution.steps[name].phase.is_terminal:
            return
        if world.is_away(world.scenario.zenml_away):
            world.at(5.0, lambda: self._report(execution, name, end))
            return
        step = world.zenml.steps.get(name)
        if step is not None and not step.status.is_finished:
            step.status = end
            if end is S.FAILED:
                if world.scenario.mode is ExecutionMode.FAIL_FAST and not execution.halted:
                    world.at(1.0, lambda: self._halt(execution))
                step.exception_info = ExceptionInfo(traceback="it fails", message="it fails")
            world.tell(f"{name} says that it is {end.value}")
        well = end is S.COMPLETED
        self._end(execution, name, JobStatus(Phase.SUCCEEDED if well else Phase.FAILED))

    def _end(self, execution: Execution, name: str, status: JobStatus) -> None:
        if not execution.steps[name].phase.is_terminal:
            execution.steps[name] = status
            self._walk(execution)


class ServiceWorld(World):
    """Virtual time with a service. What clients do happens within the waits of others."""

    scenario: ServiceScenario

    def __init__(self, scenario: ServiceScenario, seed: int) -> None:
        """Begins at the time 0."""
        super().__init__(scenario, seed)
        self.zenml: Any = ServiceZenML(self)
        self.service = SimulatedService(self)

    def wait(self, seconds: float) -> None:
        """Lets time pass, in which other clients may wait too."""
        self.count_call()
        end = self.time + seconds
        while self._events and self._events[0][0] <= end:
            moment, _, do = heapq.heappop(self._events)
            self.time = max(self.time, moment)
            do()
        self.time = max(self.time, end)
        if self.time > LONGEST_RUN:
            raise ViolationError("the run does not end")


class NoLog:
    """Takes the place of a `LogFollower`."""

    def start(self) -> None: ...

    def finish(self) -> None: ...


class ExecutionId(RunIdStrategy):
    """The ID that the service makes."""

    def new(self, run: PipelineRunResponse | None) -> None: ...

    def of_job(self, platform: JobPlatform, handle: JobHandle) -> str:
        return handle


@dataclass(frozen=True)
class Specs:
    """Takes the place of `JobSpecs`."""

    generation: int = 1


class Orchestrator(ServiceOrchestrator):
    """The engine's orchestrator, on the simulated service."""

    run_id = ExecutionId()

    def __init__(self, world: ServiceWorld) -> None:
        """Makes no stack component of it."""
        self._world = world

    @property
    def platform(self) -> Any:
        """The simulated service."""
        return self._world.service

    @property
    def id(self) -> Any:
        """Its ID in ZenML."""
        return "orchestrator"

    def _specs(self, *_: Any) -> Any:
        return Specs()

    def _generation(self, _: Any) -> int:
        return 1

    def _setting(self, _: Any, name: str) -> Any:
        assert name == "synchronous"
        return self._world.scenario.waits


@contextmanager
def simulated(world: ServiceWorld) -> Iterator[None]:
    """Lets the engine ask the simulated ZenML, and the simulated clock."""
    zenml = world.zenml
    names: dict[str, Any] = {
        "Clock": lambda: world,
        "get_run": zenml.get_run,
        "end_run": zenml.end_run,
        "claim_run": zenml.claim_run,
        "publish_metadata": zenml.publish_metadata,
        "publish_pipeline_run_status_update": zenml.publish_status,
        "ZenMLRun": zenml.store,
        "LogFollower": lambda *_: NoLog(),
        # What the service's runs do not have, or what is ZenML's alone.
        "list_children": lambda *_: [],
        "disable_heartbeats": lambda *_: None,
    }
    theirs = sys.modules["zenml.orchestrators.base_orchestrator"]
    modules = [clock, conclusion, orchestrator, publish_utils, run_store, services, waiting, theirs]
    with ExitStack() as patched:
        for module in modules:
            for name, value in names.items():
                if hasattr(module, name):
                    patched.enter_context(mock.patch.object(module, name, value))
        yield


@dataclass
class Result:
    """How a simulated run ended.

    Attributes:
        world: The world, with its story.
        told: What the waiting client was told: an exception, or None; `KilledError` if it died.
        stop_accepted: When the run was stopped, while it was not over.
    """

    world: ServiceWorld
    told: BaseException | None = None
    stop_accepted: bool = False


def simulate(
    scenario: ServiceScenario, seed: int = 0, cls: type[Orchestrator] = Orchestrator
) -> Result:
    """Simulates one run, and checks all invariants.

    Raises:
        ViolationError: If one does not hold; with the seed and the story.
    """
    world = ServiceWorld(scenario, seed)
    result = Result(world)
    try:
        with simulated(world):
            run_clients(world, cls(world), result)
        check(result)
    except ViolationError as violation:
        story = "\n".join(world.story[-60:])
        raise ViolationError(f"{violation}\nseed {seed}, {scenario}\n{story}") from violation
    return result


@contextmanager
def client_of(world: ServiceWorld, what: str) -> Iterator[None]:
    """Lets a client do something. It may get no answer; any other error is a violation."""
    try:
        yield
    except (ZenMLUnavailableError, PlatformAwayError):
        world.tell(f"{what} has no answer")
    except ViolationError:
        raise
    except Exception as error:
        raise ViolationError(f"{what} raises {error!r}") from error


def refresh(world: ServiceWorld, orchestrator: Orchestrator) -> None:
    """Asks how the run is, as ZenML's `refresh_run_status` does, which writes down the answer."""
    with client_of(world, "a refresh"):
        before = world.zenml.status
        status, _ = orchestrator.fetch_status(world.zenml.get_run(), include_steps=True)
        if status is not None and status is not before:
            raise ViolationError(f"a refresh makes {status} of {before}")


def stop(world: ServiceWorld, orchestrator: Orchestrator, result: Result) -> None:
    """Stops the run, if it is not over."""
    forced = world.scenario.forced
    with client_of(world, "a stop"):
        run = world.zenml.get_run()
        if run.status.is_finished or not run.run_metadata:
            return
        world.tell(f"the run is stopped {'by force' if forced else 'gently'}")
        result.stop_accepted = True
        orchestrator.stop_run(run, graceful=not forced)
        (execution,) = world.service.executions.values()
        if forced and not (execution.halted or execution.status.phase.is_terminal):
            raise ViolationError("the run goes on after it was stopped")


def run_clients(world: ServiceWorld, orchestrator: Orchestrator, result: Result) -> None:
    """Submits a run, and lets clients wait for it, look at it and stop it, until it has ended."""
    scenario = world.scenario
    if scenario.stop_at is not None:
        world.at(scenario.stop_at, lambda: stop(world, orchestrator, result))
    for moment in scenario.refresh_at:
        world.at(moment, lambda: refresh(world, orchestrator))
    key = JobKey(RUN, "/controller", 1)
    spec = PipelineSpec(key, Role.CONTROLLER, RUN, None, (), {}, RESOURCES, SETTINGS)
    if scenario.kills and scenario.waits:
        world.kill_after = scenario.kills[0]
    try:
        snapshot = cast("Any", SimpleNamespace(schedule=None))
        # ZenML answers when the run is made.
        with mock.patch.object(orchestrator, "_jobs", return_value=[spec]):
            submitted = orchestrator._submit_job(snapshot, world.zenml.run, {}, lambda _: {})
        world.tell("the run is submitted")
        if submitted.wait_for_completion:
            submitted.wait_for_completion()
    except ViolationError:
        raise
    except BaseException as error:
        result.told = error
        world.tell(f"the client is told {error!r}")
    world.kill_after = None
    if not world.zenml.metadata:
        return  # Nothing is known of it but to its client, which has said so.
    # Faults end, and somebody asks for what nobody waits for.
    while not is_over(world):
        world.wait(PERSISTENT_SECONDS)
        refresh(world, orchestrator)


def is_over(world: ServiceWorld) -> bool:
    """Tells whether a run and all that belongs to it has ended."""
    zenml, (execution,) = world.zenml, world.service.executions.values()
    is_open = any(not step.status.is_finished for step in zenml.steps.values())
    return zenml.status.is_finished and execution.status.phase.is_terminal and not is_open


def check(result: Result) -> None:
    """Checks how a run has ended.

    Raises:
        ViolationError: If an invariant does not hold.
    """
    world = result.world
    zenml, scenario = world.zenml, world.scenario
    if not zenml.metadata:
        check_unsubmitted(result)
        return
    (execution,) = world.service.executions.values()
    begun = world.service.begun
    bad = [n for n in begun if scenario.endings.get(n, (Ending(),))[0].what in ENDINGS[:3]]
    lost = [name for name, status in execution.steps.items() if status == LOST]
    should = S.FAILED if bad or lost or scenario.never_starts else S.COMPLETED
    # When one client has stopped what can never start, others may see that before it says why.
    stopped = result.stop_accepted or scenario.hopeless
    allowed = {should, S.STOPPED} if stopped else {should}
    if zenml.status not in allowed:
        raise ViolationError(f"the run is {zenml.status.value}, and should be {should.value}")
    if zenml.status is S.COMPLETED and set(begun) != set(scenario.upstream):
        raise ViolationError("the run has succeeded, and steps were never run")
    told = result.told
    if not scenario.waits or isinstance(
        told, (KilledError, PlatformAwayError, ZenMLUnavailableError)
    ):
        return
    if world.service.secrets:
        raise ViolationError("the secret stays")
    expected = {S.COMPLETED: type(None), S.FAILED: RuntimeError, S.STOPPED: RunStoppedException}
    if not isinstance(told, expected[zenml.status]):
        raise ViolationError(f"the run is {zenml.status.value}, and its client is told {told!r}")
    reason = scenario.never_starts or (LOST.reason if lost and not bad else "")
    if zenml.status is S.FAILED and reason not in str(told):
        raise ViolationError(f"the cause `{reason}` is not told: {told}")


def check_unsubmitted(result: Result) -> None:
    """Checks what has become of a run that ZenML has no execution of.

    Raises:
        ViolationError: If the client does not know it, or something goes on that could be stopped.
    """
    scenario, told = result.world.scenario, result.told
    if isinstance(told, KilledError):
        return
    if not isinstance(told, (PipelineSubmissionError, PlatformAwayError)):
        raise ViolationError("a run is lost without a word")
    goes_on = [each for each in result.world.service.executions.values() if not each.halted]
    answers = not (scenario.platform_away or scenario.lost_answers or scenario.refused_requests)
    if goes_on and answers:
        raise ViolationError("an execution goes on that nobody knows")
    if bool(result.world.service.executions) is ("Nothing was submitted" in str(told)) and answers:
        raise ViolationError(f"the client is told {told!r}")


def random_service_scenario(seed: int) -> ServiceScenario:
    """Makes up a run, and what happens to it."""
    base = random_scenario(seed)
    random = Random(f"service {seed}")

    def ending() -> Ending:
        what = random.choice(ENDINGS) if random.random() < 0.15 else "succeed"
        return Ending(random.uniform(0.1, 10), random.uniform(0.1, 60), what)

    is_killed = random.random() < 0.2
    return ServiceScenario(
        **vars(base)
        | {
            "endings": {name: (ending(),) for name in base.upstream},
            "kills": (random.randint(0, 60),) if is_killed else (),
        },
        waits=is_killed or random.random() < 0.7,
        refresh_at=tuple(random.uniform(0, 200) for _ in range(random.choice((0, 1, 3)))),
        never_starts="the quota is used up" if random.random() < 0.1 else "",
        hopeless=random.random() < 0.5,
    )


def explore(seeds: range, cls: type[Orchestrator] = Orchestrator) -> ViolationError | None:
    """Simulates many runs at random, and returns the first violation; None without one."""
    for seed in seeds:
        try:
            simulate(random_service_scenario(seed), seed, cls)
        except ViolationError as violation:
            return violation
    return None
