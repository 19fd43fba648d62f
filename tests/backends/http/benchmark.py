"""How long the owner of a fresh project with the backend `http` waits for its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plain_pytest import plain_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from measure import Row


def rows(bench: Bench) -> Iterator[Row]:
    """Measures a plain `pytest`."""
    yield from plain_pytest(bench, "http", limit=25)
