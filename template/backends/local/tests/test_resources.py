# YOURS: tests of what only your platform does.
"""`ResourceSettings` are reserved; what this machine can never meet is refused."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

import platform_pipelines
import pytest
from harness import (
    CONFIGURATION,
    Capacity,
    ProcessJob,
    Program,
    Resources,
    format_bytes,
    from_settings,
    shortfalls,
    visible_gpus,
)
from kit import pipelines, runs
from zenml.config import ResourceSettings
from zenml.enums import ExecutionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from kit.harness import Job
    from kit.runs import Outcome


class Crowd:
    """A finished run whose steps ask for more, together, than there is."""

    def __init__(self) -> None:
        """Runs it.

        Each step is said to have started when its process did, and not when ZenML was up in it: on
        a busy machine, steps that nobody holds back may be at work one after the other all the
        same.
        """
        self.programs: dict[str, Program] = {}
        self.started: dict[str, float] = {}
        execute = ProcessJob._execute  # noqa: SLF001

        def note(job: ProcessJob, program: Program, *arguments: Any) -> Any:
            self.programs[program.name] = program
            self.started[program.name] = time.time()
            return execute(job, program, *arguments)

        with mock.patch.object(ProcessJob, "_execute", note):
            self.outcome = runs.execute(platform_pipelines.crowded)
        self.seen = self.outcome.seen
        for name, seen in self.seen.items():
            seen["started"] = self.started[name]


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """A finished run whose steps ask for more, together, than there is."""
    return Crowd()


def overlap(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Tells whether two steps were at work at the same time."""
    return bool(a["started"] < b["ended"] and b["started"] < a["ended"])


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (ResourceSettings(), Resources()),
        (ResourceSettings(cpu_count=0.5), Resources(cpus=0.5)),
        (ResourceSettings(cpu_count=2), Resources(cpus=2)),
        (ResourceSettings(gpu_count=0), Resources(gpus=0)),
        (ResourceSettings(gpu_count=2), Resources(gpus=2)),
        (ResourceSettings(memory="1KB"), Resources(memory=10**3)),
        (ResourceSettings(memory="1KiB"), Resources(memory=2**10)),
        (ResourceSettings(memory="512MB"), Resources(memory=512 * 10**6)),
        (ResourceSettings(memory="512MiB"), Resources(memory=512 * 2**20)),
        (ResourceSettings(memory="1GB"), Resources(memory=10**9)),
        (ResourceSettings(memory="3GiB"), Resources(memory=3 * 2**30)),
        (ResourceSettings(memory="1TB"), Resources(memory=10**12)),
        (ResourceSettings(memory="1TiB"), Resources(memory=2**40)),
        (ResourceSettings(memory="1PB"), Resources(memory=10**15)),
        (ResourceSettings(memory="1PiB"), Resources(memory=2**50)),
    ],
)
def test_settings_are_read_in_every_unit(settings: ResourceSettings, wanted: Resources) -> None:
    assert from_settings(settings) == wanted


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1000, "1KB"),
        (600 * 10**6, "600MB"),
        (999 * 10**9, "999GB"),
        (10**12, "1TB"),
        (64 * 10**12, "64TB"),
        (16 * 2**30, "17.18GB"),
    ],
)
def test_an_amount_of_memory_is_shown_as_people_write_it(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_only_what_is_too_much_is_named() -> None:
    capacity = Capacity(cpus=2, memory=10**9, gpus=("7", "9"))
    assert shortfalls(Resources(cpus=2, memory=10**9, gpus=2), capacity) == []
    assert shortfalls(Resources(cpus=2.5, gpus=2), capacity) == [
        "cpu_count=2.5, this machine has 2"
    ]


@pytest.mark.full
@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("cpu_1", Resources(cpus=2)),
        ("memory_1", Resources(memory=600 * 10**6)),
        ("gpu_1", Resources(gpus=2)),
    ],
)
def test_what_a_step_asks_for_is_reserved(crowd: Crowd, step: str, wanted: Resources) -> None:
    assert crowd.programs[step].resources == wanted


@pytest.mark.full
@pytest.mark.parametrize("resource", ["cpu", "memory", "gpu"])
def test_steps_that_do_not_fit_side_by_side_run_one_after_the_other(
    crowd: Crowd, resource: str
) -> None:
    assert crowd.outcome.error is None
    assert not overlap(crowd.seen[f"{resource}_1"], crowd.seen[f"{resource}_2"])


def test_a_step_sees_the_gpu_it_was_given(static: Outcome) -> None:
    assert static.seen["left"]["gpus"] in CONFIGURATION["gpus"]


@pytest.mark.full
def test_a_step_sees_all_the_gpus_it_was_given(crowd: Crowd) -> None:
    everything = ",".join(CONFIGURATION["gpus"])
    assert crowd.seen["gpu_1"]["gpus"] == crowd.seen["gpu_2"]["gpus"] == everything


@pytest.mark.full
def test_steps_at_the_same_time_see_different_gpus(crowd: Crowd) -> None:
    one, other = crowd.seen["half_1"], crowd.seen["half_2"]
    assert {one["gpus"], other["gpus"]} <= set(CONFIGURATION["gpus"])
    assert one["gpus"] != other["gpus"] or not overlap(one, other)


@pytest.mark.full
def test_isolated_steps_of_a_dynamic_pipeline_get_what_they_ask_for() -> None:
    outcome = runs.execute(platform_pipelines.dynamic_crowded)
    assert outcome.error is None
    one, other = outcome.seen.values()
    assert one["gpus"] == other["gpus"] == ",".join(CONFIGURATION["gpus"])
    assert not overlap(one, other)


@pytest.mark.full
def test_what_a_dynamic_pipeline_asks_for_its_steps_get() -> None:
    # Its function holds nothing: this asks for all there is.
    outcome = runs.execute(platform_pipelines.dynamic_with_resources)
    assert outcome.error is None
    assert outcome.seen["work"]["gpus"] == ",".join(CONFIGURATION["gpus"])


def test_the_impossible_is_refused_by_name_and_number_before_anything_starts(
    tmp_path: Path,
) -> None:
    witness = tmp_path / "started"
    outcome = runs.execute(platform_pipelines.too_much, str(witness))
    message = str(outcome.error)
    for part in (
        *("`impossible`", "cpu_count=64", "this machine has 2", "memory=64TB", "1GB"),
        *("gpu_count=64", "Lower its resource settings"),
    ):
        assert part in message
    assert outcome.run.status is ExecutionStatus.FAILED
    assert not outcome.jobs
    assert not witness.exists()


def test_the_impossible_is_refused_for_a_dynamic_pipeline_too(dry_jobs: list[Job]) -> None:
    settings = {"resources": ResourceSettings(cpu_count=64)}
    greedy = pipelines.dynamic_single.with_options(settings=settings)
    with pytest.raises(Exception, match="cpu_count=64"):
        greedy()
    assert not dry_jobs


def test_a_driver_that_does_not_answer_gives_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    silent = subprocess.TimeoutExpired("nvidia-smi", 30)
    with (
        mock.patch("shutil.which", return_value="/usr/bin/nvidia-smi"),
        mock.patch("subprocess.run", side_effect=silent) as asked,
    ):
        assert visible_gpus() == []
    asked.assert_called_once()
