# YOURS: takes the whole contract over. What the platform cannot do is declared in harness.py.
"""The contract that every orchestrator keeps. Its tests are in `tests/kit/contract/`."""

from __future__ import annotations

from kit.contract import (
    FailureContract,
    InterfaceContract,
    OwnershipContract,
    ResourcesContract,
    ResumeContract,
    RunIdContract,
    ScenarioContract,
    StatusContract,
    StopContract,
)


class TestRunId(RunIdContract):
    """One ID for all processes of a run, a new one for each run."""


class TestFailure(FailureContract):
    """A failure is told, with its cause; retries and execution modes."""


class TestStop(StopContract):
    """A run can be stopped, gently or by force, and leaves nothing behind."""


class TestResources(ResourcesContract):
    """What a user asks for reaches the platform, or is refused."""


class TestStatus(StatusContract):
    """A run can be found again; looking at it does not change it."""


class TestResume(ResumeContract):
    """A run that paused goes on under its ID."""


class TestScenarios(ScenarioContract):
    """The platform does what the engine's simulation has shown to be enough."""


class TestInterface(InterfaceContract):
    """What ZenML asks of an orchestrator and its flavor."""


class TestOwnership(OwnershipContract):
    """The engine and the kit are as the template made them."""
