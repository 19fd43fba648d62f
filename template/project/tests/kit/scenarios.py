# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Scripted scenarios: what a platform and the engine's controller do in each, told as a story.

Each scenario has the one story that it must tell, on every platform. The template plays them on its
simulated platform too, which shows that what is proven there holds here. Jobs are shell scripts,
not steps of ZenML: a scenario takes about a second.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

# What a platform may have, or be brought into by its harness. See `Harness.situations`.
SITUATIONS = {
    "logs": "keeps the logs of jobs",
    "watch": "reports changes (`Watches`)",
    "crowded_out": "lets a job wait for a machine",
    "hopeless": "lets a job wait for what cannot come",
    "refused": "refuses a job",
    "preempt": "takes away a job's machine",
    "lose": "loses a job",
}

# How long one thing that a scenario waits for may take, in seconds. It is scaled.
WAIT_SECONDS = 60.0

# How long a job has to end after it was asked to, in seconds.
GRACE_SECONDS = 1.0

# How often a scenario looks, while the controller waits, whether something is to happen.
LOOK_SECONDS = 0.1


class ControllerKilledError(BaseException):
    """The controller is killed."""


@dataclass(frozen=True)
class Script:
    """What the process of a job does.

    Attributes:
        exit_code: How it ends by itself.
        report: What it reports to ZenML before: `completed`, `failed`, or nothing.
        waits: Whether it waits until it is let go.
        ignores_sigterm: Whether only SIGKILL ends it.
    """

    exit_code: int = 0
    report: str = "completed"
    waits: bool = False
    ignores_sigterm: bool = False


SUCCEEDS = Script()
FAILS = Script(exit_code=3, report="failed")
LEAVES = Script(report="")
WAITS = Script(waits=True)


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    Attributes:
        play: Plays it on a stage.
        story: What it must tell, line by line.
        needs: What the platform must have, or be brought into: of `SITUATIONS`.
    """

    play: Callable[[Stage], None]
    story: list[str]
    needs: tuple[str, ...]


SCENARIOS: dict[str, Scenario] = {}


def scenario(*needs: str) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Registers a scenario. Its docstring is a sentence, and then the story.

    Args:
        needs: What the platform must have, or be brought into: of `SITUATIONS`.
    """

    def register(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        _, _, story = (play.__doc__ or "").partition("\n")
        lines = [line.strip() for line in story.splitlines()]
        SCENARIOS[play.__name__] = Scenario(play, [line for line in lines if line], needs)
        return play

    return register


class Stage(ABC):
    """Where one scenario is played: a platform, ZenML, and what befalls jobs from outside.

    Attributes:
        run: The run's ID in ZenML.
        story: What was told so far.
        clock: The controller's clock.
        store: ZenML, as the controller sees it.
        settled: The steps whose end the controller has told ZenML.
        heard_stop: Whether the controller knows that the run is to be stopped.
    """

    run: str
    clock: Any
    store: Any

    def __init__(self, engine: str) -> None:
        """Sets the stage.

        Args:
            engine: The package of the engine.
        """
        self._engine = engine
        self._told = 0
        self._sightings: dict[str, Any] = {}
        self._ends: dict[str, Any] = {}
        self.story: list[str] = []
        self.settled: set[str] = set()
        self.heard_stop = False
        self.current = self.platform()

    def engine(self, module: str) -> Any:
        """Returns a module of the engine."""
        return importlib.import_module(f"{self._engine}.{module}")

    @property
    def other_run(self) -> str:
        """The ID of another run."""
        return f"{self.run[:-1]}x"

    # ---- What each kind of stage has

    @abstractmethod
    def platform(self) -> Any:
        """Returns a new object for the platform, as a new process has it."""

    @abstractmethod
    def job(self, key: Any, script: Script) -> Any:
        """Makes the job (`JobSpec`) of a script, with `GRACE_SECONDS`."""

    @abstractmethod
    def said(self) -> list[str]:
        """Returns what the processes of jobs have said so far, in order."""

    @abstractmethod
    def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits until a condition holds.

        Raises:
            TimeoutError: If it does not come to hold.
        """

    @abstractmethod
    def let_go(self, job: str) -> None:
        """Lets the process of a job go on that waits for it."""

    @abstractmethod
    def kill(self, job: str) -> None:
        """Kills the process of a job with SIGKILL."""

    @abstractmethod
    def ask_for_stop(self, *, forced: bool) -> None:
        """Lets ZenML say that the run is to be stopped."""

    @abstractmethod
    def step_statuses(self) -> Mapping[str, str]:
        """Returns the status of each step in ZenML that it knows."""

    @abstractmethod
    def run_status(self) -> str:
        """Returns the status of the run in ZenML: `running` if nobody has told it of an end."""

    @abstractmethod
    def cache(self, step: str) -> None:
        """Lets ZenML have an earlier result of a step."""

    def direct(  # noqa: B027 - not every stage has to know
        self, upstream: Mapping[str, Collection[str]], retries: Mapping[str, int]
    ) -> None:
        """Is told the DAG of a run before the controller starts."""

    # ---- What befalls jobs from outside. See the functions of `Harness`, which have these names.

    @abstractmethod
    def crowded_out(self, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for a machine."""

    @abstractmethod
    def hopeless(self, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for what cannot come."""

    @abstractmethod
    def refused(self, job: Any) -> Any:
        """Changes a job into one that is refused."""

    @abstractmethod
    def preempt(self, handle: str) -> None:
        """Takes away a job's machine."""

    @abstractmethod
    def lose(self, handle: str) -> None:
        """Lets the platform lose a job."""

    # ---- What scenarios do

    def tell(self, line: str) -> None:
        """Adds a line to the story."""
        self.story.append(line)

    def tell_said(self, *, in_order: bool = True) -> None:
        """Tells what the processes of jobs have said since the last time."""
        said = self.said()
        news = said[self._told :]
        self.story += news if in_order else sorted(news)
        self._told = len(said)

    def ask(self, call: Callable[[], Any]) -> Any:
        """Asks the platform, as the engine does, until it answers."""
        retry = self.engine("clock").call_with_retries
        return retry(call, self.current.transient, seconds=WAIT_SECONDS, clock=self.clock)

    def key(self, step: str, attempt: int = 1) -> Any:
        """Makes the key of a job of the run."""
        return self.engine("protocols").JobKey(self.run, step, attempt)

    def submit(self, step: str, attempt: int = 1, script: Script = WAITS) -> str:
        """Submits the script of a step."""
        job = self.job(self.key(step, attempt), script)
        return str(self.ask(lambda: self.current.submit(job)))

    def start(self, step: str, attempt: int = 1, script: Script = WAITS) -> str:
        """Submits the script of a step, and waits until it is at work."""
        handle = self.submit(step, attempt, script)
        self.until_said(f"{step}/{attempt} begins")
        self.until(lambda: self.phase(handle) == "running", f"{step} runs")
        return handle

    def until_said(self, line: str) -> None:
        """Waits until a process has said something."""
        self.until(lambda: line in self.said(), line)

    def status(self, handle: str) -> Any:
        """Returns how a job is, as the engine sees it: the first end counts, and lost is failed."""
        if handle not in self._ends:
            now = self.clock.now()
            new = self.engine("sightings").Sighting(now, self.current.unknown_seconds)
            sighting = self._sightings.setdefault(handle, new)
            found = self.ask(lambda: self.current.describe([handle])).get(handle)
            status = sighting.look(found, self.clock.now())
            if status is None or not status.phase.is_terminal:
                return status
            self._ends[handle] = status
        return self._ends[handle]

    def phase(self, handle: str) -> str:
        """Returns the phase of a job in a word."""
        status = self.status(handle)
        return "unknown" if status is None else str(status.phase.value)

    def is_over(self, handle: str) -> bool:
        """Tells whether a job has ended, or is lost."""
        status = self.status(handle)
        return status is not None and bool(status.phase.is_terminal)

    def tell_end(self, job: str, handle: str, *, stopped: bool = False) -> None:
        """Waits for the end of a job, and tells it.

        How one that was stopped is described is not important.
        """
        self.until(lambda: self.is_over(handle), f"{job} ends")
        self.tell_said()
        if stopped:
            self.tell(f"{job} has ended")
        else:
            self.tell(f"{job} has {self.end_of(handle)}")

    def end_of(self, handle: str) -> str:
        """Says how a job has ended."""
        status = self.status(handle)
        words = [status.phase.value]
        if status.reason == self.engine("sightings").LOST:
            words.append("it is lost")
        if status.exit_code is not None:
            words.append(self.engine("exit_codes").describe_exit(status.exit_code))
        if status.preempted:
            words.append("its machine was taken away")
        return ", ".join(words)

    def tell_found(self, *jobs: str, run: str = "") -> None:
        """Waits until just these jobs of a run are found, and tells what is found at last."""
        found: list[str] = []

        def look() -> bool:
            keys = self.ask(lambda: self.current.find(run or self.run))
            found[:] = sorted(f"{key.step}/{key.attempt}" for key in keys)
            return found == sorted(jobs)

        try:
            self.until(look, f"{jobs} are found")
        except TimeoutError:
            self.tell("after a long time:")
        self.tell(f"found: {', '.join(found) or 'nothing'}")

    def tell_why_it_waits(self, job: str, handle: str, *, hopeless: bool) -> None:
        """Waits until the platform says why a job waits, and tells that it does."""

        def says_why() -> bool:
            status = self.status(handle)
            return bool(status and status.reason and status.hopeless is hopeless)

        self.until(says_why, f"it is said why {job} waits")
        what = "what cannot come" if hopeless else "a machine"
        self.tell(f"{job} is {self.phase(handle)} and waits for {what}, and it is said why")


@dataclass
class Direction:
    """A run of the controller, and what happens in it.

    Attributes:
        stage: Where it is played.
        upstream: The DAG.
        scripts: What the attempts of steps do that do more than succeed; the last script is for
            all further attempts.
        mode: The execution mode.
        retries: How often each step is tried again.
        max_parallelism: How many jobs at the same time.
        jobs: Jobs that are submitted as they are, instead of scripts.
        in_order: Whether what processes say is told in order, and not by the alphabet.
        acts: What happens, each as soon as its condition holds.
        submitted: The jobs that were submitted.
    """

    stage: Stage
    upstream: Mapping[str, Collection[str]]
    scripts: Mapping[str, Sequence[Script]] = field(default_factory=dict)
    mode: ExecutionMode = ExecutionMode.CONTINUE_ON_FAILURE
    retries: Mapping[str, int] = field(default_factory=dict)
    max_parallelism: int | None = None
    jobs: Collection[Any] = ()
    in_order: bool = True
    acts: list[tuple[Callable[[], object], Callable[[], None]]] = field(default_factory=list)
    submitted: set[str] = field(default_factory=set)

    def when(self, condition: Callable[[], object], act: Callable[[], None]) -> None:
        """Lets something happen, once, as soon as a condition holds."""
        self.acts.append((condition, act))

    def when_said(self, line: str, act: Callable[[], None]) -> None:
        """Lets something happen as soon as a process has said something."""
        self.when(lambda: line in self.stage.said(), act)

    def play(self, *, found: bool = True) -> None:
        """Runs the controller to the end of the run; one that is killed is followed by another.

        It tells what the processes have said, then how the steps and the run have ended.

        Args:
            found: Whether to tell at last which jobs the platform finds.
        """
        stage, succeeded = self.stage, None
        stage.direct(self.upstream, self.retries)
        while succeeded is None:
            succeeded = self._run_controller()
        stage.tell_said(in_order=self.in_order)
        statuses = stage.step_statuses()
        for name in self.upstream:
            stage.tell(f"{name} is {statuses.get(name, 'not run')}")
        ended = stage.run_status().replace("running", "completed")
        stage.tell(f"the run is {ended}, and the controller returns {succeeded}")
        if found:
            stage.tell_found(*self.submitted)

    def _run_controller(self) -> bool | None:
        """Runs a controller, and returns what it does; None if it is killed."""
        try:
            return bool(self._controller().run())
        except ControllerKilledError:
            self.stage.tell_said()
            self.stage.tell("the controller is killed")
            self.stage.current = self.stage.platform()
            return None

    def _controller(self) -> Any:
        engine, stage = self.stage.engine, self.stage
        plan = engine("controller").Plan(
            run=stage.run,
            upstream=self.upstream,
            retries={
                name: StepRetryConfig(max_retries=count, delay=0)
                for name, count in self.retries.items()
            },
            mode=self.mode,
            max_parallelism=self.max_parallelism,
        )
        store, clock = NotingStore(stage), ActingClock(stage.clock, self.acts)
        return engine("controller").Controller(plan, stage.current, store, clock, self._job_of)

    def _job_of(self, name: str, attempt: int) -> Any:
        self.submitted.add(f"{name}/{attempt}")
        key = self.stage.key(name, attempt)
        for job in self.jobs:
            if job.key == key:
                return job
        scripts = self.scripts.get(name, (SUCCEEDS,))
        return self.stage.job(key, scripts[min(attempt, len(scripts)) - 1])


class NotingStore:
    """ZenML, as a stage has it; it notes what the controller has told it, and heard of it."""

    def __init__(self, stage: Stage) -> None:
        """Takes the stage's store."""
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        """Passes everything on."""
        return getattr(self._stage.store, name)

    def stop_request(self) -> Any:
        """Passes it on, and notes a stop."""
        request = self._stage.store.stop_request()
        self._stage.heard_stop = request.value != "none"
        return request

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Notes it, and passes it on."""
        told: str = self._stage.store.end_step(name, cause, stopped=stopped)
        self._stage.settled.add(name)
        return told


class ActingClock:
    """The controller's clock, in whose waits things happen."""

    def __init__(
        self, clock: Any, acts: list[tuple[Callable[[], object], Callable[[], None]]]
    ) -> None:
        """Takes the real clock, and what is to happen."""
        self._clock = clock
        self._acts = acts
        self.now = clock.now
        self.wake = clock.wake

    def wait(self, seconds: float) -> None:
        """Waits a little, and lets happen what is due."""
        for act in list(self._acts):
            condition, do = act
            if condition():
                self._acts.remove(act)
                do()
        self._clock.wait(min(seconds, LOOK_SECONDS))


# ---- How jobs end


@scenario()
def it_succeeds(stage: Stage) -> None:
    """A job that ends with 0 has succeeded.

    first/1 begins
    first/1 reports completed
    first/1 has succeeded, exit code 0
    """
    handle = stage.start("first")
    stage.let_go("first/1")
    stage.tell_end("first/1", handle)


@scenario()
def it_fails(stage: Stage) -> None:
    """A job that ends with another exit code has failed, and the code is told.

    first/1 begins
    first/1 reports failed
    first/1 has failed, exit code 3
    """
    stage.tell_end("first/1", stage.submit("first", script=FAILS))


@scenario()
def it_is_killed(stage: Stage) -> None:
    """A job whose process is killed has failed, and the signal is told.

    first/1 begins
    first/1 has failed, killed by SIGKILL
    """
    handle = stage.start("first")
    stage.kill("first/1")
    stage.tell_end("first/1", handle)


@scenario("crowded_out")
def it_waits_for_a_machine(stage: Stage) -> None:
    """A job that waits says why, and runs as soon as it can.

    first/1 is pending and waits for a machine, and it is said why
    first/1 begins
    first/1 reports completed
    first/1 has succeeded, exit code 0
    """
    with stage.crowded_out(stage.job(stage.key("first"), SUCCEEDS)) as job:
        handle = stage.ask(lambda: stage.current.submit(job))
        stage.tell_why_it_waits("first/1", handle, hopeless=False)
    stage.tell_end("first/1", handle)


@scenario("hopeless")
def it_waits_in_vain(stage: Stage) -> None:
    """A job that waits for what cannot come says so, and can be stopped.

    first/1 is pending and waits for what cannot come, and it is said why
    first/1 has ended
    """
    with stage.hopeless(stage.job(stage.key("first"), SUCCEEDS)) as job:
        handle = stage.ask(lambda: stage.current.submit(job))
        stage.tell_why_it_waits("first/1", handle, hopeless=True)
        stage.ask(lambda: stage.current.stop(handle))
        stage.tell_end("first/1", handle, stopped=True)


@scenario("refused")
def it_is_refused(stage: Stage) -> None:
    """A job that the platform will never take is refused in words, and there is none.

    first/1 is refused in words
    found: nothing
    """
    job = stage.refused(stage.job(stage.key("first"), SUCCEEDS))
    try:
        stage.ask(lambda: stage.current.submit(job))
    except stage.engine("protocols").JobRefused as refusal:
        stage.tell(f"first/1 is refused{' in words' if str(refusal) else ''}")
    stage.tell_found()


@scenario("crowded_out", "preempt")
def its_machine_is_taken_away(stage: Stage) -> None:
    """A job whose machine was taken away before it began says so.

    first/1 has failed, its machine was taken away
    """
    with stage.crowded_out(stage.job(stage.key("first"), SUCCEEDS)) as job:
        handle = stage.ask(lambda: stage.current.submit(job))
        stage.tell_why_it_waits("first/1", handle, hopeless=False)
        stage.story.clear()
        stage.preempt(handle)
        stage.tell_end("first/1", handle)


@scenario("lose")
def it_is_lost(stage: Stage) -> None:
    """A job that the platform has lost is left out, and is not found.

    first/1 begins
    first/1 has failed, it is lost
    found: nothing
    """
    handle = stage.start("first")
    stage.lose(handle)
    stage.tell_end("first/1", handle)
    stage.tell_found()


# ---- One key, one job


@scenario()
def it_is_submitted_twice(stage: Stage) -> None:
    """One key is one job, while it runs and when it has ended, whoever submits it.

    first/1 begins
    the same job: True
    first/1 reports completed
    first/1 has succeeded, exit code 0
    the same job: True
    second/1 begins
    second/1 reports completed
    second/1 has succeeded, exit code 0
    found: first/1, second/1
    """
    handle = stage.start("first")
    stage.tell_said()
    stage.current = stage.platform()
    stage.tell(f"the same job: {stage.submit('first') == handle}")
    stage.let_go("first/1")
    stage.tell_end("first/1", handle)
    stage.current = stage.platform()
    stage.tell(f"the same job: {stage.submit('first') == handle}")
    # Whatever that has started has begun by the time at which another one has ended.
    stage.tell_end("second/1", stage.submit("second", script=SUCCEEDS))
    stage.tell_found("first/1", "second/1")


@scenario()
def it_is_tried_again(stage: Stage) -> None:
    """Another attempt is another job, and all attempts are found.

    first/1 begins
    first/1 reports failed
    first/1 has failed, exit code 3
    first/2 begins
    another job: True
    first/2 reports completed
    first/2 has succeeded, exit code 0
    found: first/1, first/2
    """
    handle = stage.submit("first", script=FAILS)
    stage.tell_end("first/1", handle)
    again = stage.start("first", 2)
    stage.tell_said()
    stage.tell(f"another job: {handle != again}")
    stage.let_go("first/2")
    stage.tell_end("first/2", again)
    stage.current = stage.platform()
    stage.tell_found("first/1", "first/2")


@scenario()
def there_are_two_runs(stage: Stage) -> None:
    """Only the jobs of the run are found that is asked for.

    found: first/1
    found: second/1
    found: nothing
    """
    stage.submit("first")
    key = stage.engine("protocols").JobKey(stage.other_run, "second", 1)
    stage.ask(lambda: stage.current.submit(stage.job(key, SUCCEEDS)))
    stage.tell_found("first/1")
    stage.tell_found("second/1", run=stage.other_run)
    stage.tell_found(run=f"{stage.run[:-1]}y")


@scenario()
def many_are_described_at_once(stage: Stage) -> None:
    """What is asked for is described, and what is unknown is left out.

    nothing is asked for: {}
    first/1: succeeded; second/1: failed; another one: unknown
    """
    handles = [stage.submit("first", script=SUCCEEDS), stage.submit("second", script=FAILS)]
    asked = [*handles, f"{handles[0]}0"]
    stage.tell(f"nothing is asked for: {dict(stage.ask(lambda: stage.current.describe([])))}")
    found: dict[str, Any] = {}

    def all_have_ended() -> bool:
        found.update(stage.ask(lambda: stage.current.describe(asked)))
        return all(each in found and found[each].phase.is_terminal for each in handles)

    stage.until(all_have_ended, "both end")
    words = (found[each].phase.value if each in found else "unknown" for each in asked)
    names = ("first/1", "second/1", "another one")
    stage.tell("; ".join(f"{name}: {word}" for name, word in zip(names, words, strict=True)))


# ---- Stop


@scenario()
def it_obeys_a_stop(stage: Stage) -> None:
    """A job that is stopped hears SIGTERM, and ends.

    first/1 begins
    first/1 hears SIGTERM
    first/1 has ended
    """
    handle = stage.start("first")
    stage.ask(lambda: stage.current.stop(handle))
    stage.tell_end("first/1", handle, stopped=True)


@scenario()
def it_ignores_a_stop(stage: Stage) -> None:
    """A job that ignores SIGTERM is killed after its grace period.

    first/1 begins
    first/1 hears SIGTERM
    first/1 has ended
    """
    handle = stage.start("first", script=Script(waits=True, ignores_sigterm=True))
    stage.ask(lambda: stage.current.stop(handle))
    stage.until_said("first/1 hears SIGTERM")
    stage.tell_end("first/1", handle, stopped=True)


@scenario()
def it_is_stopped_twice(stage: Stage) -> None:
    """A second stop changes nothing, and neither does one after the end.

    first/1 begins
    first/1 hears SIGTERM
    first/1 has ended
    """
    handle = stage.start("first")
    for _ in range(2):
        stage.ask(lambda: stage.current.stop(handle))
    stage.until(lambda: stage.is_over(handle), "it ends")
    stage.ask(lambda: stage.current.stop(handle))
    stage.tell_end("first/1", handle, stopped=True)


@scenario()
def it_is_stopped_at_once(stage: Stage) -> None:
    """A job that was accepted a moment ago can be stopped by another process.

    first/1 has ended
    """
    handle = stage.submit("first")
    stage.current = stage.platform()
    stage.ask(lambda: stage.current.stop(handle))
    stage.until(lambda: stage.is_over(handle), "it ends")
    stage.tell("first/1 has ended")


@scenario("crowded_out")
def it_is_stopped_while_it_waits(stage: Stage) -> None:
    """A job that is stopped before it has begun never begins.

    first/1 is pending and waits for a machine, and it is said why
    first/1 has ended
    """
    with stage.crowded_out(stage.job(stage.key("first"), SUCCEEDS)) as job:
        handle = stage.ask(lambda: stage.current.submit(job))
        stage.tell_why_it_waits("first/1", handle, hopeless=False)
        stage.ask(lambda: stage.current.stop(handle))
        stage.tell_end("first/1", handle, stopped=True)
    stage.tell_said()


@scenario()
def it_is_stopped_after_its_end(stage: Stage) -> None:
    """To stop what has ended, or is unknown, is no error.

    first/1 begins
    first/1 reports completed
    first/1 has succeeded, exit code 0
    """
    handle = stage.submit("first", script=SUCCEEDS)
    stage.tell_end("first/1", handle)
    stage.ask(lambda: stage.current.stop(handle))
    stage.ask(lambda: stage.current.stop(f"{handle}0"))
    stage.tell_said()


# ---- Logs and changes


@scenario("logs")
def its_log_is_read(stage: Stage) -> None:
    """A log is followed to its end, and can be read again after that.

    followed: the first line of first/1 | the last line of first/1
    again: the first line of first/1 | the last line of first/1
    """
    handle = stage.start("first")
    followed: list[str] = []

    def follow() -> None:
        for number, line in enumerate(stage.current.logs(handle, follow=True)):
            if number == len(followed):
                followed.append(line)
                stage.let_go("first/1")

    stage.ask(follow)
    stage.tell(f"followed: {' | '.join(followed)}")
    stage.until(lambda: stage.is_over(handle), "it ends")
    stage.tell(f"again: {' | '.join(stage.ask(lambda: list(stage.current.logs(handle))))}")


@scenario("watch")
def its_changes_are_reported(stage: Stage) -> None:
    """A platform that reports changes reports the end of a job.

    first/1 begins
    first/1 reports completed
    the end is reported
    first/1 has succeeded, exit code 0
    """
    reported: list[str | None] = []
    handle = stage.submit("first")
    with stage.current.watch(stage.run, reported.append):
        stage.until(lambda: stage.phase(handle) == "running", "it runs")
        stage.until_said("first/1 begins")
        reported.clear()
        stage.let_go("first/1")
        stage.until(lambda: {handle, None} & set(reported) and stage.is_over(handle), "a report")
        stage.tell_said()
        stage.tell("the end is reported")
        stage.tell_end("first/1", handle)


# ---- The controller

CHAIN: dict[str, tuple[str, ...]] = {"first": (), "second": ("first",)}
BRANCHES: dict[str, tuple[str, ...]] = {"fails": (), "beside": (), "below": ("beside",)}


def chain(stage: Stage, *scripts: Script, **more: Any) -> Direction:
    """Directs two steps, one below the other; the attempts of the first do what is said."""
    return Direction(stage, CHAIN, {"first": scripts or (SUCCEEDS,)}, **more)


@scenario()
def a_run_succeeds(stage: Stage) -> None:
    """Each step starts when those above it have succeeded.

    first/1 begins
    first/1 reports completed
    second/1 begins
    second/1 reports completed
    first is completed
    second is completed
    the run is completed, and the controller returns True
    found: first/1, second/1
    """
    chain(stage).play()


@scenario()
def a_step_fails(stage: Stage) -> None:
    """Nothing starts below a step that fails.

    first/1 begins
    first/1 reports failed
    first is failed
    second is not run
    the run is failed, and the controller returns False
    found: first/1
    """
    chain(stage, FAILS).play()


@scenario()
def a_step_leaves_without_a_report(stage: Stage) -> None:
    """A step whose process ends with 0, and has reported nothing, has failed.

    first/1 begins
    first is failed
    second is not run
    the run is failed, and the controller returns False
    found: first/1
    """
    chain(stage, LEAVES).play()


@scenario()
def a_step_dies_after_its_report(stage: Stage) -> None:
    """A success that ZenML has stays one, whatever becomes of the job.

    first/1 begins
    first/1 reports completed
    second/1 begins
    second/1 reports completed
    first is completed
    second is completed
    the run is completed, and the controller returns True
    found: first/1, second/1
    """
    chain(stage, Script(exit_code=137)).play()


@scenario()
def a_step_is_tried_again(stage: Stage) -> None:
    """A step with a retry is tried again, in a job of its own.

    first/1 begins
    first/1 reports failed
    first/2 begins
    first/2 reports completed
    second/1 begins
    second/1 reports completed
    first is completed
    second is completed
    the run is completed, and the controller returns True
    found: first/1, first/2, second/1
    """
    chain(stage, FAILS, SUCCEEDS, retries={"first": 1}).play()


@scenario()
def a_step_is_cached(stage: Stage) -> None:
    """A step with an earlier result has no job.

    second/1 begins
    second/1 reports completed
    first is cached
    second is completed
    the run is completed, and the controller returns True
    found: second/1
    """
    stage.cache("first")
    chain(stage).play()


@scenario("refused")
def a_step_is_refused(stage: Stage) -> None:
    """A step whose job the platform refuses has failed.

    first is failed
    second is not run
    the run is failed, and the controller returns False
    found: nothing
    """
    job = stage.refused(stage.job(stage.key("first"), SUCCEEDS))
    chain(stage, jobs=[job]).play(found=False)
    stage.tell_found()


@scenario("hopeless")
def a_step_waits_in_vain(stage: Stage) -> None:
    """A step whose job waits for what cannot come fails, and the job is stopped.

    first is failed
    second is not run
    the run is failed, and the controller returns False
    """
    with stage.hopeless(stage.job(stage.key("first"), SUCCEEDS)) as job:
        chain(stage, jobs=[job]).play(found=False)


@scenario("crowded_out", "preempt")
def a_step_loses_its_machine(stage: Stage) -> None:
    """A job that is preempted before its step begins is submitted again, without a retry.

    first/2 begins
    first/2 reports completed
    first is completed
    the run is completed, and the controller returns True
    """
    with stage.crowded_out(stage.job(stage.key("first"), SUCCEEDS)) as job:
        handles: list[str] = []

        def waits() -> bool:
            handles[:] = stage.ask(lambda: stage.current.find(stage.run)).values()
            return bool(handles and stage.status(handles[0]).reason)

        direction = Direction(stage, {"first": ()}, jobs=[job])
        direction.when(waits, lambda: stage.preempt(handles[0]))
        direction.play(found=False)


@scenario()
def no_more_than_one_at_a_time(stage: Stage) -> None:
    """With `max_parallelism` of 1 a step begins when the one before it has ended.

    one/1 begins
    one/1 reports completed
    other/1 begins
    other/1 reports completed
    one is completed
    other is completed
    the run is completed, and the controller returns True
    found: one/1, other/1
    """
    Direction(stage, {"one": (), "other": ()}, max_parallelism=1).play()


def branches(stage: Stage, mode: ExecutionMode) -> Direction:
    """Directs a step that fails, and one beside it that is at work by then."""
    scripts = {"fails": [Script(3, "failed", waits=True)], "beside": [WAITS]}
    direction = Direction(stage, BRANCHES, scripts, mode, in_order=False)
    both = {"fails/1 begins", "beside/1 begins"}
    direction.when(lambda: both <= set(stage.said()), lambda: stage.let_go("fails/1"))
    if mode is not ExecutionMode.FAIL_FAST:
        direction.when(lambda: "fails" in stage.settled, lambda: stage.let_go("beside/1"))
    return direction


@scenario()
def one_fails_and_the_others_go_on(stage: Stage) -> None:
    """CONTINUE_ON_FAILURE: what does not depend on it is run.

    below/1 begins
    below/1 reports completed
    beside/1 begins
    beside/1 reports completed
    fails/1 begins
    fails/1 reports failed
    fails is failed
    beside is completed
    below is completed
    the run is failed, and the controller returns False
    found: below/1, beside/1, fails/1
    """
    branches(stage, ExecutionMode.CONTINUE_ON_FAILURE).play()


@scenario()
def one_fails_and_nothing_starts(stage: Stage) -> None:
    """STOP_ON_FAILURE: what is at work may finish.

    beside/1 begins
    beside/1 reports completed
    fails/1 begins
    fails/1 reports failed
    fails is failed
    beside is completed
    below is not run
    the run is failed, and the controller returns False
    found: beside/1, fails/1
    """
    branches(stage, ExecutionMode.STOP_ON_FAILURE).play()


@scenario()
def one_fails_and_the_others_are_stopped(stage: Stage) -> None:
    """FAIL_FAST: what is at work is stopped.

    beside/1 begins
    beside/1 hears SIGTERM
    fails/1 begins
    fails/1 reports failed
    fails is failed
    beside is stopped
    below is not run
    the run is failed, and the controller returns False
    """
    branches(stage, ExecutionMode.FAIL_FAST).play(found=False)


@scenario()
def a_run_is_stopped_by_force(stage: Stage) -> None:
    """What is at work is stopped, and nothing starts.

    first/1 begins
    first/1 hears SIGTERM
    first is stopped
    second is not run
    the run is stopped, and the controller returns True
    """
    direction = chain(stage, WAITS)
    direction.when_said("first/1 begins", lambda: stage.ask_for_stop(forced=True))
    direction.play(found=False)


@scenario()
def a_run_is_stopped_gently(stage: Stage) -> None:
    """What is at work may finish, and nothing starts.

    first/1 begins
    first/1 reports completed
    first is completed
    second is not run
    the run is stopped, and the controller returns True
    found: first/1
    """
    direction = chain(stage, WAITS)
    direction.when_said("first/1 begins", lambda: stage.ask_for_stop(forced=False))
    direction.when(lambda: stage.heard_stop, lambda: stage.let_go("first/1"))
    direction.play()


@scenario()
def a_controller_is_killed(stage: Stage) -> None:
    """The next one finds the job in progress, and starts nothing twice.

    first/1 begins
    the controller is killed
    first/1 reports completed
    second/1 begins
    second/1 reports completed
    first is completed
    second is completed
    the run is completed, and the controller returns True
    found: first/1, second/1
    """

    def kill() -> None:
        direction.when(lambda: True, lambda: stage.let_go("first/1"))
        raise ControllerKilledError

    direction = chain(stage, WAITS)
    direction.when_said("first/1 begins", kill)
    direction.play()


@scenario()
def a_controller_is_killed_as_it_submits(stage: Stage) -> None:
    """One that had no time to note what it has submitted is no loss.

    first/1 begins
    the controller is killed
    first/1 reports completed
    second/1 begins
    second/1 reports completed
    first is completed
    second is completed
    the run is completed, and the controller returns True
    found: first/1, second/1
    """
    submit = stage.current.submit

    def submit_and_die(job: Any) -> None:
        submit(job)
        stage.until_said("first/1 begins")
        direction.when(lambda: True, lambda: stage.let_go("first/1"))
        raise ControllerKilledError

    stage.current.submit = submit_and_die
    direction = chain(stage, WAITS)
    direction.play()
