"""Broken orchestrators, each with the generated test that must notice.

A creature is a change to a freshly generated project: the mistake, and what the code looks
like that makes it. README.md shows them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Creature:
    """A broken implementation.

    Attributes:
        mistake: What is wrong, in words.
        changes: For each module, pieces of its text and what replaces them.
        caught_by: The generated test that must fail, as `file::name`.
    """

    mistake: str
    changes: dict[str, dict[str, str]]
    caught_by: str

    @property
    def name(self) -> str:
        """The mistake as an identifier."""
        return "".join(c if c.isalnum() else "_" for c in self.mistake.lower()).strip("_")


MINT = "    return str(uuid.uuid4())\n"
READ = "    run_id = os.environ.get(RUN_ID_VARIABLE)\n"
SET = "    return {RUN_ID_VARIABLE: run_id}\n"
CHECK = "        if not 1 <= len(new_id) <= MAX_RUN_ID_LENGTH:\n"


def minted(expression: str) -> dict[str, dict[str, str]]:
    """Makes the ID of an execution some other way, and drops the check of its length."""
    return {
        "run_id.py": {MINT: f"    return {expression}\n"},
        "orchestrator.py": {CHECK: "        if False:\n"},
    }


def read(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a process some other way."""
    return {"run_id.py": {READ: f"    run_id = {expression}\n"}}


def module(name: str) -> str:
    """Names a module in an expression."""
    return f"__import__({name!r})"


IGNORED_CPU = {"resources.py": {"            cpus=settings.cpu_count or 0.0,\n": ""}}
IGNORED_MEMORY = {"resources.py": {"            memory=in_bytes(settings),\n": ""}}
IGNORED_GPU = {"resources.py": {"            gpus=settings.gpu_count,\n": ""}}

SAME_SNAPSHOT = "test_run_id.py::test_is_new_for_each_execution_of_the_same_snapshot"
SAME_STEPS = "test_run_id.py::test_is_the_same_in_every_step_of_a_run"
WITHIN_A_SECOND = "test_run_id.py::test_is_new_even_within_a_second_and_as_mysql_compares"
MISSING = "test_run_id.py::test_a_missing_id_is_an_error_that_names_the_variable"
EVERY_PROCESS = "test_run_id.py::test_reaches_every_process_that_is_submitted"
LENGTH = "test_run_id.py::test_has_1_to_255_characters_with_the_longest_names"
SUBMITTED = "test_resources.py::test_what_a_step_asks_for_is_submitted"

ZOO = [
    Creature("A constant ID", minted("'my-run'"), SAME_SNAPSHOT),
    Creature(
        "A timestamp in seconds",
        minted(f"{module('time')}.strftime('%Y%m%d-%H%M%S')"),
        WITHIN_A_SECOND,
    ),
    Creature(
        "The snapshot's ID",
        {
            "orchestrator.py": {
                "        refuse_schedule(snapshot)\n        new_id = self._new_run_id(": (
                    "        refuse_schedule(snapshot)\n        new_id = str(snapshot.id or "
                )
            }
        },
        SAME_SNAPSHOT,
    ),
    Creature("The host's name", minted(f"{module('platform')}.node()"), SAME_SNAPSHOT),
    Creature("A new UUID in each step", read("str(uuid.uuid4())"), SAME_STEPS),
    Creature("The process ID of the step", read("str(os.getpid())"), SAME_STEPS),
    Creature(
        "A UUID made up when the variable is missing",
        read("os.environ.get(RUN_ID_VARIABLE) or str(uuid.uuid4())"),
        MISSING,
    ),
    Creature("The variable is never set", {"run_id.py": {SET: "    return {}\n"}}, EVERY_PROCESS),
    Creature(
        "The variable is set in one step only",
        {
            "orchestrator.py": {
                "        self._refuse_impossible({name: job.resources": (
                    "        for job in list(jobs.values())[1:]:\n"
                    "            job.environment.pop(run_id.RUN_ID_VARIABLE)\n"
                    "        self._refuse_impossible({name: job.resources"
                )
            }
        },
        EVERY_PROCESS,
    ),
    Creature(
        "An ID inherited from the submitting process",
        minted("os.environ.get(RUN_ID_VARIABLE) or str(uuid.uuid4())"),
        "test_run_id.py::test_is_not_inherited_from_the_submitting_process",
    ),
    Creature("An empty ID", minted("''"), LENGTH),
    Creature("An ID of 256 characters", minted("str(uuid.uuid4()) + 220 * 'x'"), LENGTH),
    Creature(
        "An ID that grows with the pipeline's name",
        minted("f'{run.pipeline.name}-{uuid.uuid4()}'"),
        LENGTH,
    ),
    Creature(
        "IDs that differ in case only",
        minted(
            "''.join(c.upper() if uuid.uuid4().int % 2 else c for c in 'abcdefghijklmnopqrstuvw')"
        ),
        WITHIN_A_SECOND,
    ),
    Creature(
        "An ID lost when a process is started again",
        read(
            "os.environ.get(RUN_ID_VARIABLE); "
            f"mark = {module('tempfile')}.gettempdir() + f'/seen-{{run_id}}'; "
            "run_id = run_id if not os.path.exists(mark) else run_id + '-again'; "
            "open(mark, 'w').close()"
        ),
        "test_run_id.py::test_survives_a_restart_of_the_process",
    ),
    Creature("CPUs ignored", IGNORED_CPU, SUBMITTED),
    Creature("Memory ignored", IGNORED_MEMORY, SUBMITTED),
    Creature("GPUs ignored", IGNORED_GPU, SUBMITTED),
    Creature(
        "Reservations that hold nobody back",
        {"ledger.py": {"            if not fits:\n": "            if False:\n"}},
        "test_resources.py::test_steps_that_do_not_fit_side_by_side_run_one_after_the_other",
    ),
    Creature(
        "A failing step reported as success",
        {
            "processes.py": {
                "        code = process.wait()\n": "        code = process.wait() * 0\n"
            }
        },
        "test_failures.py::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
    ),
    Creature(
        "A killed step that stays running",
        {"controller.py": {"            settle_step(": "            str("}},
        "test_failures.py::test_a_killed_step_fails_the_run_and_the_signal_is_named",
    ),
    Creature(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if not graceful:\n            publish_pipeline": (
                    "        if False:\n            publish_pipeline"
                )
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    Creature(
        "A schedule ignored",
        {"orchestrator.py": {"    if snapshot.schedule:\n": "    if False:\n"}},
        "test_capabilities.py::test_a_schedule_is_refused_in_words",
    ),
]

# Unusual, but right: the generated tests must stay green.
RIGHT = [
    Creature(
        "Another variable",
        {"run_id.py": {'RUN_ID_VARIABLE = "ZOO_RUN_ID"': 'RUN_ID_VARIABLE = "EXECUTION"'}},
        "test_run_id.py",
    ),
    Creature(
        "Another format",
        minted("'arn:partition:run/' + uuid.uuid4().hex.upper()"),
        "test_run_id.py",
    ),
]
