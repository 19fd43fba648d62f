"""The controller in virtual time: runs at random, and the faults that they must find.

`python tests/engine/explore.py 100000` explores more of them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import simulation
from engine.controller import Controller, Plan
from engine.protocols import JobStatus, Phase
from simulation import Ending, Scenario, ViolationError, explore, simulate
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.controller import Attempt

# How many runs the gate explores, in how many parts, so that they are shared out.
RUNS = 2000
PARTS = 4


@pytest.fixture(autouse=True)
def without_log() -> Iterator[None]:
    """Saves most of the time: an hour without an answer is many warnings."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
def test_all_invariants_hold_in_runs_at_random(part: int) -> None:
    size = RUNS // PARTS
    violation = explore(range(part * size, (part + 1) * size))
    assert violation is None, str(violation)


# ---- Faults that are planted, each in a controller with one method wrong


class LostAnswerSubmitsTwice(Controller):
    """Takes a submission without an answer for one that did not arrive."""

    def _do_pending(self) -> None:
        for name, attempt in self._active.items():
            if attempt.handle is None and attempt.end is None:
                self._attempts[name] = attempt.number = attempt.number + 1
        super()._do_pending()


class RestartForgetsAttempts(Controller):
    """Begins anew when it is started again."""

    def _recover(self) -> bool:
        """Finds nothing out."""
        return True


class StopIsOvertakenByAStart(Controller):
    """Drops a submission without an answer when the run is stopped, though it may have arrived."""

    def _do_pending(self) -> None:
        if self._dag.halted:
            for name, attempt in list(self._active.items()):
                if attempt.handle is None and attempt.end is None:
                    del self._active[name], self._pending[name]
        super()._do_pending()


class StaleStatusEndsAStepTwice(Controller):
    """Gives all attempts of a step one key, so that the end of the first ends the second too."""

    def __init__(self, *arguments: Any) -> None:
        *others, job_of = arguments
        super().__init__(*others, lambda name, _: job_of(name, 1))


class OutageCountsAsFailure(Controller):
    """Takes jobs that cannot be asked for as failed."""

    def _observe(self) -> None:
        try:
            super()._observe()
        except self.platform.transient:
            for name, attempt in self._active.items():
                if attempt.handle is not None:
                    attempt.end = JobStatus(Phase.FAILED, "the platform is away")
                    self._pending[name] = None


@pytest.mark.parametrize(
    "faulty",
    [
        LostAnswerSubmitsTwice,
        RestartForgetsAttempts,
        StopIsOvertakenByAStart,
        StaleStatusEndsAStepTwice,
        OutageCountsAsFailure,
    ],
)
def test_a_planted_fault_is_found(faulty: type[Controller]) -> None:
    violation = explore(range(RUNS), faulty)
    assert violation is not None
    assert "seed" in str(violation)
    assert "is created" in str(violation)  # It comes with its story.


def test_a_restart_counts_attempts_that_never_began() -> None:
    # The first attempt never begins, so ZenML has no record that counts it: only the platform has.
    killed = Scenario(
        {"s": ()},
        endings={"s": (Ending(pending=9, what="hopeless"), Ending(pending=9, seconds=30))},
        retries={"s": 2},
        kills=(5, 60),
    )
    assert simulate(killed).status == "completed"


def test_a_restart_that_forgets_attempts_is_found_by_a_story_of_its_own() -> None:
    # It is stopped while there is no controller, and its job, which never begins, is known to the
    # platform alone.
    killed = Scenario(
        {"s": ()}, endings={"s": (Ending(what="hopeless"),)}, kills=(21,), stop_at=10, forced=False
    )
    assert simulate(killed).status == "stopped"
    with pytest.raises(ViolationError, match=r"the run has ended, and .* go on"):
        simulate(killed, controller_class=RestartForgetsAttempts)


def test_the_end_of_an_attempt_is_told_whatever_attempts_before_it_never_began() -> None:
    # ZenML counts those that have begun, the controller counts all.
    tries = ("fail", "hopeless", "leave", "succeed")
    result = simulate(
        Scenario({"s": ()}, endings={"s": tuple(Ending(what=it) for it in tries)}, retries={"s": 3})
    )
    assert result.status == "completed"
    statuses = [run.status for run in result.world.zenml.steps["s"]]
    assert statuses == ["failed", "failed", "completed"]


# ---- At once, though others do not answer


def when(result: simulation.Result, what: str) -> float:
    """Returns when something was told of a run for the first time, in seconds."""
    return next(float(line[:9]) for line in result.world.story if line.endswith(what))


@pytest.mark.parametrize(("watched", "seen"), [(False, 10.0), (True, 6.2)])
def test_a_failure_stops_the_others_in_the_pass_that_sees_it(watched: bool, seen: float) -> None:
    failing = Scenario(
        {"a": (), "b": ()},
        mode=ExecutionMode.FAIL_FAST,
        endings={"a": (Ending(seconds=5, what="fail"),), "b": (Ending(seconds=500),)},
        watched=watched,
        zenml_away=(seen + 0.1, 3600.0),
    )
    assert when(simulate(failing), "run/b/1 is asked to stop") <= seen


@pytest.mark.parametrize("watched", [False, True])
def test_a_refusal_stops_the_others_before_they_begin(watched: bool) -> None:
    refused = Scenario(
        {"a": (), "b": ()},
        mode=ExecutionMode.FAIL_FAST,
        endings={"a": (Ending(seconds=500),), "b": (Ending(what="refused"),)},
        watched=watched,
    )
    result = simulate(refused)
    assert when(result, "run/a/1 is asked to stop") == 0
    (reason,) = (line for line in result.world.story if "that the run failed" in line)
    assert reason.endswith("`b` failed: the platform refuses its job: it is refused")


@pytest.mark.parametrize("watched", [False, True])
def test_a_job_that_is_found_after_a_stop_is_stopped_at_once(watched: bool) -> None:
    lost = Scenario(
        {"a": ()},
        endings={"a": (Ending(pending=500),)},
        watched=watched,
        lost_answers=1.0,
        faults_until=1.1,
        stop_at=0.1,
        forced=True,
    )
    assert when(simulate(lost), "run/a/1 is asked to stop") < 1.1 + 0.5


@pytest.mark.parametrize("watched", [False, True])
def test_a_stop_that_is_not_answered_keeps_no_end_from_being_told(
    watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = simulation.SimulatedPlatform.stop

    def stop_later(platform: simulation.SimulatedPlatform, handle: str) -> None:
        if platform._world.time < 600:
            raise simulation.PlatformAwayError("it does not answer")
        stop(platform, handle)

    monkeypatch.setattr(simulation.SimulatedPlatform, "stop", stop_later)
    endings = {
        "a": (Ending(pending=5, what="hopeless"),),
        "b": (Ending(pending=1, seconds=20, what="die"),),
    }
    result = simulate(Scenario({"a": (), "b": ()}, endings=endings, watched=watched))
    told = [line for line in result.world.story if "ZenML is told that b is failed" in line]
    assert float(told[0][:9]) < 60


def test_a_change_that_was_reported_is_asked_for_again_soon_if_there_was_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    describe = simulation.SimulatedPlatform.describe
    unanswered: list[float] = []

    def answer_later(platform: simulation.SimulatedPlatform, handles: list[str]) -> Any:
        if platform._world.time > 5 and not unanswered:
            unanswered.append(platform._world.time)
            raise simulation.PlatformAwayError("it does not answer")
        return describe(platform, handles)

    monkeypatch.setattr(simulation.SimulatedPlatform, "describe", answer_later)
    result = simulate(Scenario({"a": ()}, endings={"a": (Ending(seconds=5),)}, watched=True))
    assert result.succeeded
    # And not when all jobs are looked at the next time, half a minute later.
    assert result.world.time < unanswered[0] + 5


# ---- Continuing a run


def test_the_key_of_a_job_that_was_lost_is_not_used_again() -> None:
    tries = ("preempted", "succeed", "vanish", "succeed")
    endings = {"s": tuple(Ending(pending=5, seconds=20, what=what) for what in tries)}
    for calls in range(5, 40):
        killed = Scenario({"s": ()}, endings=endings, retries={"s": 1}, kills=(2, calls, 26))
        assert simulate(killed).status == "completed"


@pytest.mark.parametrize("continues", [False, True])
def test_only_a_controller_that_continues_a_run_waits_until_all_jobs_are_known(
    continues: bool,
) -> None:
    never = (Ending(pending=simulation.LONGEST_RUN),)
    upstream = {"cached": (), "first": (), "second": ("first",)}
    world = simulation.World(Scenario(upstream, endings={"/controller": never}), 0)
    # What there is when any controller begins: its own job, and what the client has found cached.
    world.platform.submit(simulation.job_spec("/controller", 1))
    world.zenml.steps["cached"] = [simulation.SimulatedStepRun(0, "cached")]
    if continues:
        world.platform.submit(simulation.job_spec("first", 1))
    plan = Plan("run", upstream, {}, ExecutionMode.CONTINUE_ON_FAILURE)
    assert Controller(plan, world.platform, world.zenml, world, simulation.job_spec).run()
    waited = world.platform.jobs["run/second/1"].history[0][0]
    assert (waited >= world.platform.unknown_seconds) is continues


# ---- Single stories


def run_one(what: str, **more: Any) -> simulation.Result:
    """Runs one step, and one below it; the first attempt of the first ends in some way."""
    scenario = Scenario(
        upstream={"first": (), "second": ("first",)},
        endings={"first": (Ending(what=what), Ending())},
        **more,
    )
    return simulate(scenario)


@pytest.mark.parametrize("what", ["fail", "die", "leave", "vanish", "refused", "hopeless"])
def test_a_step_that_does_not_succeed_fails_the_run_and_nothing_below_it_starts(what: str) -> None:
    result = run_one(what)
    assert result.status == "failed"
    assert not result.succeeded
    assert "second" not in result.world.zenml.steps


@pytest.mark.parametrize("what", ["fail", "die", "leave", "vanish", "refused", "hopeless"])
def test_a_step_with_a_retry_is_tried_again(what: str) -> None:
    result = run_one(what, retries={"first": 1})
    assert result.status == "completed"
    assert result.succeeded
    assert "run/first/2" in result.world.platform.jobs


def test_a_controller_killed_at_any_call_starts_nothing_after_the_end_of_the_run() -> None:
    # Attempts that have never begun leave one record in ZenML, however many they were.
    hopeless = Scenario(
        {"s": ()}, endings={"s": (Ending(what="hopeless"),)}, retries={"s": 1}, watched=True
    )
    for calls in range(1, 100):
        assert simulate(replace(hopeless, kills=(calls,))).status == "failed"


def test_a_job_that_is_preempted_before_its_step_begins_costs_no_retry() -> None:
    result = run_one("preempted")
    assert result.status == "completed"
    assert len(result.world.zenml.steps["first"]) == 1


def test_a_success_that_zenml_has_stays_one_whatever_becomes_of_the_job() -> None:
    assert run_one("late").status == "completed"


def test_a_cached_step_has_no_job() -> None:
    result = run_one("fail", cached=frozenset({"first"}))
    assert result.status == "completed"
    assert [*result.world.platform.jobs] == ["run/second/1"]


@pytest.mark.parametrize(
    ("mode", "beside", "below"),
    [
        (ExecutionMode.FAIL_FAST, "stopped", False),
        (ExecutionMode.STOP_ON_FAILURE, "completed", False),
        (ExecutionMode.CONTINUE_ON_FAILURE, "completed", True),
    ],
)
def test_a_failure_means_for_the_others_what_the_mode_says(
    mode: ExecutionMode, beside: str, below: bool
) -> None:
    scenario = Scenario(
        upstream={"fails": (), "beside": (), "below_beside": ("beside",)},
        endings={"fails": (Ending(what="fail"),), "beside": (Ending(seconds=60),)},
        mode=mode,
    )
    zenml = simulate(scenario, 1).world.zenml
    assert zenml.status == "failed"
    assert zenml.steps["beside"][-1].status == beside
    assert ("below_beside" in zenml.steps) is below


@pytest.mark.parametrize(("forced", "status"), [(True, "stopped"), (False, "completed")])
def test_a_stop_ends_the_run_and_lets_nothing_start(forced: bool, status: str) -> None:
    scenario = Scenario(
        upstream={"first": (), "second": ("first",)},
        endings={"first": (Ending(seconds=60),)},
        stop_at=30.0,
        forced=forced,
    )
    zenml = simulate(scenario).world.zenml
    assert zenml.status == "stopped"
    assert zenml.steps["first"][-1].status == status
    assert "second" not in zenml.steps


class OneJobForAll(Controller):
    """Gives all steps the same key, so that the platform has one job for them."""

    def __init__(self, *arguments: Any) -> None:
        *others, job_of = arguments
        super().__init__(*others, lambda _, attempt: job_of("first", attempt))


def test_steps_that_the_platform_cannot_tell_apart_fail_and_do_not_hang() -> None:
    world = simulation.World(Scenario(upstream={"first": (), "second": ()}), 0)
    plan = Plan("run", world.scenario.upstream, {}, ExecutionMode.CONTINUE_ON_FAILURE)
    assert not OneJobForAll(plan, world.platform, world.zenml, world, simulation.job_spec).run()
    assert world.zenml.status == "failed"
    assert "takes its job for that of `first`" in world.story[-1]


def test_no_more_steps_are_in_progress_than_allowed() -> None:
    scenario = Scenario(upstream={f"s{n}": () for n in range(6)}, max_parallelism=2)
    jobs = simulate(scenario).world.platform.jobs.values()
    spans = [(job.history[0][0], job.history[-1][0]) for job in jobs]
    for moment, _ in spans:
        assert sum(began <= moment < ended for began, ended in spans) <= 2


@pytest.mark.parametrize("away", ["zenml_away", "platform_away"])
def test_a_run_is_late_and_nothing_else_when_one_of_the_two_is_away_for_an_hour(away: str) -> None:
    upstream = {"first": (), "second": ("first",), "third": ("second",)}
    result = simulate(Scenario(upstream=upstream, **{away: (8.0, 3608.0)}))
    assert result.status == "completed"
    assert result.world.time > 3600


@pytest.mark.parametrize("answer_lost", [False, True])
def test_at_whichever_call_zenml_goes_away_for_an_hour_the_run_is_late_and_nothing_else(
    answer_lost: bool,
) -> None:
    scenario = Scenario(
        upstream={"a": (), "fails": (), "b": ("a",), "cached": ("b",), "dies": ("cached",)},
        endings={
            "fails": (Ending(what="fail"), Ending()),
            "b": (Ending(seconds=40),),
            "dies": (Ending(what="die"),),
        },
        retries={"fails": 1},
        cached=frozenset({"cached"}),
    )

    def outcome_of(world: simulation.World) -> object:
        steps = {name: [run.status for run in runs] for name, runs in world.zenml.steps.items()}
        return world.zenml.status, steps, {*world.platform.jobs}

    on_time = simulate(scenario).world
    for call in range(on_time.zenml.calls):
        lost = replace(scenario, zenml_lost_at=call, zenml_answer_lost=answer_lost)
        late = simulate(lost).world
        assert late.time > 3600, call
        assert outcome_of(late) == outcome_of(on_time), call


def test_a_platform_that_is_watched_is_asked_less_often_and_runs_are_shorter() -> None:
    upstream = {f"s{n}": (f"s{n - 1}",) if n else () for n in range(20)}
    polled = simulate(Scenario(upstream=upstream)).world
    watched = simulate(Scenario(upstream=upstream, watched=True)).world
    assert watched.calls < polled.calls
    assert watched.time < polled.time


class EndsAreSuccesses(Controller):
    """Takes every end for a success."""

    def _settle(self, name: str, attempt: Attempt) -> None:
        self._dag.succeeded(name)


def test_a_violation_names_its_seed_and_tells_its_story() -> None:
    scenario = Scenario(upstream={"first": ()}, endings={"first": (Ending(what="fail"),)})
    with pytest.raises(ViolationError, match=r"seed 7(.|\n)*run/first/1 is created"):
        simulate(scenario, 7, EndsAreSuccesses)
