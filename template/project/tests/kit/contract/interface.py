# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The interface: what ZenML calls is there, under the names and with the parameters it uses."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from zenml.config import Schedule
from zenml.enums import ExecutionMode, StackComponentType
from zenml.orchestrators import BaseOrchestrator

from kit import pipelines, settings_page

from .base import Contract, not_offered, offered

if TYPE_CHECKING:
    from kit.harness import Harness, Job

# What ZenML asks for by override, and the capability that it then assumes.
OVERRIDES = {
    "submit_pipeline": None,
    "fetch_status": None,
    "get_pipeline_run_metadata": None,
    "submit_dynamic_pipeline": "dynamic_pipelines",
    "submit_isolated_step": "isolated_steps",
    "get_isolated_step_status": "isolated_steps",
    "cleanup_isolated_step": "isolated_steps",
    "stop_isolated_step": "stopping_isolated_steps",
    "_stop_run": "forceful_stop",
}


def is_zenmls(function: Any) -> bool:
    """Tells whether a function comes with ZenML."""
    return str(getattr(function, "__module__", "")).partition(".")[0] == "zenml"


def parameters(function: Any) -> list[tuple[str, Any, bool]]:
    """Returns the name and kind of each parameter, and whether it has a default."""
    return [
        (each.name, each.kind, each.default is each.empty)
        for each in inspect.signature(function).parameters.values()
    ]


def overridden(orchestrator: type[BaseOrchestrator]) -> list[str]:
    """Lists the methods of ZenML's that an orchestrator has anew, wherever it inherits them."""
    return sorted(
        name
        for name, theirs in inspect.getmembers(BaseOrchestrator, inspect.isfunction)
        if not name.startswith("__") and getattr(orchestrator, name) is not theirs
        if not is_zenmls(getattr(orchestrator, name))
    )


class InterfaceContract(Contract):
    """What ZenML asks of an orchestrator and its flavor."""

    def test_signatures_are_those_of_the_installed_zenml(self, harness: Harness) -> None:
        # Goes red when a ZenML release adds, drops or renames a parameter.
        names = overridden(harness.orchestrator)
        assert "submit_pipeline" in names
        ours = {name: parameters(getattr(harness.orchestrator, name)) for name in names}
        assert ours == {name: parameters(getattr(BaseOrchestrator, name)) for name in names}

    def test_nothing_abstract_is_left(self, harness: Harness) -> None:
        assert not inspect.isabstract(harness.orchestrator)

    @pytest.mark.parametrize(
        "method",
        [
            pytest.param(method, marks=[offered(capability)] if capability else [])
            for method, capability in OVERRIDES.items()
        ],
    )
    def test_what_zenml_finds_by_override_is_overridden(
        self, harness: Harness, method: str
    ) -> None:
        # ZenML asks whether a method was overridden to learn what an orchestrator can do.
        assert not is_zenmls(getattr(harness.orchestrator, method))

    def test_capabilities_are_declared(
        self, harness: Harness, orchestrator: BaseOrchestrator
    ) -> None:
        offers = harness.capabilities
        assert orchestrator.supports_dynamic_pipelines == offers.dynamic_pipelines
        assert orchestrator.can_run_isolated_steps == offers.isolated_steps
        assert orchestrator.can_stop_isolated_steps == offers.stopping_isolated_steps
        assert orchestrator.config.handles_step_retries == offers.retries
        assert set(orchestrator.supported_execution_modes) == offers.execution_modes
        name = harness.distribution
        assert f"{name}=={version(name)}" in orchestrator.requirements

    def test_importing_the_flavor_is_light(
        self, harness: Harness, imported_with_flavor: list[str]
    ) -> None:
        # ZenML's server and CLI import it, where a platform's libraries may be missing.
        assert set(imported_with_flavor) == {harness.package, harness.flavor.__module__}

    def test_the_flavor_says_what_it_is(self, harness: Harness) -> None:
        flavor = harness.flavor()
        assert flavor.name == harness.flavor_name
        assert flavor.type is StackComponentType.ORCHESTRATOR
        assert flavor.implementation_class is harness.orchestrator
        assert flavor.config_class is harness.config
        assert flavor.display_name
        assert str(flavor.docs_url).startswith("https://")
        assert set(flavor.config_schema["properties"]) >= {"synchronous"}

    def test_the_page_of_settings_is_current(self, harness: Harness) -> None:
        path = settings_page.PATH
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        remedy = f"Run `{settings_page.COMMAND}`, which writes {path} anew."
        assert current == settings_page.page(harness.config), remedy

    @not_offered("dynamic_pipelines")
    def test_dynamic_pipelines_are_refused(self, harness: Harness, dry_jobs: list[Job]) -> None:
        with pytest.raises(Exception, match=r"(?i)dynamic"):
            harness.submit(pipelines.dynamic_inline)
        assert not dry_jobs

    @offered("dynamic_pipelines")
    @not_offered("isolated_steps")
    def test_isolated_steps_are_refused(self, harness: Harness) -> None:
        with pytest.raises(Exception, match=r"(?i)isolated|failed"):
            harness.submit(pipelines.dynamic)

    @not_offered("schedules")
    def test_schedules_are_refused(self, harness: Harness, dry_jobs: list[Job]) -> None:
        schedule = Schedule(name=f"tests-{uuid4().hex}", cron_expression="0 3 * * *")
        with pytest.raises(Exception, match=r"(?i)schedul"):
            harness.submit(pipelines.single.with_options(schedule=schedule))
        assert not dry_jobs

    @pytest.mark.parametrize(
        "mode",
        [pytest.param(mode, marks=not_offered("execution_modes", mode)) for mode in ExecutionMode],
    )
    def test_other_execution_modes_are_refused(
        self, harness: Harness, mode: ExecutionMode, dry_jobs: list[Job]
    ) -> None:
        with pytest.raises(Exception, match=rf"(?i)execution.mode|{mode.value}"):
            harness.submit(pipelines.single.with_options(execution_mode=mode))
        assert not dry_jobs
