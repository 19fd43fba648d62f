"""The process that `engine.py` measures: the engine's controller on a platform in memory.

Time is virtual: waiting takes none, so what is left is what the engine does. The CPU seconds and
the memory of the platform and of the store count as the engine's, and so does logging.
"""

from __future__ import annotations

import gc
import heapq
import json
import sys
import time
import tracemalloc
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from measure import Sample, alternate
from my_orch.engine.controller import Controller, Plan
from my_orch.engine.job_specs import IN_CONTAINER, JobSpecs
from my_orch.engine.protocols import JobStatus, Phase
from my_orch.engine.run_store import StepRecord, StopRequest
from my_orch.engine.settings import JobSettings
from zenml.config import ResourceSettings
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from my_orch.engine.protocols import JobHandle, JobKey, JobSpec
    from zenml.models import PipelineSnapshotResponse

RUN = "00000000-0000-0000-0000-000000000001"

# How long jobs take, in virtual seconds, in turns. The platform is asked every 5 seconds.
LENGTHS = (7.0, 12.0, 9.5, 5.5, 11.0)
POLL_SECONDS = 5.0

# How many chains lie side by side, and how many jobs are in progress where that is limited.
CHAINS = 40
PARALLEL = 20

# What ZenML puts into the environment of each job: about as many variables of about that size.
ENVIRONMENT = {f"ZENML_VARIABLE_{number}": "x" * 40 for number in range(12)}

KILOBYTE = 1000


class VirtualClock:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        """Starts at 0, with nothing to happen."""
        self._now = 0.0
        self._woken = False
        self.next_event: Callable[[], float] = lambda: float("inf")
        self.happen: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Returns the virtual seconds that have passed."""
        return self._now

    def wait(self, seconds: float) -> None:
        """Moves on by so many seconds, or until something is reported."""
        end = self._now + seconds
        while not self._woken and self.next_event() <= end:
            self._now = max(self._now, self.next_event())
            self.happen()
        if not self._woken:
            self._now = end
        self._woken = False

    def wake(self) -> None:
        """Ends the present wait, or the next."""
        self._woken = True


class Platform:
    """Jobs that take some virtual seconds and then succeed. It has to be asked how they are."""

    transient: tuple[type[Exception], ...] = ()
    poll_seconds = POLL_SECONDS
    unknown_seconds = 60.0

    RUNNING = JobStatus(Phase.RUNNING)
    SUCCEEDED = JobStatus(Phase.SUCCEEDED, exit_code=0)

    def __init__(self, clock: VirtualClock) -> None:
        """Starts without jobs."""
        self._clock = clock
        self._ends: dict[JobHandle, float] = {}
        self.requests = 0

    def submit(self, job: JobSpec) -> JobHandle:  # noqa: ARG002
        """Starts a job."""
        self.requests += 1
        handle = f"job-{len(self._ends)}"
        self._ends[handle] = self._clock.now() + LENGTHS[len(self._ends) % len(LENGTHS)]
        return handle

    def describe(self, handles: Collection[JobHandle]) -> Mapping[JobHandle, JobStatus]:
        """Tells how jobs are."""
        self.requests += 1
        now = self._clock.now()
        return {h: self.SUCCEEDED if self._ends[h] <= now else self.RUNNING for h in handles}

    def find(self, run: str) -> Mapping[JobKey, JobHandle]:  # noqa: ARG002
        """Finds nothing: each run begins here."""
        self.requests += 1
        return {}


class WatchedPlatform(Platform):
    """The same, on a platform that reports each end when it comes."""

    def __init__(self, clock: VirtualClock) -> None:
        """Starts without jobs."""
        super().__init__(clock)
        self._events: list[tuple[float, JobHandle]] = []
        clock.next_event = lambda: self._events[0][0] if self._events else float("inf")

    def submit(self, job: JobSpec) -> JobHandle:
        """Starts a job."""
        handle = super().submit(job)
        heapq.heappush(self._events, (self._ends[handle], handle))
        return handle

    @contextmanager
    def watch(self, run: str, changed: Callable[[JobHandle | None], None]) -> Iterator[None]:  # noqa: ARG002
        """Reports the end of each job."""
        self.requests += 1
        self._clock.happen = lambda: changed(heapq.heappop(self._events)[1])
        yield


class Store:
    """ZenML, for steps of which each succeeds at its first attempt."""

    transient: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        """Knows nothing yet."""
        self.requests = 0

    def stop_request(self) -> StopRequest:
        """Lets the run go on."""
        self.requests += 1
        return StopRequest.NONE

    def step_records(self) -> Mapping[str, StepRecord]:
        """Knows of no step yet."""
        self.requests += 1
        return {}

    def step_record(self, name: str) -> StepRecord:  # noqa: ARG002
        """Says that the step has succeeded. It is asked when the step's job has ended."""
        self.requests += 1
        return StepRecord(attempts=1, succeeded=True)

    def reuse_cached(self, name: str) -> bool:  # noqa: ARG002
        """Has no earlier result."""
        self.requests += 1
        return False

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Is not asked: no step fails."""
        raise NotImplementedError

    def end_run(self, reason: str, *, failed: bool) -> None:
        """Is not asked: no run fails."""
        raise NotImplementedError


class Case(NamedTuple):
    """A kind of run to measure.

    Attributes:
        chains: How many chains of steps lie side by side; None if no step waits for another.
        max_parallelism: How many jobs may be in progress; None for any number.
        platform: On what it runs.
    """

    chains: int | None
    max_parallelism: int | None
    platform: type[Platform]


SHAPES: dict[str, tuple[int | None, int | None]] = {
    "one chain": (1, None),
    "side by side": (None, None),
    f"side by side, {PARALLEL} at a time": (None, PARALLEL),
    f"{CHAINS} chains, {PARALLEL} at a time": (CHAINS, PARALLEL),
}
PLATFORMS = {"polled": Platform, "watched": WatchedPlatform}
CASES = {
    f"{shape}, {how}": Case(*of_shape, platform)
    for shape, of_shape in SHAPES.items()
    for how, platform in PLATFORMS.items()
}


class Run:
    """A run that is about to begin."""

    def __init__(self, case: Case, steps: int) -> None:
        """Makes the engine's controller for it.

        Args:
            case: Of what kind it is.
            steps: How many steps it has.
        """
        chains = steps if case.chains is None else case.chains
        names = [f"step_{number}" for number in range(steps)]
        upstream = {
            name: [names[number - chains]] if number >= chains else []
            for number, name in enumerate(names)
        }
        plan = Plan(
            RUN,
            upstream,
            dict.fromkeys(names),
            ExecutionMode.CONTINUE_ON_FAILURE,
            case.max_parallelism,
        )
        specs = job_specs(names)
        clock = VirtualClock()
        self.store = Store()
        self.platform = case.platform(clock)
        self.controller = Controller(
            plan,
            cast("Any", self.platform),  # what the controller needs of one
            self.store,
            clock,
            specs.job,
        )

    def execute(self) -> None:
        """Takes it to its end.

        Raises:
            RuntimeError: If it failed.
        """
        if not self.controller.run():
            raise RuntimeError("a step failed, and none should")


def job_specs(names: Collection[str]) -> JobSpecs:
    """Returns what makes the jobs of a run: the engine's own, for a made-up snapshot."""
    config = SimpleNamespace(resource_settings=ResourceSettings())
    snapshot = SimpleNamespace(
        id=UUID(RUN),
        is_dynamic=False,
        project_id=UUID(RUN),
        pipeline_configuration=SimpleNamespace(name="benchmark"),
        step_configurations=dict.fromkeys(names, SimpleNamespace(config=config)),
    )
    settings = JobSettings()
    return JobSpecs(
        snapshot=cast("PipelineSnapshotResponse", snapshot),
        run=RUN,
        run_name="benchmark",
        entrypoint=IN_CONTAINER,
        settings_for=lambda _: settings,
        image_for=lambda _: "registry.invalid/benchmark:1",
        grace_seconds=lambda _: 30.0,
        environment=ENVIRONMENT,
        environment_of=lambda _: ENVIRONMENT,
        run_id={"BENCHMARK_RUN_ID": RUN},
    )


def milliseconds(case: Case, steps: int) -> Sample:
    """Measures the CPU milliseconds of a run, per step."""
    run = Run(case, steps)
    gc.collect()
    began = time.process_time()
    run.execute()
    return Sample((time.process_time() - began) * 1000 / steps)


def peak(case: Case, steps: int) -> float:
    """Measures the bytes that a run takes at most, its plan included."""
    gc.collect()
    tracemalloc.start()
    try:
        run = Run(case, steps)
        run.execute()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def kilobytes(case: Case, few: int, many: int) -> Sample:
    """Measures by how much a run's memory grows with each step, in kB."""
    return Sample((peak(case, many) - peak(case, few)) / (many - few) / KILOBYTE)


def requests(case: Case, steps: int) -> dict[str, Sample]:
    """Counts the requests of a run to the platform and to ZenML, per step."""
    run = Run(case, steps)
    run.execute()
    return {
        "platform": Sample(run.platform.requests / steps),
        "ZenML": Sample(run.store.requests / steps),
    }


def measure(case: Case, rounds: int, few: int, many: int) -> dict[str, Any]:
    """Measures a case.

    Args:
        case: The case.
        rounds: How often to measure what is not the same each time.
        few: The number of steps to compare with.
        many: The number of steps that it is about.
    """
    times = alternate(rounds, {str(n): partial(milliseconds, case, n) for n in (few, many)})
    return {
        "milliseconds": times,
        "kilobytes": [kilobytes(case, few, many)],
        "requests": {str(n): requests(case, n) for n in (few, many)},
    }


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `rounds`, `few` and `many`, see `measure`; `found`, the file.
    """
    sizes = arguments["rounds"], arguments["few"], arguments["many"]
    found = {name: measure(case, *sizes) for name, case in CASES.items()}
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
