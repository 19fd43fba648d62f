"""The mutants of `local`."""

from __future__ import annotations

from mutants.contract import (
    CONSTANT_ID,
    EVERY_PROCESS,
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    KILLED,
    LENGTH,
    NOT_INHERITED,
    NOTHING_STOPPED,
    RESOURCES_IGNORED,
    RESTART,
    RUN_ID,
    SAME_SNAPSHOT,
    SAME_STEPS,
    STAYS_RUNNING,
    STOPPED,
    WITHIN_A_SECOND,
    new,
    read,
    set_if,
)
from mutants.mutant import Mutant

SETTINGS_READ = "test_resources.py::test_settings_are_read_in_every_unit"


def unread(field: str, nothing: str) -> dict[str, str]:
    """Leaves a field of `ResourceSettings` out of what a step reserves."""
    return {
        "resources.py": f"""
from dataclasses import replace

_read = from_settings


def from_settings(settings):
    return replace(_read(settings), {field}={nothing})
"""
    }


MUTANTS = [
    CONSTANT_ID,
    Mutant("A timestamp in seconds", WITHIN_A_SECOND, new("time.strftime('%Y%m%d-%H%M%S')")),
    Mutant("The snapshot's ID", SAME_SNAPSHOT, new("str(run.snapshot.id)")),
    Mutant("The host's name", SAME_SNAPSHOT, new("platform.node()")),
    Mutant("A new UUID in each step", SAME_STEPS, read("str(uuid.uuid4())")),
    Mutant("The process ID of the step", SAME_STEPS, read("str(os.getpid())")),
    ID_MADE_UP,
    Mutant("The variable is never set", EVERY_PROCESS, set_if("False")),
    Mutant("The variable is set in one step only", EVERY_PROCESS, set_if("job.name == 'first'")),
    Mutant(
        "An ID inherited from the submitting process",
        NOT_INHERITED,
        new("os.environ.get(self.variable) or str(uuid.uuid4())"),
    ),
    Mutant("An empty ID", LENGTH, new("''", checked=False)),
    Mutant("An ID of 256 characters", LENGTH, new("str(uuid.uuid4()) + 220 * 'x'", checked=False)),
    Mutant(
        "An ID that grows with the pipeline's name",
        LENGTH,
        new("f'{run.pipeline.name}-{uuid.uuid4()}'", checked=False),
    ),
    Mutant(
        "IDs that differ in case only",
        WITHIN_A_SECOND,
        new("''.join(c.upper() if uuid.uuid4().int % 2 else c for c in 'abcdefghijklmnopqrstuvw')"),
    ),
    Mutant(
        "An ID lost when a process is started again",
        RESTART,
        {
            "run_id.py": """
import os
import tempfile

_read = RunId.read


def _read_once(self, connect):
    run_id = _read(self, connect)
    seen = os.path.join(tempfile.gettempdir(), f"seen-{run_id}")
    if os.path.exists(seen):
        return f"{run_id}-again"
    open(seen, "w").close()
    return run_id


RunId.read = _read_once
"""
        },
    ),
    Mutant("CPUs ignored", SETTINGS_READ, unread("cpus", "0.0")),
    Mutant("Memory ignored", SETTINGS_READ, unread("memory", "0")),
    Mutant("GPUs ignored", SETTINGS_READ, unread("gpus", "None")),
    RESOURCES_IGNORED,
    Mutant(
        "Reservations that hold nobody back",
        "test_resources.py::test_steps_that_do_not_fit_side_by_side_run_one_after_the_other",
        {
            "engine/processes/reservations.py": """
from dataclasses import replace

_init = Reservations.__init__


def _generous(self, path, capacity):
    _init(self, path, replace(capacity, cpus=1000.0, memory=2**50))


Reservations.__init__ = _generous
"""
        },
    ),
    FAILURE_AS_SUCCESS,
    STAYS_RUNNING,
    Mutant(
        "A signal that is lost",
        KILLED,
        {
            "engine/processes/process_job.py": """
def _one(self, code, reason):
    return JobStatus(Phase.FAILED, reason, exit_code=1)


ProcessJob._end = _one
"""
        },
    ),
    Mutant("A stop that does nothing", STOPPED, NOTHING_STOPPED),
    Mutant(
        "A schedule ignored",
        "test_settings.py::test_a_schedule_is_refused_in_words",
        {
            "engine/orchestrator.py": """
class Ignored:
    def create_schedule(self, schedule, job):
        return "ignored"


JobOrchestrator._schedules = lambda self: Ignored()
"""
        },
    ),
]

EQUIVALENT = [
    Mutant("Another variable", RUN_ID, {"run_id.py": 'RunId.variable = "EXECUTION"'}),
    Mutant("Another format", RUN_ID, new("'arn:partition:run/' + uuid.uuid4().hex.upper()")),
]
