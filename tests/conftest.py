"""Shares tests out so that no worker ends with a long one alone, and ends a test that hangs."""

from __future__ import annotations

import pytest
from kit.timeouts import scaled

# How long a test may take with all that it prepares, in seconds, on a quiet machine with two cores.
# One that waits for ever would end the whole gate without a word.
SECONDS = 300
LONG_SECONDS = 800

# The marks of the contract, which only a project's pytest knows by itself.
MARKS = (
    "full",
    "not_live",
    "not_offered",
    "offered",
    "posix",
    "scenario",
    "situation",
    "submits",
)


def pytest_configure(config: pytest.Config) -> None:
    """Lets tests import the contract."""
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: a mark of the contract")


# What is not chosen has been left out by then.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Lets each worker begin with its share of the tests that are marked `long`.

    `--dist worksteal` gives each worker a part of the list. The others keep their order, in which
    tests that share a fixture follow each other.
    """
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    ends = [len(others) * number // workers for number in range(workers + 1)]
    items[:] = [
        item
        for number in range(workers)
        for item in (*long[number::workers], *others[ends[number] : ends[number + 1]])
    ]
    for chosen, seconds in ((others, SECONDS), (long, LONG_SECONDS)):
        for item in chosen:
            item.add_marker(pytest.mark.timeout(scaled(seconds)))
