"""The client that `benchmark.py` measures: it runs pipelines and notes how long they take."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from measure import Sample, alternate
from zenml import pipeline, step
from zenml.client import Client
from zenml.enums import ExecutionStatus, StackComponentType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zenml.pipelines.pipeline_definition import Pipeline


@step
def sleep(seconds: float) -> None:
    """Needs time, but no processor."""
    time.sleep(seconds)


@step
def count(before: int) -> int:
    """Does next to nothing."""
    return before + 1


@pipeline(enable_cache=False)
def wide(steps: int, seconds: float) -> None:
    """Some steps that do not wait for each other."""
    for _ in range(steps):
        sleep(seconds)


@pipeline(enable_cache=False)
def chain() -> None:
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


def run(subject: Pipeline, stack: str, *arguments: float) -> Sample:
    """Runs a pipeline on a stack.

    Args:
        subject: The pipeline.
        stack: The name of the stack.
        arguments: The pipeline's own.

    Returns:
        Seconds, from the call of the pipeline to its return.

    Raises:
        RuntimeError: If it did not complete.
    """
    client = Client()
    client.activate_stack(stack)
    began, cpu_before = time.perf_counter(), cpu()
    result = subject(*arguments)
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
    children = me.children()
    below = [other for child in children for other in child.children()]
    return sum(sum(process.cpu_times()[:4]) for process in [me, *children, *below])


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `flavor`, ours; `rounds`, how often to run each; `steps` and `seconds` of the
            wide pipeline; `found`, the file.
    """
    register(arguments["flavor"])
    size = arguments["steps"], arguments["seconds"]
    runs = {
        "wide": {name: partial(run, wide, name, *size) for name in ("ours", "default")},
        "chain": {name: partial(run, chain, name) for name in ("ours", "default", "cold")},
    }
    found = {name: alternate(arguments["rounds"], each) for name, each in runs.items()}
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
