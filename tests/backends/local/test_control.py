"""What ZenML's own orchestrator `local` keeps of the contract, as docs/conformance.md says.

It needs no emulator: it runs all steps in the process that submits.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import conformance
import pytest
from controls import ids_in, once, run_on_emulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gate


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program has seen."""
    return once(tmp_path_factory, "control-local", run_program)


def run_program(folder: Path, result: Path) -> None:
    """Runs it with the kit of a generated project."""
    run_on_emulator("local", sys.executable, folder, result)


def test_all_steps_run_in_one_process_and_have_one_run_id(found: dict[str, Any]) -> None:
    run = found["static"]
    assert run["status"] == "completed", run["error"]
    assert ids_in(run["seen"].values()) == {run["orchestrator_run_id"]}
    assert len({seen["pid"] for seen in run["seen"].values()}) == 1


def test_a_killed_step_takes_the_submitting_process_with_it(found: dict[str, Any]) -> None:
    assert found["killed"]["exit_code"] == -9
    assert found["killed"]["status"] == "running"


def test_it_keeps_what_the_table_says(found: dict[str, Any]) -> None:
    conformance.check_current("local", found)
