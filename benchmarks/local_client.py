"""The client that `local.py` measures: it runs pipelines and notes how long they take."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from measure import Sample, alternate
from zenml import pipeline, step
from zenml.client import Client
from zenml.enums import ExecutionStatus, StackComponentType

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline


@step
def sleep() -> None:
    """Needs time, but no processor."""
    time.sleep(1)


@step
def count(before: int) -> int:
    """Does next to nothing."""
    return before + 1


@pipeline(enable_cache=False)
def wide8() -> None:
    """Eight steps that do not wait for each other."""
    for _ in range(8):
        sleep()


@pipeline(enable_cache=False)
def chain3() -> None:
    """Three steps, each of which waits for the one before."""
    count(count(count(0)))


def register(flavor: str) -> None:
    """Registers two stacks with our orchestrator; `default` is there."""
    client = Client()
    name = client.create_flavor(flavor, StackComponentType.ORCHESTRATOR).name
    for stack, configuration in {"ours": {}, "cold": {"warm_start": "false"}}.items():
        client.create_stack_component(stack, name, StackComponentType.ORCHESTRATOR, configuration)
        client.create_stack(
            stack,
            {StackComponentType.ORCHESTRATOR: stack, StackComponentType.ARTIFACT_STORE: "default"},
        )


def run(subject: Pipeline, stack: str) -> Sample:
    """Runs a pipeline on a stack.

    Raises:
        RuntimeError: If it did not complete.
    """
    client = Client()
    client.activate_stack(stack)
    began, cpu_before = time.perf_counter(), cpu()
    result = subject()
    sample = Sample(time.perf_counter() - began, cpu() - cpu_before)
    assert result is not None
    status = client.get_pipeline_run(result.id).status
    if status is not ExecutionStatus.COMPLETED:
        message = f"{subject.name} on {stack} is {status.value}"
        raise RuntimeError(message)
    return sample


def cpu() -> float:
    """Returns the CPU seconds of this process and of all that it has started."""
    me = psutil.Process()
    # User and system, each of the process itself and of its children that have ended.
    return sum(sum(process.cpu_times()[:4]) for process in [me, *me.children()])


def main(flavor: str, rounds: str, found: str) -> None:
    """Measures, and writes what was found to a file."""
    register(flavor)
    stacks = {wide8: ("ours", "default"), chain3: ("ours", "default", "cold")}
    samples = {
        subject.name: alternate(int(rounds), {name: partial(run, subject, name) for name in names})
        for subject, names in stacks.items()
    }
    Path(found).write_text(json.dumps(samples))


if __name__ == "__main__":
    main(*sys.argv[1:])
