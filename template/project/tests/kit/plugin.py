# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The fixtures and hooks of the contract, for `tests/conftest.py`.

`pytest` runs what shows each promise once; `pytest --all` runs everything.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from .home import HOME, LIVE, SOURCE_ROOT  # First of all, since ZenML reads the environment.

# isort: split
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.exceptions import EntityExistsError
from zenml.integrations.registry import integration_registry
from zenml.models import FlavorUpdate
from zenml.utils import source_utils

from . import contract_report, live, outage_runs, runs, timeouts, zenml_server
from . import harness as harnesses
from .contract_report import ContractReport
from .guard import ContractGuard
from .harness import Capabilities, Harness, Job, current
from .runs import Outcome, SharedRuns, wanted_runs
from .scenarios import SITUATIONS
from .shared_runs import *  # noqa: F403 - each is a fixture

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future
    from uuid import UUID

    from zenml.models import FlavorResponse
    from zenml.orchestrators import BaseOrchestrator
    from zenml.stack import Stack

# How many lines of each log the report of a failed test has.
LOG_LINES = 60

_BEFORE = pytest.StashKey[int]()
_REPORT = pytest.StashKey[ContractReport]()


# ---- What tests ask for


@pytest.fixture(scope="session")
def harness() -> Harness:
    """How the contract sees the platform: `HARNESS` of `tests/harness.py`."""
    return current()


@pytest.fixture(scope="session", autouse=True)
def platform_configuration(harness: Harness) -> Iterator[dict[str, Any]]:
    """The platform and ZenML, running; and how the orchestrator is configured to find it."""
    if LIVE:  # It is there.
        yield {}
        return
    folder = HOME / "platform"
    folder.mkdir()
    with ExitStack() as running:
        patch = running.enter_context(pytest.MonkeyPatch.context())
        server = zenml_server.shared()
        if server is None and harness.needs_zenml_server:
            server = running.enter_context(zenml_server.starting(HOME / "server"))
        if server is not None:
            for name, value in server.environment.items():
                patch.setenv(name, value)
        # The platform starts beside the server.
        configuration = running.enter_context(harness.platform(folder))
        if server is not None:
            server.wait_until_up()
        yield configuration


@pytest.fixture(scope="session", autouse=True)
def stack(harness: Harness, platform_configuration: dict[str, Any]) -> Iterator[Stack]:
    """A stack with the orchestrator, registered as a user would, and active."""
    source_utils.set_custom_source_root(str(SOURCE_ROOT))
    if isinstance(harness, live.LiveHarness):
        yield Client().active_stack
        if left := harness.clear():
            pytest.fail("\n".join(["The tests have left these running:", *left]), False)
    else:
        yield register(harness, platform_configuration)


def register(harness: Harness, platform_configuration: dict[str, Any]) -> Stack:
    """Registers the orchestrator and a stack with it, and makes that the active one."""
    client = Client()
    flavor = flavor_of(client, harness)
    name = f"tests-{uuid4().hex[:12]}"
    orchestrator = client.create_stack_component(
        name=name,
        flavor=flavor.name,
        component_type=StackComponentType.ORCHESTRATOR,
        configuration=platform_configuration,
    )
    default = client.active_stack_model.components[StackComponentType.ARTIFACT_STORE][0]
    client.create_stack(
        name=name,
        components={
            StackComponentType.ORCHESTRATOR: orchestrator.id,
            StackComponentType.ARTIFACT_STORE: default.id,
            **harness.components(client),
        },
    )
    client.activate_stack(name)
    harness.warm_up(client.active_stack.orchestrator)
    return client.active_stack


def flavor_of(client: Client, harness: Harness) -> FlavorResponse:
    """Registers the flavor, or corrects the one that a shared server has."""
    source = f"{harness.flavor.__module__}.{harness.flavor.__name__}"
    kind = StackComponentType.ORCHESTRATOR
    with suppress(EntityExistsError):
        return client.create_flavor(source=source, component_type=kind)
    found = client.list_flavors(name=harness.flavor_name, type=kind).items[0]
    if found.source == source:
        return found
    return client.zen_store.update_flavor(found.id, FlavorUpdate(source=source))


@pytest.fixture(scope="session")
def orchestrator(stack: Stack) -> BaseOrchestrator:
    """The orchestrator of the stack."""
    return stack.orchestrator


@pytest.fixture(scope="session")
def shared_runs(request: pytest.FixtureRequest, harness: Harness, stack: Stack) -> SharedRuns:
    """The runs that several tests look at."""
    # What ZenML does when it submits for the first time is not made for threads side by side.
    integration_registry.activate_integrations()
    with suppress(ImportError):  # There may be no git.
        importlib.import_module("git.repo.base")
    folder = harness.place_for_marks(HOME / "shared_runs")
    folder.mkdir()
    return SharedRuns(folder, runs_for(request.session.items), harness.runs_at_a_time)


@pytest.fixture(scope="session")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[tuple[int, str]]]:
    """What comes of runs during which ZenML is away: the exit code of their tests, and a text."""
    with outage_runs.begun(tmp_path_factory.mktemp("outage")) as future:
        yield future


@pytest.fixture(scope="session", autouse=True)
def begun_early(request: pytest.FixtureRequest, stack: Stack) -> None:
    """Begins what takes minutes, and mostly waits, if a test is going to ask for it."""
    # With pytest-xdist, nobody knows yet which process runs that test.
    if "PYTEST_XDIST_WORKER" not in os.environ and any(
        asks_for_outage(item) for item in request.session.items
    ):
        request.getfixturevalue("outage")


def asks_for_outage(item: pytest.Item) -> bool:
    """Tells whether a test looks at runs during which ZenML is away."""
    return "outage" in getattr(item, "fixturenames", ())


def runs_for(items: Iterable[pytest.Item]) -> set[str]:
    """Returns the names of the shared runs that tests look at."""
    wanted: set[str] = set()
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        wanted |= wanted_runs([*getattr(item, "fixturenames", ()), *parameters])
    return wanted


@pytest.fixture
def dry_jobs(harness: Harness, stack: Stack) -> Iterator[list[Job]]:
    """Submits without running, and returns what would have run."""
    with harness.dry_run() as jobs:
        yield jobs


# ---- Which tests run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the contract."""
    parser.addoption("--all", action="store_true", help="run what costs much time, too")
    parser.addoption(
        "--live",
        metavar="STACK",
        help="run the contract, and no more, on a registered stack",
    )
    parser.addoption(
        "--timeout-factor",
        type=float,
        help="multiply all time limits; the default is TEST_TIMEOUT_FACTOR, or 1, or 5 with --live",
    )
    parser.addoption(
        "--contract-report",
        type=Path,
        metavar="FILE",
        help="write a page that says which promises of the contract are kept (without -n)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Says what the markers mean.

    Raises:
        pytest.UsageError: If a report is asked for that other processes would have to write.
    """
    if config.getoption("--contract-report") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--contract-report: leave out -n; one process has to see all tests")
    stack, factor = config.getoption("--live"), config.getoption("--timeout-factor")
    if LIVE is not bool(stack):
        raise pytest.UsageError("--live STACK: give it on the command line, not in a file")
    if stack and config.getoption("numprocesses", None):
        raise pytest.UsageError("--live: leave out -n; runs go on side by side all the same")
    if factor or stack:
        os.environ[timeouts.VARIABLE] = str(
            factor or os.environ.get(timeouts.VARIABLE) or live.FACTOR
        )
    if stack and not (config.getoption("--help") or config.getoption("--version")):
        harnesses.use_instead(live.LiveHarness(current(), stack))
    for line in (
        "full: costs much time, and is left out without `--all`",
        "posix: needs signals and process groups, and is left out on Windows",
        "offered(capability, value): is left out if the harness declares it as not offered",
        "not_offered(capability, value): only if the harness declares it as not offered",
        "situation(name): is left out if the harness does not declare the situation",
        "scenario: each of its parameters is a promise",
        "not_live(reason): is left out with `--live`",
        "submits(jobs): how many jobs it has, beside those of shared runs",
    ):
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leaves out what this run is not to show, and adds the guard of the contract."""
    guard = ContractGuard.for_items(session, items)
    report = config.stash[_REPORT] = ContractReport(items)
    reasons = {item: why_left_out(item, config) for item in items}
    for item, reason in reasons.items():
        if reason:
            report.note(item, reason)
    config.hook.pytest_deselected(items=[item for item in items if reasons[item]])
    items[:] = sorted((item for item in items if not reasons[item]), key=asks_for_outage)
    harness = current()
    if items and isinstance(harness, live.LiveHarness):
        harness.open()
    if guard is not None:
        items.insert(0, guard)


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """Says what a live run is going to do."""
    harness = current()
    if not items or not isinstance(harness, live.LiveHarness):
        return []
    more = sum(mark.args[0] for item in items for mark in item.iter_markers("submits"))
    return [harness.estimate(runs_for(items), more)]


def why_left_out(item: pytest.Item, config: pytest.Config) -> str:
    """Tells why a test does not run, as a state of the contract report; nothing if it runs."""
    offers = current().capabilities
    if any(is_offered(offers, *marker.args) for marker in item.iter_markers("not_offered")):
        return contract_report.IRRELEVANT
    if not all(is_offered(offers, *marker.args) for marker in item.iter_markers("offered")):
        return contract_report.DECLINED
    if LIVE and (item.get_closest_marker("not_live") or not contract_report.topic_of(item)):
        return contract_report.UNSEEN
    # What the platform has, or can be brought into.
    needs = {marker.args[0] for marker in item.iter_markers("situation")}
    is_posix = item.get_closest_marker("posix") is not None
    if not needs <= current().situations or (is_posix and sys.platform == "win32"):
        return contract_report.UNAVAILABLE
    if item.get_closest_marker("full") and not config.getoption("--all"):
        return contract_report.OPEN
    return ""


def is_offered(offers: Capabilities, capability: str, value: object) -> bool:
    """Tells whether a capability is declared as offered."""
    declared = getattr(offers, capability)
    return value in declared if isinstance(declared, frozenset) else bool(declared)


# ---- What a test run says


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Ends with the contract report: how many promises are kept, and which are not."""
    config = terminalreporter.config
    report = config.stash.get(_REPORT, None)
    path = config.getoption("--contract-report")
    if report is None or not (path or report.promises()):
        return
    terminalreporter.section(f"contract: {report.summary()}")
    for promise in report.broken():
        terminalreporter.line(f"not kept: {promise.sentence} ({promise.test})")
    if missing := current().capabilities.missing():
        terminalreporter.line(f"Not offered, and refused in words: {', '.join(missing)}.")
    unseen = {promise.why for promise in report.promises() if promise.why}
    if unseen:
        terminalreporter.line(f"Not to be seen live, as {'; '.join(sorted(unseen))}.")
    elif missing := [text for name, text in SITUATIONS.items() if name not in current().situations]:
        terminalreporter.line(f"Scenarios left out, as no platform here {'; '.join(missing)}.")
    if not config.getoption("--all"):
        terminalreporter.line("`pytest --all` runs the rest of the contract, too.")
    if path:
        report.write(path, current().package)
        terminalreporter.line(f"The contract report is in {path}.")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes which runs there are before a test."""
    item.stash[_BEFORE] = len(runs.journal)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to the report of a failed test what its jobs wrote."""
    report = yield
    if report.failed or report.when == "call":
        kept = contract_report.KEPT if report.passed else contract_report.SKIPPED
        item.config.stash[_REPORT].note(item, contract_report.BROKEN if report.failed else kept)
    if report.failed and _BEFORE in item.stash:
        for title, text in logs_for(item):
            report.sections.append((title, text))
    return report


def logs_for(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Returns the ends of the logs of the runs that a test has made or looked at."""
    looked_at = [
        value.run.id
        for value in cast("dict[str, Any]", getattr(item, "funcargs", {})).values()
        if isinstance(value, Outcome)
    ]
    for run_id in dict.fromkeys([*looked_at, *runs.journal[item.stash[_BEFORE] :]]):
        yield from logs_of(run_id)


def logs_of(run_id: UUID) -> Iterator[tuple[str, str]]:
    """Returns the end of each log of a run, with a title."""
    try:
        run = Client().get_pipeline_run(run_id)
        for job, text in current().logs(run).items():
            yield f"Log of {job}, {run.name}", "\n".join(text.splitlines()[-LOG_LINES:])
    except Exception as error:  # The failure itself matters more.
        yield f"Logs of run {run_id}", f"could not be read: {error}"
