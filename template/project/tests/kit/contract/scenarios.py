# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Scenarios: the platform does what the engine expects, and what its simulation has shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kit.scenarios import SCENARIOS

from .base import Contract, not_live, posix

if TYPE_CHECKING:
    from collections.abc import Callable


class ScenarioContract(Contract):
    """The platform and the engine's controller, with shell scripts as jobs.

    They must tell the same story everywhere, also on the template's simulated platform, on which
    thousands of runs with faults have shown what the controller promises.
    """

    @posix
    @pytest.mark.scenario
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(name, marks=[pytest.mark.situation(need) for need in scenario.needs])
            for name, scenario in SCENARIOS.items()
        ],
    )
    @not_live("its jobs are shell scripts, which share a folder with the test")
    def test_the_platform_tells_the_same_story_as_the_simulated_one(
        self, name: str, outcome_of: Callable[[str], list[str]]
    ) -> None:
        assert outcome_of(name) == SCENARIOS[name].story
