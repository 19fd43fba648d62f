"""The generated tests can fail: each mutant is killed by the test that is said to do so."""

from __future__ import annotations

import functools
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from discovery import described, equivalent, mutants
from mutants.mutant import Mutant, copy_of
from mutants.runner import WarmPytest, warm_pytest, zenml_server
from projects import Project, installed
from rendering import backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mutants.runner import Result

PACKAGE = "mutant"

# The backends whose mutants take minutes in all. The others' are killed in the gate.
QUICK = [name for name in backends() if described(name).get("quick_mutants")]

# The tests of what must never be shipped unnoticed: an ID that repeats, one that differs between
# steps, a step without it, resources ignored.
PITFALLS = {
    "test_is_new_for_each_execution_of_the_same_snapshot",
    "test_is_the_same_in_every_step_of_a_run",
    "test_reaches_every_process_that_is_submitted",
    "test_a_step_gets_the_cheapest_type_that_has_what_it_asks_for",
    "test_a_task_has_the_limits_that_its_step_asks_for",
}


class Bench(NamedTuple):
    """Where mutants are tested.

    Attributes:
        pristine: Generates a project of a backend and a strategy, as it should be; each once.
        server: Starts the ZenML server that the tests of a backend share, if they need one, and
            returns the environment variables by which they find it.
        pytest: Runs the tests.
    """

    pristine: Callable[[str, str], Project]
    server: Callable[[str], dict[str, str]]
    pytest: WarmPytest


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Prepares all that mutants share, when it is needed first."""
    with ExitStack() as stack:

        @functools.cache
        def pristine(backend: str, strategy: str) -> Project:
            answers = {"backend": backend, "run_id_strategy": strategy, "project_name": PACKAGE}
            return installed(tmp_path_factory.mktemp(strategy), **answers)

        @functools.cache
        def server(backend: str) -> dict[str, str]:
            if not described(backend).get("shares_zenml_server"):
                return {}
            project = pristine(backend, first_strategy(backend))
            folder = tmp_path_factory.mktemp(backend) / "server"
            return stack.enter_context(zenml_server(project, folder))

        yield Bench(pristine, server, stack.enter_context(warm_pytest()))


def first_strategy(backend: str) -> str:
    """Returns the default strategy of a backend."""
    first: str = next(iter(backends()[backend]["strategies"]))
    return first


def marks(backend: str, mutant: Mutant, seen: set[str]) -> list[pytest.MarkDecorator]:
    """Says when a mutant is tested.

    Of a backend with `exhaustive_mutants` in its variants.yml, the gate takes one for each of the
    four mistakes that must never be shipped unnoticed. `pytest -m exhaustive` runs the others.

    Args:
        backend: Its backend.
        mutant: The mutant.
        seen: The tests that earlier mutants of the backend are killed by; the mutant's is added.
    """
    if backend in QUICK:
        return []
    first = mutant.test in PITFALLS and mutant.test not in seen
    seen.add(mutant.test)
    in_gate = first or not described(backend).get("exhaustive_mutants")
    return [pytest.mark.gate if in_gate else pytest.mark.exhaustive]


def cases(found: dict[str, list[Mutant]], *, quick: bool = True) -> list[object]:
    """Returns the parameters of a test: the mutants, with the mark that says when they are due.

    Args:
        found: The mutants of each backend.
        quick: Whether the test is over soon, as it ends with the first failure.
    """
    slow = [] if quick else [pytest.mark.gate]
    return [
        pytest.param(backend, mutant, id=f"{backend}-{mutant.name}", marks=due or slow)
        for backend, mutants_of_backend in found.items()
        for seen in [set[str]()]
        for mutant in mutants_of_backend
        for due in [marks(backend, mutant, seen)]
    ]


def run(bench: Bench, backend: str, mutant: Mutant, folder: Path) -> Result:
    """Changes a project as a mutant does, and runs the tests that are to notice it, or not to."""
    project = bench.pristine(backend, mutant.strategy or first_strategy(backend))
    site = copy_of(project.site, folder / "site")
    mutant.apply(site / PACKAGE)
    return bench.pytest.run(
        Project(project.source, site),
        "--exitfirst",
        f"tests/{mutant.killed_by}",
        output=folder / "output",
        environment=bench.server(backend),
    )


@pytest.mark.parametrize(("backend", "mutant"), cases(mutants()))
def test_a_mutant_is_killed(bench: Bench, tmp_path: Path, backend: str, mutant: Mutant) -> None:
    result = run(bench, backend, mutant, tmp_path)
    assert result.returncode == 1, result.stdout
    failed = rf"^(FAILED|ERROR) tests/.*::{mutant.test}\b"
    assert re.search(failed, result.stdout, re.MULTILINE), result.stdout


@pytest.mark.parametrize(("backend", "mutant"), cases(equivalent(), quick=False))
def test_an_unusual_but_right_implementation_survives(
    bench: Bench, tmp_path: Path, backend: str, mutant: Mutant
) -> None:
    result = run(bench, backend, mutant, tmp_path)
    assert result.returncode == 0, result.stdout
