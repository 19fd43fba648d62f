"""Finds what each backend brings for the template's tests, in `tests/backends/<name>/`.

- `variants.yml`: the projects that tests generate, and the oldest versions that they work with.
- `mutants.py`: broken implementations, as `MUTANTS`, and unusual but right ones, as `EQUIVALENT`.
- `test_*.py`: tests of its emulator; the control subject, ZenML's own orchestrator on it.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from rendering import backends

if TYPE_CHECKING:
    from types import ModuleType

    from mutants.mutant import Mutant

HERE = Path(__file__).resolve().parent / "backends"


class Variant(NamedTuple):
    """A project to generate.

    Attributes:
        backend: Its backend.
        strategy: Its run ID strategy.
        answers: All answers that are not the default, these two among them.
        is_first: Whether it is the first variant of its backend.
    """

    backend: str
    strategy: str
    answers: dict[str, str]
    is_first: bool

    def __str__(self) -> str:
        """Names it in the name of a test."""
        return f"{self.backend}-{self.strategy}"


@functools.cache
def described(backend: str) -> dict[str, Any]:
    """Returns the `variants.yml` of a backend."""
    found: dict[str, Any] = yaml.safe_load((HERE / backend / "variants.yml").read_text())
    return found


def variants() -> list[Variant]:
    """Returns the projects that tests generate, those of the default backend first."""
    return [
        Variant(
            backend,
            strategy,
            {"backend": backend, "run_id_strategy": strategy, **answers},
            is_first=not number,
        )
        for backend in backends()
        for number, (strategy, answers) in enumerate(described(backend)["variants"].items())
    ]


def mutants() -> dict[str, list[Mutant]]:
    """Returns the broken implementations of each backend: a generated test must fail on each."""
    return {name: list(_module(name).MUTANTS) for name in backends()}


def equivalent() -> dict[str, list[Mutant]]:
    """Returns the unusual but right implementations of each backend: the tests must pass."""
    return {name: list(_module(name).EQUIVALENT) for name in backends()}


def _module(backend: str) -> ModuleType:
    return importlib.import_module(f"backends.{backend}.mutants")
