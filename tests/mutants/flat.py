"""What the mutants share of backends that are not on the engine: their tests are flat files."""

from __future__ import annotations

from mutants.mutant import Mutant

SAME_SNAPSHOT = "test_run_id.py::test_is_new_for_each_execution_of_the_same_snapshot"
SAME_STEPS = "test_run_id.py::test_is_the_same_in_every_step_of_a_run"
MISSING = "test_run_id.py::test_a_missing_id_is_an_error_that_names_the_variable"
EVERY_PROCESS = "test_run_id.py::test_reaches_every_process_that_is_submitted"
LENGTH = "test_run_id.py::test_has_1_to_255_characters_with_the_longest_names"
LOST_ANSWER = "test_survival.py::test_an_answer_that_is_lost_starts_nothing_twice"
EACH_FIRING = "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own"

NEW_UUID = "str(__import__('uuid').uuid4())"

ANOTHER_VARIABLE = {
    "run_id.py": {'RUN_ID_VARIABLE = "MUTANT_RUN_ID"': 'RUN_ID_VARIABLE = "EXECUTION"'}
}
LEFT_OPEN = {
    "outcome.py": {
        "    publish_step_run_status_update(\n": "    (lambda *_, **__: None)(\n",
    }
}


def changed(
    mistake: str,
    changes: dict[str, dict[str, str]],
    killed_by: str,
    strategy: str | None = None,
) -> Mutant:
    """Makes a mutant of pieces of text. The arguments are those of `Mutant`."""
    return Mutant(mistake, killed_by, text=changes, strategy=strategy)
