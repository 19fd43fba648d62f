"""The clients of a service that runs the DAG, in virtual time: at random, and planted faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from engine.protocols import JobKey, JobStatus, Phase
from engine.services import orchestrator as services
from engine.sightings import LOST
from service_simulation import (
    ExecutionId,
    Orchestrator,
    ServiceScenario,
    ServiceWorld,
    explore,
    simulate,
    simulated,
)
from simulation import Ending
from zenml.enums import ExecutionMode, ExecutionStatus

if TYPE_CHECKING:
    from engine.protocols import JobHandle, JobPlatform
    from zenml.models import PipelineRunResponse

# How many runs the gate explores.
RUNS = 2000


def test_all_invariants_hold_in_runs_at_random() -> None:
    violation = explore(range(RUNS))
    assert violation is None, str(violation)


# ---- Faults that are planted, each in an orchestrator with one method wrong


class NotFoundOnceIsLost(Orchestrator):
    """Takes an execution that the service does not know yet for lost."""

    def _own_job_status(self, run: PipelineRunResponse) -> JobStatus | None:
        own = str(self._own_job(run))
        found = self._ask(lambda: self.platform.describe([own]))
        return found.get(own) or JobStatus(Phase.FAILED, LOST)


class NobodySettles(Orchestrator):
    """Tells how a run is, and leaves the rest to a client that waits."""

    def fetch_status(self, run: PipelineRunResponse, include_steps: bool = False) -> Any:
        return run.status, None


class CausesAreForgotten(Orchestrator):
    """Does not ask the service how the steps have ended."""

    def _jobs_of_steps(self, run: PipelineRunResponse) -> dict[str, JobStatus]:
        return {}


class StopStopsNothing(Orchestrator):
    """Tells ZenML alone that a run is stopped."""

    def _stop_jobs(
        self, run: PipelineRunResponse, spared: JobHandle | None = None
    ) -> list[Exception]:
        """Does nothing."""
        return []


class SecretsStay(Orchestrator):
    """Does not clean up."""

    def _stop_leftovers(self, run: PipelineRunResponse, end: JobStatus) -> None:
        """Does nothing."""


@pytest.mark.parametrize(
    "faulty",
    [NotFoundOnceIsLost, NobodySettles, CausesAreForgotten, StopStopsNothing, SecretsStay],
)
def test_a_planted_fault_is_found(faulty: type[Orchestrator]) -> None:
    violation = explore(range(RUNS), faulty)
    assert violation is not None
    assert "seed" in str(violation)
    assert "the execution is created" in str(violation)  # It comes with its story.


# ---- Single stories

DAG: dict[str, Any] = {"upstream": {"first": (), "second": ("first",)}}


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("hopeless", [True, False])
def test_an_execution_that_never_starts_fails_the_run_with_its_cause(
    waits: bool, hopeless: bool
) -> None:
    why = "the quota is used up"
    result = simulate(ServiceScenario(**DAG, waits=waits, never_starts=why, hopeless=hopeless))
    zenml = result.world.zenml
    assert zenml.status is ExecutionStatus.FAILED
    assert zenml.reason == f"its own job failed: {why}"
    assert not result.world.service.secrets


@pytest.mark.parametrize("waits", [True, False])
def test_a_step_whose_machine_is_lost_is_failed_with_its_cause(waits: bool) -> None:
    endings = {"first": (Ending(what="lost"),)}
    zenml = simulate(ServiceScenario(**DAG, endings=endings, waits=waits)).world.zenml
    step = zenml.steps["first"]
    assert (zenml.status, step.status) == (ExecutionStatus.FAILED, ExecutionStatus.FAILED)
    assert step.exception_info.message == "the machine was lost"


def test_a_step_that_is_lost_after_another_has_failed_is_ended_by_who_asks() -> None:
    endings = {"fails": (Ending(what="fail"),), "lost": (Ending(seconds=60, what="vanish"),)}
    scenario = ServiceScenario(
        upstream={"fails": (), "lost": ()},
        endings=endings,
        mode=ExecutionMode.CONTINUE_ON_FAILURE,
        waits=False,
    )
    zenml = simulate(scenario).world.zenml
    assert zenml.steps["lost"].status is ExecutionStatus.FAILED


@pytest.mark.parametrize("away", ["zenml_away", "platform_away"])
def test_a_run_is_late_and_nothing_else_when_one_of_the_two_is_away(away: str) -> None:
    result = simulate(ServiceScenario(**DAG, **{away: (8.0, 308.0)}))
    assert result.told is None
    assert result.world.zenml.status is ExecutionStatus.COMPLETED
    assert result.world.time > 300


class IdInside(Orchestrator):
    """Its service tells the ID of an execution to the execution's own processes alone."""

    class OfProcesses(ExecutionId):
        """A strategy that asks each process."""

        def of_job(self, platform: JobPlatform, handle: JobHandle) -> None: ...

    run_id = OfProcesses()


def test_a_run_can_be_found_whose_id_its_client_does_not_know() -> None:
    result = simulate(ServiceScenario(**DAG), cls=IdInside)
    assert result.world.zenml.status is ExecutionStatus.COMPLETED
    assert result.world.zenml.metadata == {"controller_job": "run//controller/1"}


def test_a_forced_stop_cleans_up_though_nobody_waits() -> None:
    result = simulate(ServiceScenario(**DAG, waits=False, stop_at=5.0, forced=True))
    assert result.world.zenml.status is ExecutionStatus.STOPPED
    assert not result.world.service.secrets


class ManyJobs:
    """A service with two jobs of a run, of which it refuses to stop the first."""

    transient = ()
    unknown_seconds = 0.0

    def __init__(self) -> None:
        """Has stopped none."""
        self.stopped: list[str] = []

    def find(self, run: str) -> dict[JobKey, str]:
        return {JobKey(run, name, 1): name for name in ("first", "second", "ended")}

    def current_job(self) -> str:
        return "own"

    def describe(self, handles: object) -> dict[str, JobStatus]:
        return {"own": JobStatus(Phase.RUNNING), "ended": JobStatus(Phase.SUCCEEDED)}

    def stop(self, handle: str) -> None:
        self.stopped.append(handle)
        if handle == "first":
            raise PermissionError("it may not be stopped")


@pytest.mark.parametrize("who", ["a user", "its function"])
def test_a_stop_that_is_refused_keeps_nobody_from_stopping_the_others(
    who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ServiceWorld(ServiceScenario(**DAG), 0)
    world.zenml.metadata = {"controller_job": "own"}
    world.service = jobs = cast("Any", ManyJobs())
    monkeypatch.setattr(services, "is_dynamic", lambda _: True)
    with simulated(world):
        if who == "a user":  # who is told, and can ask again
            with pytest.raises(PermissionError, match="may not be stopped"):
                Orchestrator(world)._stop_run(world.zenml.run)
        else:  # which ends the run then
            Orchestrator(world).stop_others(world.zenml.run)
    assert jobs.stopped == [*(["own"] if who == "a user" else []), "first", "second"]
