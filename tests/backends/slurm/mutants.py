"""The mutants of `slurm`: the mistakes of a team that makes it speak to its own scheduler."""

from __future__ import annotations

from mutants.contract import (
    CONSTANT_ID,
    ID_MADE_UP,
    RESOURCES_IGNORED,
    SAME_STEPS,
    STEPS_WITHOUT_ID,
    read,
)
from mutants.mutant import Mutant

ALONE = "test_platform.py::TestPlatform"
CAUSES = "test_causes.py::test_how_a_cluster_ends_a_job_is_told_in_words"
PRIVATE = "test_secrets.py::test_what_is_secret_is_private_to_the_user_and_gone_with_the_job"

MUTANTS = [
    CONSTANT_ID,
    Mutant("The number of each step's own job", SAME_STEPS, read("os.environ['SLURM_JOB_ID']")),
    ID_MADE_UP,
    STEPS_WITHOUT_ID,
    RESOURCES_IGNORED,
    Mutant(
        "A job that is submitted again though the queue has it",
        f"{ALONE}::test_a_lost_answer_starts_nothing_twice",
        text={
            "platform.py": {
                'number_of(folder, scheduler.list_jobs("list"))': "number_of(folder, {})",
            }
        },
    ),
    Mutant(
        "A scheduler that is away taken for one that refuses",
        f"{ALONE}::test_no_answer_is_told_from_a_refusal",
        {"scheduler.py": "AWAY = 'nothing of the kind'"},
    ),
    Mutant(
        "A requeued controller without its environment",
        f"{ALONE}::test_a_controller_that_is_requeued_begins_anew_under_its_id",
        text={"job.sh": {'[ -z "$_asked" ] || [ -e stopped ]': "true"}},
    ),
    Mutant(
        "What no node has is submitted all the same",
        f"{ALONE}::test_what_no_node_has_is_refused_in_words_before_it_is_submitted",
        {"platform.py": "SlurmPlatform.validate = lambda self, job: None"},
    ),
    Mutant(
        "A queue that is asked for at each look",
        f"{ALONE}::test_a_watch_reports_ends_and_the_queue_is_asked_for_once_in_an_interval",
        text={"platform.py": {"if not self._watches or now >=": "if now or now >="}},
    ),
    Mutant(
        "A container that is left out",
        f"{ALONE}::test_what_stands_before_commands_is_what_runs_them",
        text={"platform.py": {"*settings.command_prefix, ": ""}},
    ),
    Mutant(
        "A state that is told as nothing but a failure", CAUSES, {"scheduler.py": "CAUSES = {}"}
    ),
    Mutant(
        "The environment in a file that others can read",
        PRIVATE,
        text={"platform.py": {"touch(mode=0o600)": "touch(mode=0o644)"}},
    ),
    Mutant(
        "An environment that outlives a job that was killed",
        CAUSES,
        text={
            "platform.py": {
                'shutil.rmtree(folder / "private", ignore_errors=True)': "pass",
            }
        },
    ),
]

EQUIVALENT: list[Mutant] = []
