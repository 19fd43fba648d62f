# YOURS: tests of interruptions
"""Survival: a controller that is killed goes on, and an API that fails is asked again."""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

import more_pipelines
import pytest
from harness import ACCOUNT, HARNESS, USER, name_of
from kit import pipelines, runs
from zenml.client import Client
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kit.runs import Outcome
    from zenml.models import PipelineRunResponse


pytestmark = pytest.mark.full

# How often the controller of a run is killed.
KILLS = 4


@pytest.fixture
def failing_api() -> Iterator[None]:
    """Lets one in five requests fail, in each of the ways that requests can."""
    faults = HARNESS.cluster.faults
    faults.only_accounts = {USER, ACCOUNT}
    faults.kinds = ("429", "500", "503", "reset")
    faults.rate = 0.2
    yield
    faults.rate = 0.0


def orchestrator_pods() -> list[str]:
    """Returns the pods of orchestrators whose process runs."""
    return [
        name_of(pod)
        for pod in HARNESS.cluster.objects("Pod")
        if pod["metadata"]["labels"].get("component") == "orchestrator"
        and HARNESS.node.pid(name_of(pod))
    ]


def check(outcome: Outcome, marks: Path) -> None:
    """Checks that all twelve steps ran once, in one run with one ID."""
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED
    assert len(outcome.seen) == 12
    assert {seen["run_id"] for seen in outcome.seen.values()} == {outcome.run.orchestrator_run_id}
    assert {file.name for file in marks.iterdir()} == {f"step-{n}" for n in range(12)}
    for file in marks.iterdir():
        assert len(file.read_text().split()) == 1, f"{file.name} ran more than once"
    assert len(outcome.jobs) == 13


@pytest.mark.parametrize("seed", range(int(os.environ.get("KILLED_RUNS", "2"))))
def test_a_controller_that_is_killed_goes_on_and_runs_no_step_twice(
    seed: int, tmp_path: Path
) -> None:
    # Killed again and again, at moments that are different in each run.
    moments = random.Random(seed)  # noqa: S311 - no secret
    done = threading.Event()
    kills: list[str] = []

    def kill() -> None:
        while len(kills) < KILLS and not done.wait(moments.uniform(0.0, 1.5)):
            for pod in orchestrator_pods():
                HARNESS.node.kill(pod)
                kills.append(pod)

    killer = threading.Thread(target=kill)
    killer.start()
    settings = {"orchestrator": {"orchestrator_job_backoff_limit": KILLS}}
    try:
        outcome = runs.execute(more_pipelines.twelve.with_options(settings=settings), str(tmp_path))
    finally:
        done.set()
        killer.join()
    assert len(set(kills)) >= 3
    check(outcome, tmp_path)


def test_a_run_completes_though_one_in_five_requests_fails(
    failing_api: None, tmp_path: Path
) -> None:
    before = len(HARNESS.cluster.calls)
    check(runs.execute(more_pipelines.twelve, str(tmp_path)), tmp_path)
    calls = HARNESS.cluster.calls[before:]
    assert [call for call in calls if call.status in (0, 429, 500, 503)]


def test_a_run_completes_though_watches_break_off_and_expire(tmp_path: Path) -> None:
    done = threading.Event()

    def disturb() -> None:
        faults = HARNESS.cluster.faults
        while not done.wait(0.3):
            faults.drop_watches()
            if not done.wait(0.3):
                faults.expire_watches()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        check(runs.execute(more_pipelines.twelve, str(tmp_path)), tmp_path)
    finally:
        done.set()
        disturber.join()


def test_a_pod_that_is_lost_before_its_step_began_is_replaced() -> None:
    # As when a node is drained: the step has lost nothing, and needs no retry.
    lost: list[str] = []

    def lose(pod: dict[str, object]) -> str | None:
        metadata = pod["metadata"]
        assert isinstance(metadata, dict)
        if metadata.get("annotations", {}).get("step_name") != "first" or len(lost) > 1:
            return None
        lost.append(metadata["name"])
        threading.Timer(0.1, HARNESS.cluster.evict, (metadata["name"],)).start()
        return "its node is going away"

    unschedulable = HARNESS.node.unschedulable
    HARNESS.node.unschedulable = lose
    try:
        outcome = runs.execute(pipelines.single)
    finally:
        HARNESS.node.unschedulable = unschedulable
    assert outcome.error is None
    assert lost
    assert [job.name for job in outcome.jobs].count("first") > 1
    assert outcome.run.steps["first"].version == 1


def pod_of(step: str) -> str:
    """Returns the newest pod of a step that runs."""
    names = [
        name_of(pod)
        for pod in HARNESS.cluster.objects("Pod")
        if pod["metadata"].get("annotations", {}).get("step_name") == step
    ]
    (name,) = (name for name in names if HARNESS.node.pid(name))
    return name


def test_a_step_that_has_reported_its_success_may_lose_its_pod() -> None:
    def lose() -> None:
        def succeeded() -> bool:
            steps = Client().list_run_steps(name="linger").items
            return any(step.status is ExecutionStatus.COMPLETED for step in steps)

        HARNESS.wait(succeeded, 60)
        HARNESS.node.kill(pod_of("linger"))

    loser = threading.Thread(target=lose)
    loser.start()
    outcome = runs.execute(more_pipelines.lingering)
    loser.join()
    assert outcome.error is None
    assert outcome.run.status is ExecutionStatus.COMPLETED


def test_a_step_whose_job_was_deleted_while_nobody_looked_is_not_run_again(
    tmp_path: Path,
) -> None:
    node = HARNESS.node
    settings = {"orchestrator": {"synchronous": False}}
    pipeline, prefix = runs.named(pipelines.stopped.with_options(settings=settings))
    HARNESS.submit(pipeline, str(tmp_path))
    pipelines.wait_for(tmp_path / "pids")
    run = runs.find(prefix)
    assert run is not None
    unschedulable = node.unschedulable
    node.unschedulable = lambda _: "not now"
    try:
        for pod in orchestrator_pods():
            node.kill(pod)
        (job,) = (j for j in HARNESS.jobs_of_run(run) if "step_name" in j["metadata"]["labels"])
        name = name_of(job)
        HARNESS.delete_job(name)
        HARNESS.wait(lambda: HARNESS.find("Job", name) is None)
    finally:
        node.unschedulable = unschedulable
    run_id = run.id
    HARNESS.wait(lambda: Client().get_pipeline_run(run_id).status.is_finished, 60)
    run = Client().get_pipeline_run(run_id)
    assert run.status is ExecutionStatus.FAILED
    assert run.steps["endless"].status is ExecutionStatus.FAILED
    assert [j for j in HARNESS.jobs_of_run(run) if "step_name" in j["metadata"]["labels"]] == []
    assert runs.alive(tmp_path / "pids") == []


def latest(name: str) -> PipelineRunResponse:
    """Returns the newest run of a pipeline, as ZenML has it now."""
    return Client().list_pipeline_runs(pipeline=name, size=1).items[0]


def test_a_controller_that_is_killed_after_a_step_has_failed_goes_on_with_the_others(
    tmp_path: Path,
) -> None:
    def kill() -> None:
        # ZenML has the run as failed, while a step is at work and one below it is to come.
        pipelines.wait_for(tmp_path / "step-1")
        name = more_pipelines.failing_beside.name
        HARNESS.wait(lambda: latest(name).status is ExecutionStatus.FAILED)
        for pod in orchestrator_pods():
            HARNESS.node.kill(pod)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = runs.execute(more_pipelines.failing_beside, str(tmp_path))
    killer.join()
    assert "`fail_early` failed" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
    assert outcome.run.steps["step_2"].status is ExecutionStatus.COMPLETED


def test_an_orchestrator_that_crashes_for_ever_fails_the_run() -> None:
    done = threading.Event()

    def kill() -> None:
        while not done.is_set():
            for pod in orchestrator_pods():
                HARNESS.node.kill(pod)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    settings = {"orchestrator": {"orchestrator_job_backoff_limit": 1}}
    try:
        outcome = runs.execute(pipelines.single.with_options(settings=settings))
    finally:
        done.set()
        killer.join()
    assert "its own job failed: killed by SIGKILL" in str(outcome.error)
    assert outcome.run.status is ExecutionStatus.FAILED
