# YOURS: tests of `platform/job_status.py`
"""Failures name their cause: one run, in which each step fails in a way of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import more_pipelines
import pytest
from harness import HARNESS, name_of
from kit import pipelines, runs
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness import Object
    from kit.runs import Outcome

pytestmark = pytest.mark.full


def is_of(pod: Object, step: str) -> bool:
    """Tells whether a pod belongs to a step."""
    return bool(pod["metadata"].get("annotations", {}).get("step_name") == step)


def pod_of(step: str) -> str:
    """Returns the name of the pod of a step."""
    (name,) = (name_of(p) for p in HARNESS.cluster.objects("Pod") if is_of(p, step))
    return name


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """The run, with what has to happen to its pods from outside."""
    cluster, node = HARNESS.cluster, HARNESS.node
    marks = tmp_path_factory.mktemp("marks")

    def interfere() -> None:
        for step, do in (("out_of_memory", node.oom_kill), ("evicted", cluster.evict)):
            pipelines.wait_for(marks / step)
            do(pod_of(step))

    unschedulable = node.unschedulable
    node.unschedulable = lambda pod: "0/1 nodes are available" if is_of(pod, "nowhere") else None
    node.pull_fails_for.add("not-there")
    interference = threading.Thread(target=interfere)
    interference.start()
    try:
        yield runs.execute(more_pipelines.all_kinds_of_failure, str(marks))
    finally:
        interference.join()
        node.unschedulable = unschedulable


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        ("exit_code", "exit code 7"),
        ("out_of_memory", "OOMKilled"),
        ("evicted", "evicted: "),
        ("not_pulled", 'image "not-there"'),
        ("nowhere", "not started within 5 seconds (Unschedulable: 0/1 nodes are available"),
        ("too_late", "deadline is exceeded"),
        ("not_admitted", "FailedCreate: error looking up service account zenml/nobody: "),
    ],
)
def test_the_user_and_zenml_are_told_the_cause(outcome: Outcome, step: str, cause: str) -> None:
    run = outcome.run.steps[step]
    assert run.status is ExecutionStatus.FAILED
    assert f"`{step}` failed" in str(outcome.error)
    assert cause in str(outcome.error)
    assert run.exception_info is not None
    # A step that is told to end, since it is late, says so itself.
    assert cause in str(run.exception_info.message) or step == "too_late"


def test_a_job_that_kubernetes_refuses_fails_its_step_alone(tmp_path: Path) -> None:
    outcome = runs.execute(more_pipelines.with_one_refused, str(tmp_path))
    assert "`refused` failed" in str(outcome.error)
    assert "Perhaps" in str(outcome.error)
    assert outcome.run.steps["refused"].status is ExecutionStatus.FAILED
    assert outcome.run.steps["step_2"].status is ExecutionStatus.COMPLETED


def test_the_last_lines_of_the_pod_s_log_are_shown(outcome: Outcome) -> None:
    info = outcome.run.steps["exit_code"].exception_info
    assert info is not None
    assert "The last words." in str(info.message)
    assert "\x1b" not in str(info.message)
