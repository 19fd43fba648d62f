"""Writes specifications of pipelines with our code and with kfp, and compares the seconds.

What both write is compared too: it is the same.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp import compiler, dsl
from measure import Sample, alternate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

IMAGE = "registry.invalid/tests/tests:1"
COMMAND = ["python", "-m", "zenml.entrypoints.entrypoint"]


def command_of(step: str) -> list[str]:
    """Returns the program of a step, and what it is told."""
    return [*COMMAND, "--step_name", step]


def with_ours(spec: ModuleType, steps: Sequence[str], variables: Mapping[str, str]) -> str:
    """Writes a chain of steps with our own code.

    Args:
        spec: The generated project's `pipeline_spec.py`.
        steps: The names of the steps.
        variables: The environment variables of each.
    """
    tasks = [
        spec.Task(
            step,
            steps[max(number - 1, 0) : number],
            spec.container(IMAGE, command_of(step), variables, {}),
        )
        for number, step in enumerate(steps)
    ]
    return json.dumps(spec.pipeline_spec("chain", tasks))


def with_kfp(file: Path, steps: Sequence[str], variables: Mapping[str, str]) -> str:
    """Writes a chain of steps with kfp, as ZenML's own orchestrator does.

    Args:
        file: Where its compiler writes.
        steps: The names of the steps.
        variables: The environment variables of each.
    """
    components = [component(step) for step in steps]

    def chain() -> None:
        before: list[Any] = []
        for made in components:
            task = made().set_caching_options(enable_caching=False).after(*before)
            for name, value in variables.items():
                task.set_env_variable(name=name, value=value)
            before = [task]

    chain.__annotations__.clear()  # kfp would read them, and not as texts.
    compiler.Compiler().compile(dsl.pipeline(name="chain")(chain), str(file))
    return file.read_text()


def component(step: str) -> Callable[[], Any]:
    """Makes a step for kfp, which knows it by the name of a function."""

    def run() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=IMAGE, command=command_of(step))

    run.__name__ = step.replace("-", "_")
    run.__annotations__.clear()
    made: Callable[[], Any] = dsl.container_component(run)
    return made


def contents(text: str) -> dict[str, Any]:
    """Reads a specification, without the version of kfp that it says it was written by."""
    return {**json.loads(text), "sdkVersion": None}


def timed(write: Callable[[], str]) -> Sample:
    """Returns the CPU seconds that something takes."""
    began = time.process_time()
    write()
    return Sample(time.process_time() - began)


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `home`, a folder; `package`, ours; `rounds`, how often to measure each; `steps`,
            how many there are; `written`, what to write: what to call it, and how many variables a
            step has; `found`, the file.
    """
    spec = import_module(f"{arguments['package']}.platform.pipeline_spec")
    steps = [f"step-{number}" for number in range(arguments["steps"])]
    file = Path(arguments["home"]) / "pipeline.json"
    found = {}
    for what, count in arguments["written"].items():
        variables = {f"VARIABLE_{number}": f"value {number}" for number in range(count)}
        writers: dict[str, Callable[[], str]] = {
            "ours": partial(with_ours, spec, steps, variables),
            "kfp": partial(with_kfp, file, steps, variables),
        }
        assert contents(writers["ours"]()) == contents(writers["kfp"]())
        measurements = {name: partial(timed, write) for name, write in writers.items()}
        samples = alternate(arguments["rounds"], measurements)
        found[what] = {name: [sample.value for sample in each] for name, each in samples.items()}
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
