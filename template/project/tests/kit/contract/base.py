# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What all parts of the contract share."""

from __future__ import annotations

from typing import Any

import pytest

# A promise that costs much time to show, and that others show in part: only with `--all`.
full = pytest.mark.full

# Signals, process groups: not on Windows.
posix = pytest.mark.posix


def offered(capability: str, value: Any = True) -> pytest.MarkDecorator:
    """Marks a test of what an orchestrator may offer, by the field of `Capabilities`.

    Args:
        capability: The field.
        value: Where the field is a set, what has to be in it.
    """
    return pytest.mark.offered(capability, value)


def not_offered(capability: str, value: Any = True) -> pytest.MarkDecorator:
    """Marks a test that what is not offered is refused. The arguments are those of `offered`."""
    return pytest.mark.not_offered(capability, value)


def not_live(reason: str) -> pytest.MarkDecorator:
    """Marks a test of what cannot be seen in a live run.

    Args:
        reason: Why: what it looks at.
    """
    return pytest.mark.not_live(reason)


# What such a test may look at.
sees_environments = not_live("the environment of a job is the platform's")
sees_requests = not_live("what a job asked for is the platform's")
submits_in_vain = not_live("a job that is submitted runs")


def submits(jobs: int) -> pytest.MarkDecorator:
    """Marks a test that submits jobs of its own, beside those of shared runs.

    Args:
        jobs: How many, about.
    """
    return pytest.mark.submits(jobs)


class Contract:
    """The base of the contract's classes. A project subclasses each, and changes nothing in it."""
