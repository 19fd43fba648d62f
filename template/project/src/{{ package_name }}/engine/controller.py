# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The controller: it takes one run from its first job to its end.

All it knows it can find out again: the platform knows the jobs, ZenML knows how steps have ended.
So it may be killed at any moment, and a new one continues. It works in passes. Each call of a pass
may fail because the platform or ZenML is away; the pass is then given up, and repeated later, and
what it has done already it does not do again. Between passes it waits, and nowhere else. One that
continues a run makes no pass until the platform knows all that was submitted before.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING

from zenml.enums import ExecutionMode
from zenml.logger import get_logger

from .clock import Clock, backoff
from .dag import Dag
from .log_follower import with_last_lines
from .protocols import JobRefused, JobStatus, Phase, Watches
from .retries import retry_delay
from .run_store import StepRecord, StopRequest, ZenMLRun
from .sightings import LOST, Sighting, describe_end
from .texts import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from zenml.config.retry_config import StepRetryConfig

    from .protocols import JobHandle, JobKey, JobPlatform, JobSpec

logger = get_logger(__name__)

# How often ZenML is asked whether the run is to be stopped while jobs are in progress, and how old
# the answer may be when another step starts, in seconds.
STOP_POLL_SECONDS = 1.0
FRESH_SECONDS = 0.2

# How long a request may be on its way whose answer was lost, in seconds.
IN_FLIGHT_SECONDS = 60.0

NEVER = float("-inf")


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        run: The ID of the run in ZenML.
        upstream: For each step, the steps that it waits for.
        retries: For each step, how often and when it is tried again.
        mode: What a failed step means for the others.
        max_parallelism: How many jobs may be in progress at the same time; None for any number.
        what: What a person calls what is run: a step, or a pipeline.
    """

    run: str
    upstream: Mapping[str, Collection[str]]
    retries: Mapping[str, StepRetryConfig | None]
    mode: ExecutionMode
    max_parallelism: int | None = None
    what: str = "Step"


@dataclass
class Attempt:
    """One attempt of a step, in progress.

    Attributes:
        number: Which attempt it is: the last part of its key.
        sighting: What was seen of its job.
        handle: Its job; None while the answer to its submission is missing.
        asked_at: When it was submitted last, by the controller's clock.
        to_stop: Whether its job is to be stopped.
        end: How its job has ended. The first end that is seen counts.
        verdict: How it is to end, as its job waits for what cannot come.
        waits_for: What its job waits for, in words.
    """

    number: int
    sighting: Sighting
    handle: JobHandle | None = None
    asked_at: float = 0.0
    to_stop: bool = False
    end: JobStatus | None = None
    verdict: JobStatus | None = None
    waits_for: str = ""


@dataclass(eq=False, repr=False)
class Controller:
    """One execution of a pipeline whose steps are jobs.

    Attributes:
        plan: What is to be done.
        platform: Where the jobs run.
        store: ZenML.
        clock: Tells the time, and waits.
        job_of: Makes the job of a step's attempt.
    """

    plan: Plan
    platform: JobPlatform
    store: ZenMLRun
    clock: Clock
    job_of: Callable[[str, int], JobSpec]

    def __post_init__(self) -> None:
        """Begins with nothing known of the run."""
        self._dag = Dag(self.plan.upstream)
        self._limit = self.plan.max_parallelism or max(1, len(self.plan.upstream))
        # When the platform knows all that a controller before this one has submitted.
        self._known_at = self.clock.now() + self.platform.unknown_seconds
        self._is_recovered = False
        self._watched = False
        self._attempts: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        # How many attempts of a step ZenML had when the last one was submitted.
        self._begun: dict[str, int] = {}
        self._active: dict[str, Attempt] = {}
        self._steps: dict[JobHandle, str] = {}
        # The active steps with which something is to be done: whose submission has no answer, whose
        # job is to be stopped, or whose job has ended.
        self._pending: dict[str, None] = {}
        # The steps that are tried again, with the time at which that is due.
        self._due: dict[str, float] = {}
        self._causes: dict[str, str] = {}
        self._stop = StopRequest.NONE
        self._asked_for_stop = NEVER
        # When all jobs were looked at; what the platform's threads have reported since.
        self._looked = NEVER
        self._changed: SimpleQueue[JobHandle | None] = SimpleQueue()
        self._interrupted = False

    def run(self) -> bool:
        """Takes the run to its end.

        Returns:
            Whether it has not failed. ZenML knows of successes and stops.
        """
        failures = 0
        with ExitStack() as watch:
            while True:
                try:
                    self._open(watch)
                    if self._is_recovered and self._advance():
                        return not self._causes or self._stop is not StopRequest.NONE
                except (*self.platform.transient, *self.store.transient) as error:
                    logger.warning("The run is delayed, since there was no answer: %s", error)
                    pause, failures = backoff(failures, error), failures + 1
                else:
                    pause, failures = self._pause(), 0
                self.clock.wait(pause)

    def interrupt(self) -> None:
        """Asks for a forced stop, from any thread of this process."""
        self._interrupted = True
        self.clock.wake()

    def _note(self, handle: JobHandle | None) -> None:
        """Notes that a job may have changed, or that several may have."""
        self._changed.put(handle)
        self.clock.wake()

    def _open(self, watch: ExitStack) -> None:
        if isinstance(self.platform, Watches) and not self._watched:
            watch.enter_context(self.platform.watch(self.plan.run, self._note))
            self._watched = True
        if not self._is_recovered:
            self._is_recovered = self._recover()

    def _recover(self) -> bool:
        """Finds out how far a controller has come that was killed.

        Returns:
            Whether it is known. If not, the platform may not know yet what was submitted last.
        """
        jobs = last_jobs(self.platform.find(self.plan.run))
        records = self.store.step_records()
        # What the client has found in the cache, no controller has begun.
        begun = {name for name, record in records.items() if not record.succeeded}
        begun |= jobs.keys() & self.plan.upstream.keys()
        if begun and self.clock.now() < self._known_at:
            return False
        # In the order of the DAG, since a step is ready when those above it are done.
        while ready := [n for n in self._dag.unstarted if n in jobs or n in records]:
            for name in ready:
                self._dag.started(name)
                record = records.get(name, StepRecord())
                if record.succeeded:
                    self._dag.succeeded(name)
                    continue
                number, handle = jobs.get(name, (0, None))
                self._failures[name] = self._begun[name] = max(0, record.attempts - 1)
                attempt = self._note_attempt(name, max(number, record.attempts))
                # Later jobs may be lost without a trace, those of attempts that have begun and one
                # more. A key of theirs would bring back what is lost.
                self._attempts[name] += record.attempts + 1
                if handle is None or number < record.attempts:  # Each attempt had a job.
                    attempt.end = JobStatus(Phase.FAILED, LOST)
                else:
                    attempt.handle = handle
                    self._steps[handle] = name
        return True

    def _note_attempt(self, name: str, number: int) -> Attempt:
        """Notes that an attempt is in progress, of which the job is still to be had."""
        attempt = Attempt(number, Sighting(self.clock.now(), self.platform.unknown_seconds))
        self._attempts[name] = number
        self._active[name] = attempt
        self._pending[name] = None
        return attempt

    def _advance(self) -> bool:
        """Makes one pass, and tells whether the run has ended."""
        self._look_for_stop(STOP_POLL_SECONDS)
        self._observe()
        self._do_pending()
        while self._start_ready():
            self._do_pending()
        if self._active or self._due or self._may_have_strays():
            return False
        if self._stop is not StopRequest.NONE:
            self.store.end_run("The run was stopped.", failed=False)
        elif self._causes:
            causes = "; ".join(f"`{name}` failed: {why}" for name, why in self._causes.items())
            if self._dag.skipped:
                causes += f"; not run: {', '.join(self._dag.skipped)}"
            self.store.end_run(shorten(causes), failed=True)
        return True

    def _may_have_strays(self) -> bool:
        """Finds jobs of a controller before this one that the platform did not know at first.

        Only of a run that ends before all its steps have run. Any other submits them again itself,
        which finds them.
        """
        if self.platform.unknown_seconds <= 0 or not self._dag.skipped:
            return False
        if self.clock.now() < self._known_at:
            return True
        self._recover()
        if self._stop is not StopRequest.GRACEFUL:
            self._ask_to_stop(self._active)
        return bool(self._active)

    def _pause(self) -> float:
        """Returns the seconds until something is due, whatever is reported before."""
        now = self.clock.now()
        if not self._is_recovered:
            return max(0.0, self._known_at - now)
        due = [self._looked + self.platform.poll_seconds]
        if len(self._active) < self._limit:
            due += self._due.values()
        if self._stop is not StopRequest.FORCED:
            due.append(self._asked_for_stop + STOP_POLL_SECONDS)
        has_ended = any(self._active[name].end is not None for name in self._pending)
        return 0.0 if has_ended else max(0.0, min(due) - now)

    # ---- Stop

    def _look_for_stop(self, max_age: float) -> None:
        """Asks ZenML whether the run is to be stopped, unless it is known from just before."""
        if self._interrupted:
            found = StopRequest.FORCED
        elif self._stop is StopRequest.FORCED or self.clock.now() < self._asked_for_stop + max_age:
            return
        else:
            found = self.store.stop_request()
        self._asked_for_stop = self.clock.now()
        if found is StopRequest.NONE or found is self._stop:
            return
        logger.warning("The run is being stopped: no further step is started.")
        self._stop = found
        self._halt()
        if found is StopRequest.FORCED:
            self._ask_to_stop(self._active)

    def _halt(self) -> None:
        self._dag.halted = True
        self._due.clear()

    def _ask_to_stop(self, names: Iterable[str]) -> None:
        for name in names:
            self._active[name].to_stop = True
            self._pending[name] = None

    # ---- What has become of jobs

    def _observe(self) -> None:
        """Asks the platform how jobs are: of those that have changed, or of all when it is time."""
        now, looked = self.clock.now(), self._looked
        changed = {self._changed.get() for _ in range(self._changed.qsize())}
        handles = [handle for handle in changed if handle in self._steps]
        if None in changed or now >= looked + self.platform.poll_seconds:
            looked, handles = now, [*self._steps]
        self._looked = NEVER  # Without an answer, whatever has changed is still to be seen.
        found = self.platform.describe(handles) if handles else {}
        self._looked = looked
        for handle in handles:
            self._judge(self._steps[handle], found.get(handle))

    def _judge(self, name: str, status: JobStatus | None) -> None:
        attempt = self._active[name]
        if attempt.end is not None:
            return
        status = attempt.sighting.look(status, self.clock.now())
        if status is None:
            return
        if status.phase.is_terminal:
            attempt.end = attempt.verdict or status
            self._pending[name] = None
        elif status.hopeless and attempt.verdict is None:
            # It is stopped, and its step fails with the reason once nothing of it is left.
            attempt.verdict = replace(status, phase=Phase.FAILED)
            self._pending[name] = None
        elif status.reason not in ("", attempt.waits_for):
            attempt.waits_for = status.reason
            logger.info("%s `%s` waits: %s", self.plan.what, name, status.reason)

    def _do_pending(self) -> None:
        """Does what is to be done with active steps.

        Ends come first: they may say that others are to be stopped, and a stop that is not answered
        shall keep none of them from being told.
        """
        for name in [name for name in self._pending if self._active[name].end is not None]:
            attempt = self._active[name]
            self._settle(name, attempt)
            if attempt.handle is not None:
                self._steps.pop(attempt.handle, None)
            del self._active[name], self._pending[name]
        jobs = cache(lambda: last_jobs(self.platform.find(self.plan.run)))
        for name in list(self._pending):
            attempt = self._active[name]
            if attempt.handle is None and not self._dag.halted:
                # Its submission was not answered. To repeat it starts nothing twice.
                self._submit(name)
            elif attempt.handle is None:
                # Nothing may start any more: the platform is asked instead, once for all of them,
                # and for long enough that a request on its way has arrived.
                number, handle = jobs().get(name, (0, None))
                if handle is not None and number >= attempt.number:
                    self._know(name, handle)
                elif self.clock.now() - attempt.asked_at > IN_FLIGHT_SECONDS:
                    del self._active[name], self._pending[name]
            if attempt.handle is not None:
                if attempt.to_stop or attempt.verdict is not None:
                    self.platform.stop(attempt.handle)
                del self._pending[name]

    def _settle(self, name: str, attempt: Attempt) -> None:
        """Decides what the end of a job means for its step, and tells ZenML if it does not know.

        Whether a step has succeeded is ZenML's word; whether its job lives is the platform's.
        """
        end = attempt.end
        assert end is not None
        record = self.store.step_record(name)
        if record.succeeded:
            logger.info("%s `%s` has finished.", self.plan.what, name)
            self._dag.succeeded(name)
            return
        stopped = attempt.to_stop or self._stop is not StopRequest.NONE
        begun = record.attempts > self._begun.get(name, 0)
        cause = describe_end(end)
        if end.preempted and not begun and not stopped:
            # The step has lost nothing, and ZenML does not know of this attempt.
            logger.warning("%s `%s` is submitted again: %s", self.plan.what, name, cause)
            self._due[name] = self.clock.now()
            return
        if not stopped and attempt.handle is not None:
            cause = with_last_lines(self.platform, attempt.handle, cause)
        if begun or not record.attempts:
            cause = self.store.end_step(name, cause, stopped=stopped)
        if stopped:
            return
        self._begun[name] = max(1, record.attempts)  # It has one that has not begun, if no other.
        self._failures[name] = self._failures.get(name, 0) + 1
        delay = retry_delay(self.plan.retries.get(name), self._failures[name])
        if delay is not None and not self._dag.halted:
            logger.warning("%s `%s` failed and is tried again: %s", self.plan.what, name, cause)
            self._due[name] = self.clock.now() + delay
            return
        logger.error("%s `%s` failed: %s", self.plan.what, name, cause)
        self._causes[name] = cause
        if self.plan.mode is not ExecutionMode.CONTINUE_ON_FAILURE:
            self._halt()
        if self.plan.mode is ExecutionMode.FAIL_FAST:
            self._ask_to_stop(n for n, other in self._active.items() if other.end is None)

    # ---- Starting jobs

    def _start_ready(self) -> bool:
        """Starts what may start, and tells whether anything has changed by that."""
        now = self.clock.now()
        room = max(0, self._limit - len(self._active))
        again = [name for name, due in self._due.items() if due <= now][:room]
        ready = self._dag.ready(room - len(again))
        if not again and not ready:
            return False
        self._look_for_stop(FRESH_SECONDS)
        if self._stop is not StopRequest.NONE:
            return True
        for name in again:
            self._begin(name)
        for name in ready:
            if self.store.reuse_cached(name):
                logger.info("%s `%s` is cached.", self.plan.what, name)
                self._dag.started(name)
                self._dag.succeeded(name)
            else:
                self._begin(name)
        return True

    def _begin(self, name: str) -> None:
        """Begins an attempt. What is submitted stays noted, whether or not there is an answer."""
        if self._due.pop(name, None) is None:
            self._dag.started(name)
        self._note_attempt(name, self._attempts.get(name, 0) + 1)
        self._submit(name)

    def _submit(self, name: str) -> None:
        attempt = self._active[name]
        attempt.asked_at = self.clock.now()
        try:
            handle = self.platform.submit(self.job_of(name, attempt.number))
        except JobRefused as error:
            attempt.end = JobStatus(Phase.FAILED, f"the platform refuses its job: {error}")
        else:
            self._know(name, handle)

    def _know(self, name: str, handle: JobHandle) -> None:
        attempt = self._active[name]
        if (other := self._steps.get(handle, name)) != name:
            reason = f"the platform takes its job for that of `{other}`: {handle}"
            attempt.end = JobStatus(Phase.FAILED, reason)
            return
        attempt.handle = handle
        attempt.sighting = Sighting(self.clock.now(), self.platform.unknown_seconds)
        self._steps[handle] = name
        if self._watched:  # What it has reported of a job that was not known yet was not heard.
            self._note(handle)
        logger.info("%s `%s` is submitted: %s", self.plan.what, name, handle)


def last_jobs(found: Mapping[JobKey, JobHandle]) -> dict[str, tuple[int, JobHandle]]:
    """Returns the last job of each step of a run, with its attempt's number."""
    return {key.step: (key.attempt, found[key]) for key in sorted(found)}
