"""The contract over ZenML's own orchestrators, beside ours: `python tests/conformance.py`.

It runs pipelines with ZenML's own orchestrators (`backends/<name>/control.py`) and the contract of
generated projects, and writes what came of it to `conformance.json`, and that as a table to
docs/conformance.md. `--page` runs nothing, and writes only the page.

No cell is written by hand. What is said of a "not kept" is: `conformance_causes.py`.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from importlib.metadata import distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derived import PROJECT, ROOT

# The contract's sentences are in its tests.
sys.path.append(str(PROJECT / "tests"))

import pytest
from conformance_causes import CAUSES, Cause
from controls import ALL
from kit.contract import (
    FailureContract,
    InterfaceContract,
    ResourcesContract,
    ResumeContract,
    RunIdContract,
    StatusContract,
    StopContract,
)
from kit.contract_report import BROKEN, DECLINED, KEPT, OPEN, first_line, in_words
from kit.harness import Capabilities
from zenml.enums import ExecutionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Found = dict[str, Any]

RECORD = Path(__file__).with_suffix(".json")
PAGE = ROOT / "docs" / "conformance.md"
BACKENDS = ("local", "kubernetes", "sagemaker", "vertex")

# What may become of a promise, beside what the contract report has.
UNCLAIMED = "not claimed"
UNSEEN = "not looked at"
MOOT = "n/a"

# The parts of the contract that are about runs, as they stand in a project's report.
CONTRACTS = (
    RunIdContract,
    FailureContract,
    StopContract,
    ResourcesContract,
    StatusContract,
    ResumeContract,
    InterfaceContract,
)


# ---- What is judged: the assertions of the contract, but for the words of messages


def ids_in(run: Found) -> set[str]:
    """Returns the run IDs that the steps of a run have noted."""
    return {step["run_id"] for step in run["seen"].values()}


def has_one_id(run: Found) -> bool:
    """Tells whether a run has completed, and all its steps have seen its ID."""
    complete = run["status"] == "completed" and run["seen"].keys() == run["steps"].keys()
    return bool(complete and ids_in(run) == {run["orchestrator_run_id"]})


def executions(found: Found) -> list[Found]:
    """Returns runs of one snapshot: fired by a schedule, or executed again."""
    again = [found["static"], found["again"]] if "again" in found else found["scheduled"]
    assert len(again) == 2, again
    return list(again)


def are_apart(runs: Iterable[Found]) -> bool:
    """Tells whether runs are different ones for ZenML, each with an ID of its own."""
    first, second = runs
    return first["id"] != second["id"] and all(map(has_one_id, (first, second)))


def has_failed(run: Found, step: str) -> bool:
    """Tells whether a run has failed with its first step, and no other has begun.

    ZenML has asked the orchestrator by then, as one does who looks at the run.
    """
    after = run["asked_again"]
    return bool(after["status"] == "failed" and after["steps"] == {step: "failed"})


def names_signal(run: Found) -> bool:
    """Tells whether anything that a user is told names the signal, or its exit code."""
    told = f"{run.get('error')} {run.get('log')} {run['causes']}"
    return re.search(r"SIGKILL|signal 9|exit.code.-?(137|9)\b", told) is not None


def is_unchanged(run: Found) -> bool:
    """Tells whether a run is the same after ZenML has asked the orchestrator for it."""
    after = run["asked_again"]
    same = (after["status"], after["steps"]) == (run["status"], run["steps"])
    return not after["error"] and same


def asks_for_more(run: Found, greedy: str, modest: str) -> bool:
    """Tells whether the job of a step that asks for resources differs from that of its sibling."""
    if any("ignoring resource configuration" in line for line in run["warnings"]):
        return False
    jobs = run["asked"]
    # Jobs of isolated steps may have no step's name; their ID is what the steps have noted.
    of_greedy, of_modest = (
        jobs[name] if name in jobs else jobs[run["seen"][name]["run_id"]]
        for name in (greedy, modest)
    )
    return bool(of_greedy != of_modest)


def names_variable(found: Found) -> bool:
    """Tells whether a missing ID is an error that names an environment variable."""
    return re.search(r"\b[A-Z]+(_[A-Z]+)+\b", found["without_id"].get("error", "")) is not None


def is_retried(run: Found) -> bool:
    """Tells whether a step was tried again in the same run."""
    return has_one_id(run) and run["versions"]["die_at_first"] == 2


def goes_by_mode(mode: str, run: Found) -> bool:
    """Tells whether a run has dealt with a failed step as its execution mode says."""
    (expected,) = (
        mark.args[1]
        for mark in vars(FailureContract.test_execution_modes)["pytestmark"]
        if mark.name == "parametrize"
    )
    (marks, status) = next(each.values[1:] for each in expected if each.values[0] == mode)
    after = run["asked_again"]
    ended = (after["status"], after["steps"]["slow"]) == ("failed", status.value)
    return ended and {*run["marks"]} == marks


def is_stopped(run: Found) -> bool:
    """Tells whether a run was stopped by force, and nothing of it lives on.

    The contract wants the step to be stopped, too, and not to have failed. That is left out here.
    """
    ended = run["steps"].keys() == {"endless"} and run["steps"]["endless"] in ("stopped", "failed")
    return run["status"] == "stopped" and ended and "next" not in run["marks"] and not run["left"]


def is_stopped_gently(run: Found) -> bool:
    """Tells whether a run was stopped, and its step in progress could finish."""
    stopped = (run["status"], run["steps"]) == ("stopped", {"short": "completed"})
    return stopped and "finished" in run["marks"] and "next" not in run["marks"]


def refuses_modes(found: Found) -> bool:
    """Tells whether each execution mode that is not declared was refused by its name."""
    refused = found["refused_modes"]
    return all(re.search(rf"(?i)execution.mode|{mode}", said) for mode, said in refused.items())


JUDGES: dict[str, Callable[[Found], bool]] = {
    "is_the_same_in_every_step_of_a_run": lambda found: has_one_id(found["static"]),
    "is_the_same_in_every_step_of_a_dynamic_run": lambda found: has_one_id(found["dynamic"]),
    "is_new_for_each_execution_of_the_same_snapshot": lambda found: (
        len({run["orchestrator_run_id"] for run in executions(found)}) == 2
    ),
    "each_execution_of_the_same_snapshot_is_a_run_of_its_own": lambda found: are_apart(
        executions(found)
    ),
    "is_new_for_executions_of_the_same_snapshot_at_the_same_time": lambda found: are_apart(
        found["scheduled"]
    ),
    "a_missing_id_is_an_error_that_names_the_variable": names_variable,
    "can_be_found_in_the_metadata_of_the_run": lambda found: (
        found["static"]["metadata_run_id"] == found["static"]["orchestrator_run_id"]
    ),
    "a_failing_step_fails_the_run_and_those_below_it_do_not_start": lambda found: has_failed(
        found["failing"], "fail"
    ),
    "a_killed_step_fails_the_run_and_the_signal_is_named": lambda found: (
        has_failed(found["killed"], "die") and names_signal(found["killed"])
    ),
    "a_killed_step_is_retried_in_the_same_run": lambda found: is_retried(found["retried"]),
    "a_step_that_dies_before_zenml_is_up_is_reported_too": lambda found: has_failed(
        found["dead_before_zenml"], "first"
    ),
    "a_dynamic_run_fails_like_a_static_one": lambda found: (
        has_failed(found["dynamic_failing"], "fail") and has_failed(found["dynamic_killed"], "die")
    ),
    "execution_modes": lambda found: all(
        goes_by_mode(mode, run) for mode, run in found["modes"].items()
    ),
    "has_1_to_255_characters_with_the_longest_names": lambda found: (
        "refused" not in found["longest"]
        and 1 <= len(found["longest"]["orchestrator_run_id"] or "") <= 255
    ),
    "retries_are_left_to_zenml": lambda found: not found["declared"]["retries"],
    "a_forceful_stop_ends_the_steps_in_progress": lambda found: all(
        is_stopped(found[name]) for name in ("stopped_by_zenml", "dynamic_stopped")
    ),
    "a_graceful_stop_lets_the_step_finish": lambda found: is_stopped_gently(
        found["stopped_gently"]
    ),
    "looking_at_a_run_in_progress_does_not_end_it": lambda found: (
        found["stopped_gently"]["in_progress"] == "running"
    ),
    "a_forceful_stop_is_refused": lambda found: (
        "stop" in found["stopped_by_zenml"]["stop_error"].lower()
    ),
    "what_a_step_asks_for_is_submitted": lambda found: asks_for_more(
        found["static"], "left", "right"
    ),
    "what_an_isolated_step_asks_for_is_submitted": lambda found: asks_for_more(
        found["dynamic_greedy"], "isolated", "isolated_2"
    ),
    "the_metadata_of_a_run_say_where_to_find_it": lambda found: all(
        found[name]["metadata_run_id"] == found[name]["orchestrator_run_id"]
        for name in ("static", "dynamic")
    ),
    "looking_at_a_run_that_has_ended_does_not_change_it": lambda found: all(
        is_unchanged(found[name]) for name in ("static", "failing", "dynamic")
    ),
    "schedules_are_refused": lambda found: "schedul" in found["scheduled_in_vain"].lower(),
    "other_execution_modes_are_refused": refuses_modes,
}


def judge(found: Found) -> dict[str, str]:
    """Judges what was seen of one of ZenML's own orchestrators.

    Args:
        found: What its program wrote.

    Returns:
        The state of each promise, by the name of its test.
    """
    return {test: state_of(test, function, found) for _, test, function in promises()}


def state_of(test: str, function: Any, found: Found) -> str:
    """Judges one promise."""
    declared = found["declared"]
    marks = [*getattr(function, "pytestmark", [])]
    parameters = [
        mark
        for each in marks
        if each.name == "parametrize"
        for value in each.args[1]
        for mark in getattr(value, "marks", ())
    ]
    # Of a test with parameters, one that is relevant is enough.
    offers = [
        is_declared(declared, each) for each in marks + parameters if each.name == "not_offered"
    ]
    if offers and all(offers):
        return MOOT
    try:
        if JUDGES[test](found):
            return KEPT
        state = BROKEN
    except KeyError:  # It is not judged, or the run was not made.
        state = UNSEEN
    offered = all(is_declared(declared, mark) for mark in marks if mark.name == "offered")
    return state if offered else UNCLAIMED


def not_declared(found: Found) -> list[str]:
    """Lists what an orchestrator does not declare, in the words of the contract."""
    modes = frozenset(map(ExecutionMode, found["declared"]["execution_modes"]))
    return Capabilities(**found["declared"] | {"execution_modes": modes}).missing()


def is_declared(declared: Found, mark: Any) -> bool:
    """Tells whether an orchestrator offers what a mark of the contract names."""
    capability, value = mark.args
    offered = declared.get(capability, True)
    return getattr(value, "value", value) in offered if isinstance(offered, list) else bool(offered)


def promises() -> Iterator[tuple[type, str, Any]]:
    """Returns the promises that are in the table: class, name of the test, test."""
    for contract in CONTRACTS:
        for name, function in vars(contract).items():
            test = name.removeprefix("test_")
            # Most of the interface is the package's own.
            if name != test and (contract is not InterfaceContract or test in JUDGES):
                yield contract, test, function


# ---- The runs


def run_ours(backend: str, folder: Path) -> dict[str, str]:
    """Runs the contract of a project, and returns what its report says."""
    projects = importlib.import_module("projects")
    report = folder / "report.html"
    project = projects.installed(folder, backend=backend)
    done = project.pytest("--all", "--contract-report", str(report), "tests/test_contract.py")
    assert report.exists(), done.stdout
    return read_report(report)


def read_report(report: Path) -> dict[str, str]:
    """Reads the states in a contract report, by the names of the tests."""
    found = re.findall(
        r"<b>([^<]+)</b>.*?<code>[^<]*::test_(\w+)[^<]*</code>", report.read_text(), re.DOTALL
    )
    words = {DECLINED: UNCLAIMED, OPEN: UNSEEN}
    wanted = {test for _, test, _ in promises()}
    return {test: words.get(state, state) for state, test in found if test in wanted}


def run_zenmls(backend: str, folder: Path) -> Found:
    """Runs the program of ZenML's own orchestrator, and returns what it has seen."""
    control = importlib.import_module(f"backends.{backend}.test_control")
    result = folder / "found.json"
    os.environ[ALL] = "1"
    control.run_program(folder, result)
    found: Found = json.loads(result.read_text())
    return found


# ---- The record and the page


def record() -> dict[str, Any]:
    """Returns what was recorded, the backends in their order."""
    found: dict[str, Any] = json.loads(RECORD.read_text())
    columns = found["backends"]
    return found | {"backends": {name: columns[name] for name in BACKENDS if name in columns}}


def check_current(backend: str, found: Found) -> None:
    """Checks that what a program has seen now is what was recorded of it."""
    whole = record()
    if version("zenml") != whole["zenml"]:
        pytest.skip(f"The table is of ZenML {whole['zenml']}.")
    assert not_declared(found) == whole["backends"][backend]["not_declared"]
    recorded = whole["backends"][backend]["zenml"]
    # It has not made all runs.
    seen = {test: state for test, state in judge(found).items() if state in (KEPT, BROKEN)}
    assert seen == {test: recorded[test] for test in seen}, "run `python tests/conformance.py`"


def check_causes(recorded: Mapping[str, Any]) -> None:
    """Checks that each "not kept" of ZenML's has a cause, and each cause one.

    Raises:
        ValueError: If it is not so.
    """
    broken = {
        (backend, test)
        for backend, columns in recorded["backends"].items()
        for test, state in columns["zenml"].items()
        if state == BROKEN
    }
    if broken != CAUSES.keys():
        missing, stale = sorted(broken - CAUSES.keys()), sorted(CAUSES.keys() - broken)
        message = f"Not kept, without a cause: {missing}. Kept, with a cause: {stale}."
        raise ValueError(message)


def page(recorded: Mapping[str, Any]) -> str:
    """Writes the page.

    Raises:
        ValueError: If a "not kept" has no cause, or a cause has no "not kept".
    """
    check_causes(recorded)
    backends = recorded["backends"]
    numbers: dict[Cause, int] = {}
    tables: dict[type, list[str]] = {}
    unseen = []
    for topic, test, _ in promises():
        if not all(test in columns["zenml"] for columns in backends.values()):
            continue  # It is newer than the record.
        ours = [columns["ours"].get(test, MOOT) for columns in backends.values()]
        zenmls = [columns["zenml"][test] for columns in backends.values()]
        if {*zenmls} <= {MOOT, UNSEEN, UNCLAIMED} and UNSEEN in zenmls:
            unseen.append(sentence(test))
            continue
        if {*zenmls} == {MOOT}:
            continue
        cells = []
        for backend, zenml, our in zip(backends, zenmls, ours, strict=True):
            cells += [zenml_cell(zenml, CAUSES.get((backend, test)), numbers), our]
        tables.setdefault(topic, []).append(f"| {sentence(test)} | {' | '.join(cells)} |")
    head = ["", *(f"`{name}`: {whose}" for name in backends for whose in ("ZenML's", "ours"))]
    rule = "|" + " --- |" * len(head)
    written = [
        "\n".join([heading(topic), "", f"| {' | '.join(head)} |", rule, *rows])
        for topic, rows in tables.items()
    ]
    causes = [
        f"{number}. {'' if cause.claimed else 'Not claimed. '}{cause.text} "
        f"({link(cause, recorded)})"
        for cause, number in numbers.items()
    ]
    return TEXT.format(
        zenml=recorded["zenml"],
        tables="\n\n".join(written),
        causes="\n".join(causes),
        not_declared="\n".join(
            f"- `{name}`: {', '.join(columns['not_declared']) or 'nothing'}."
            for name, columns in backends.items()
        ),
        unseen="\n".join(f"- {each}" for each in unseen),
    )


def zenml_cell(state: str, cause: Cause | None, numbers: dict[Cause, int]) -> str:
    """Writes a cell of ZenML's, with the number of its cause."""
    if cause is None:
        return state
    number = numbers.setdefault(cause, len(numbers) + 1)
    return f"**{BROKEN}** [{number}](#why)" if cause.claimed else f"{UNCLAIMED} [{number}](#why)"


def heading(contract: type) -> str:
    """Writes what a part of the contract is about."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", contract.__name__.removesuffix("Contract"))
    return f"### {in_words(name.lower()).removesuffix('.')}\n\n{first_line(contract)}"


def sentence(test: str) -> str:
    """Returns what a test promises, as the contract report has it."""
    function = next(each for _, name, each in promises() if name == test)
    return first_line(function) or in_words(test)


def link(cause: Cause, recorded: Mapping[str, Any]) -> str:
    """Links to the place in ZenML's source."""
    line, release = recorded["lines"][f"{cause.file}: {cause.line}"], recorded["zenml"]
    url = f"https://github.com/zenml-io/zenml/blob/{release}/src/zenml/{cause.file}#L{line}"
    return f"[`{cause.file.rpartition('/')[2]}`, line {line}]({url})"


def lines() -> dict[str, int]:
    """Finds the places of all causes in the source of the installed ZenML.

    Raises:
        ValueError: If one is not there.
    """
    found = {}
    for cause in CAUSES.values():
        source = Path(str(distribution("zenml").locate_file("zenml"))) / cause.file
        numbered = enumerate(source.read_text().splitlines(), 1)
        number = next((number for number, line in numbered if cause.line in line), None)
        if number is None:
            message = f"{cause.file} has no line `{cause.line}`."
            raise ValueError(message)
        found[f"{cause.file}: {cause.line}"] = number
    return found


TEXT = """# The contract over ZenML's own orchestrators

<!-- python tests/conformance.py -->

A generated project ends its tests with a report: each promise of the contract, kept or not. Here is
the same for the orchestrators that come with ZenML {zenml}, unmodified, on the same emulators, with
the same pipelines. One command runs both and writes this page: `python tests/conformance.py`. The
gate runs ZenML's own again, and fails if they keep something else than is said here.

This is no ranking. The contract is ours: ZenML asks less of an orchestrator, and its own serve what
they were made for. A promise that ZenML does not make is not held against it.

- **kept**: a run has shown it. The words of messages may be others than ours. Where a promise has
  several cases, ZenML's own were run in most of them, ours in all.
- **not kept**: a run has shown that it is not so. The number leads to the cause in ZenML's source.
- **not claimed**: the orchestrator does not offer this, and says so: it does not declare it, as is
  listed below, or, where there is a number, in the place that it leads to.
- **not looked at**: no run was made for it.
- **n/a**: there is nothing to refuse, since it is offered.

Emulators are no clouds: what is said here of `kubernetes`, `sagemaker` and `vertex` was seen on
those that generated projects bring.

{tables}

## What ZenML's own do not declare

ZenML sees by the methods that an orchestrator overrides, and by its configuration, what it offers.
What is missing:

{not_declared}

## Why

{causes}

## Not looked at

These are in the contract of our orchestrators, too. For ZenML's own no run was made:

{unseen}

The contract also has promises about the generated package itself, its flavor and its engine, and
scripted scenarios on the engine's protocols. ZenML's own have none of these.
"""


def main() -> None:
    """Runs what is asked for, and writes the record and the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help=", ".join(BACKENDS))
    parser.add_argument("--page", action="store_true", help="run nothing, write the page")
    parser.add_argument("--zenmls", action="store_true", help="run only ZenML's own")
    arguments = parser.parse_args()
    for backend in [] if arguments.page else arguments.backends or BACKENDS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            folder = Path(name)
            found = run_zenmls(backend, folder)
            note(backend, zenml=judge(found), not_declared=not_declared(found))
            if not arguments.zenmls:
                note(backend, ours=run_ours(backend, folder / "ours"))
    note_lines()
    PAGE.write_text(page(record()), encoding="utf-8")


def note(backend: str, **columns: Mapping[str, str] | list[str]) -> None:
    """Records what came of a run."""
    with changing_record() as recorded:
        recorded["zenml"] = version("zenml")
        recorded["backends"].setdefault(backend, {}).update(columns)


def note_lines() -> None:
    """Records where the causes are in ZenML's source."""
    with changing_record() as recorded:
        recorded["lines"] = lines()


@contextmanager
def changing_record() -> Iterator[dict[str, Any]]:
    """Yields the record, to be changed. Commands for several backends may run side by side."""
    with RECORD.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        recorded = json.load(file)
        yield recorded
        file.seek(0)
        file.truncate()
        file.write(json.dumps(recorded, indent=2) + "\n")


if __name__ == "__main__":
    main()
