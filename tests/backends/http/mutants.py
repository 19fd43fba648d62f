"""The mutants of `http`: the mistakes of a team that makes it speak to its own service."""

from __future__ import annotations

from mutants.contract import (
    CONSTANT_ID,
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    NO_STOP,
    RESOURCES_IGNORED,
    RUN_ID,
    SAME_STEPS,
    STEPS_WITHOUT_ID,
    read,
)
from mutants.mutant import Mutant

ALONE = "test_platform.py::TestPlatform"

MUTANTS = [
    CONSTANT_ID,
    Mutant("The ID of each step's own job", SAME_STEPS, read("os.environ['SERVICE_JOB_ID']")),
    ID_MADE_UP,
    STEPS_WITHOUT_ID,
    RESOURCES_IGNORED,
    FAILURE_AS_SUCCESS,
    NO_STOP,
    Mutant(
        "ZenML's token among the variables that anybody may read",
        "test_secrets.py::test_the_token_is_among_the_secrets_of_a_job_and_nowhere_else",
        {"engine/job_specs.py": "split_secrets = lambda environment: (dict(environment), {})"},
    ),
    Mutant(
        "A new key for each request",
        f"{ALONE}::test_a_lost_answer_starts_nothing_twice",
        text={"platform.py": {'"key": str(job.key)': '"key": f"{job.key}#{os.urandom(4).hex()}"'}},
    ),
    Mutant(
        "An overloaded service taken for one that refuses",
        f"{ALONE}::test_no_answer_is_told_from_a_refusal",
        {"platform.py": "OVERLOADED.clear()"},
    ),
    Mutant(
        "A login that is not valid taken for a refusal",
        f"{ALONE}::test_a_token_that_is_not_valid_is_no_refusal_of_a_job",
        text={"platform.py": {"if answer.status in NO_LOGIN": "if False"}},
    ),
    Mutant(
        "The first page of the list only",
        f"{ALONE}::test_all_jobs_of_a_run_are_found_whatever_they_are_called",
        text={"platform.py": {'page = answer["next"]': "page = None"}},
    ),
    Mutant(
        "A grace period that is never sent",
        f"{ALONE}::test_a_job_that_does_not_end_is_killed_after_its_grace_period",
        text={"platform.py": {'"grace_seconds": job.grace_seconds': '"grace_seconds": 30'}},
    ),
    Mutant(
        "A step among the controllers",
        "test_settings.py::test_a_step_in_the_queue_of_the_controllers_is_refused",
        text={"platform.py": {"if job.role is Role.STEP and cast": "if False and cast"}},
    ),
]

EQUIVALENT = [
    Mutant(
        "The address and the ID of the controller's job",
        RUN_ID,
        {
            "run_id.py": """
_read = RunId.read


def _read_whole(self, connect):
    found = _read(self, connect)
    return found if "/" in found else f"service/{found}"


RunId.of_job = lambda self, platform, handle: f"service/{handle}"
RunId.read = _read_whole
"""
        },
    ),
]
