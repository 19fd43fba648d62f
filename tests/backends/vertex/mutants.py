"""The mutants of `vertex`."""

from __future__ import annotations

from mutants.contract import (
    CONSTANT_ID,
    EVERY_PROCESS,
    EVERY_PROCESS_OF_DYNAMIC,
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    RESOURCES_IGNORED,
    RUN_ID,
    STAYS_RUNNING,
    STOPPED,
    TOKEN_BESIDE_THE_SECRET,
)
from mutants.mutant import Mutant

LIMITS = "test_resources.py::test_a_task_has_the_limits_that_its_step_asks_for"
PLACES = "test_manifests.py::test_where_jobs_run_is_said_of_pipelines_and_of_custom_jobs"
LOST_ANSWER = "test_service.py::test_a_job_whose_answer_is_lost_is_not_made_again"


def ignoring(resource: str) -> dict[str, str]:
    """Lets a task's limits ignore one of the resources that are asked for."""
    return {
        "resources.py": f"""
_limits = limits


def limits(wanted, accelerator_type, config):
    return _limits(wanted.model_copy(update={{"{resource}": None}}), accelerator_type, config)
"""
    }


MUTANTS = [
    CONSTANT_ID,
    ID_MADE_UP,
    Mutant(
        "The variable is never set in tasks",
        EVERY_PROCESS,
        {
            "platform/manifests.py": """
del TOLD[RunId.variable]
"""
        },
    ),
    RESOURCES_IGNORED,
    FAILURE_AS_SUCCESS,
    STAYS_RUNNING,
    Mutant(
        "A stop that does nothing",
        STOPPED,
        {
            "platform/service.py": """
VertexService.stop = lambda *_: None
"""
        },
    ),
    Mutant(
        "A dynamic pipeline's function does not know that its job is the run",
        EVERY_PROCESS_OF_DYNAMIC,
        {
            "run_id.py": """
RunId.read = RunIdStrategy.read
"""
        },
    ),
    Mutant("CPUs ignored", LIMITS, ignoring("cpu_count")),
    Mutant("Memory ignored", LIMITS, ignoring("memory")),
    Mutant("GPUs ignored", LIMITS, ignoring("gpu_count")),
    Mutant(
        "Requests without limits",
        LIMITS,
        {
            "resources.py": """
_limits = limits


def limits(*arguments):
    return {key.replace("Limit", "Request"): n for key, n in _limits(*arguments).items()}
"""
        },
    ),
    Mutant(
        "The other failure policy",
        "test_manifests.py::test_the_execution_mode_says_whether_tasks_begin_after_a_failure",
        text={
            "platform/manifests.py": {
                '"SLOW" if spec.mode is ExecutionMode.CONTINUE_ON_FAILURE else "FAST"': (
                    '"FAST" if spec.mode is ExecutionMode.CONTINUE_ON_FAILURE else "SLOW"'
                )
            }
        },
    ),
    Mutant(
        "The network dropped",
        PLACES,
        {
            "platform/manifests.py": """
def network(config):
    return {}
"""
        },
    ),
    Mutant(
        "The key dropped",
        PLACES,
        {
            "platform/manifests.py": """
def encryption(config):
    return {}
"""
        },
    ),
    Mutant(
        "Empty variables as they are",
        "test_environment.py::test_variables_arrive_as_they_were",
        {
            "platform/environment.py": """
def fit(environment, most, *, restored):
    return dict(environment)
"""
        },
    ),
    Mutant(
        "Steps whose names look alike share a task",
        "test_manifests.py::test_names_of_tasks_differ_in_more_than_case",
        {
            "platform/names.py": """
def task_name(name):
    return pipeline_name(name)
"""
        },
    ),
    Mutant(
        "A state that is new is taken for an end",
        "test_service.py::test_a_state_is_read_and_a_word_that_is_new_is_not_over",
        {
            "platform/job_status.py": """
PHASES["OF_2031"] = Phase.FAILED
"""
        },
    ),
    Mutant(
        "A failure without its reason",
        "test_service.py::test_a_state_is_read_and_a_word_that_is_new_is_not_over",
        {
            "platform/job_status.py": """
_status_of = status_of


def status_of(found):
    status = _status_of(found)
    return JobStatus(status.phase, "", status.exit_code)
"""
        },
    ),
    Mutant(
        "Nobody looks for a custom job before its request is repeated",
        LOST_ANSWER,
        {
            "platform/service.py": """
VertexService._list_custom = lambda *_: []
"""
        },
    ),
    Mutant(
        "A secret that stays",
        "test_service.py::test_a_secret_has_the_token_and_no_request_and_is_deleted_with_the_job",
        {
            "platform/service.py": """
VertexService.clean_up = lambda *_: None
"""
        },
    ),
    Mutant(
        "The token in the request, though there is a secret",
        "test_service.py::test_a_secret_has_the_token_and_no_request_and_is_deleted_with_the_job",
        text=TOKEN_BESIDE_THE_SECRET,
    ),
    Mutant(
        "A changed schedule that forgets its time zone",
        "test_service.py::test_a_schedule_is_changed_paused_and_resumed_and_keeps_the_rest",
        {
            "platform/service.py": """
def time_zone_of(cron):
    return "UTC"
"""
        },
    ),
    Mutant(
        "A login that is not renewed",
        "test_login.py::test_a_request_is_made_again_with_a_new_login_once",
        {
            "platform/google_cloud.py": """
UNAUTHORIZED = 0
"""
        },
    ),
    Mutant(
        "A function that takes its own job for another",
        "test_causes.py::test_a_function_that_a_signal_ends_is_not_taken_for_a_fault_of_the_machine",
        {
            "platform/service.py": """
VertexService.current_job = lambda _: own_job()
VertexService._handle = lambda _, name: name
"""
        },
    ),
    Mutant(
        "A step that Vertex AI starts again by its exit code",
        "test_causes.py::test_a_function_that_a_signal_ends_is_not_taken_for_a_fault_of_the_machine",
        text={
            "container.py": {"return 1 if exit_code > SIGNALLED else exit_code": "return exit_code"}
        },
    ),
]

EQUIVALENT = [
    Mutant(
        "Another variable",
        RUN_ID,
        text={"run_id.py": {'variable = "MUTANT_RUN_ID"': 'variable = "EXECUTION"'}},
    ),
    Mutant(
        "A custom job for each step",
        "test_contract.py::TestFailure::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
        text={
            "platform/manifests.py": {"if settings.custom_job_parameters is not None:": "if True:"}
        },
    ),
]
