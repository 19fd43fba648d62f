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


class Contract:
    """The base of the contract's classes. A project subclasses each, and changes nothing in it."""
