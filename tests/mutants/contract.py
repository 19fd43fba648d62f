"""The tests of the contract that kill mutants, and the mistakes that every backend can make."""

from __future__ import annotations

from mutants.mutant import Mutant

RUN_ID = "test_contract.py::TestRunId"
SAME_STEPS = f"{RUN_ID}::test_is_the_same_in_every_step_of_a_run"
EVERY_PROCESS = f"{RUN_ID}::test_reaches_every_process_that_is_submitted"
EVERY_PROCESS_OF_DYNAMIC = f"{RUN_ID}::test_reaches_every_process_of_a_dynamic_run"
RESTART = f"{RUN_ID}::test_survives_a_restart_of_the_process"
SAME_SNAPSHOT = f"{RUN_ID}::test_is_new_for_each_execution_of_the_same_snapshot"
WITHIN_A_SECOND = f"{RUN_ID}::test_is_new_even_within_a_second_and_as_mysql_compares"
NOT_INHERITED = f"{RUN_ID}::test_is_not_inherited_from_the_submitting_process"
LENGTH = f"{RUN_ID}::test_has_1_to_255_characters_with_the_longest_names"
MISSING = f"{RUN_ID}::test_a_missing_id_is_an_error_that_names_the_variable"
SUBMITTED = "test_contract.py::TestResources::test_what_a_step_asks_for_is_submitted"
FAILING = (
    "test_contract.py::TestFailure::"
    "test_a_failing_step_fails_the_run_and_those_below_it_do_not_start"
)
KILLED = "test_contract.py::TestFailure::test_a_killed_step_fails_the_run_and_the_signal_is_named"
STOPPED = "test_contract.py::TestStop::test_a_forceful_stop_ends_the_steps_in_progress"

# The engine refuses an ID that ZenML cannot store. These mutants let it pass.
UNCHECKED = {"engine/run_store.py": "def check_length(run_id):\n    pass"}

# ---- The engine's own mistakes

# What the variables of a job are made of: the ID is left out where a condition does not hold.
SET_IF = """
_complete = JobSpecs._complete


def _complete_if(self, job):
    return _complete(self if {condition} else replace(self, run_id={{}}), job)


JobSpecs._complete = _complete_if
"""

NO_RESOURCES = {
    "engine/job_specs.py": """
_complete = JobSpecs._complete


def _complete_without_resources(self, job):
    return _complete(self, replace(job, resources=ResourceSettings()))


JobSpecs._complete = _complete_without_resources
"""
}

# Though there is a secret, what is in it is in the environment of the jobs too.
TOKEN_BESIDE_THE_SECRET = {
    "engine/services/secrets.py": {
        "hidden = {SECRET_VARIABLE: reference}": (
            "hidden = {SECRET_VARIABLE: reference, **job.secrets}"
        )
    }
}

# Whatever ZenML has of a step, it has succeeded.
ALWAYS_SUCCEEDED = {
    "engine/run_store.py": """
def record_of(attempts):
    return StepRecord(len(attempts), succeeded=bool(attempts))
"""
}

# ZenML is not told how a step ended that could not say so itself.
LEFT_OPEN = {
    "engine/run_store.py": """
def end_step_run(step, cause, *, stopped):
    return cause
"""
}

# A run is told to stop, and its jobs are not.
NOTHING_STOPPED = {
    "engine/controller.py": """
def _forget(self, names):
    pass


Controller._ask_to_stop = _forget
"""
}


def set_if(condition: str) -> dict[str, str]:
    """Sets the variable of the run ID only in jobs for which an expression with `job` holds."""
    return {"engine/job_specs.py": SET_IF.format(condition=condition)}


def new(expression: str, *, checked: bool = True) -> dict[str, str]:
    """Makes the ID of a run some other way.

    Args:
        expression: What it is, with `self` and `run`.
        checked: Whether the engine still looks at its length.
    """
    source = f"import os, platform, time, uuid\n\nRunId.new = lambda self, run: {expression}"
    return {"run_id.py": source, **({} if checked else UNCHECKED)}


def read(expression: str) -> dict[str, str]:
    """Reads the ID in a process of the run some other way, by an expression with `self`."""
    return {
        "run_id.py": f"import os, tempfile, uuid\n\nRunId.read = lambda self, connect: {expression}"
    }


# ---- Mutants of several backends

CONSTANT_ID = Mutant("A constant ID", SAME_SNAPSHOT, new("'my-run'"))
ID_MADE_UP = Mutant(
    "A UUID made up when the variable is missing",
    MISSING,
    read("os.environ.get(self.variable) or str(uuid.uuid4())"),
)
STEPS_WITHOUT_ID = Mutant(
    "The variable is never set in steps", EVERY_PROCESS, set_if("job.role is not Role.STEP")
)
RESOURCES_IGNORED = Mutant("Resources that never reach the platform", SUBMITTED, NO_RESOURCES)
FAILURE_AS_SUCCESS = Mutant("A failing step reported as success", FAILING, ALWAYS_SUCCEEDED)
STAYS_RUNNING = Mutant("A killed step that stays running", KILLED, LEFT_OPEN)
NO_STOP = Mutant(
    "A stop that does nothing",
    STOPPED,
    {"engine/orchestrator.py": "JobOrchestrator._stop_run = lambda self, run, graceful: None"},
)
