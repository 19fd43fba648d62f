# YOURS: the scheduler's commands and words. Another scheduler is this module, written anew.
"""The scheduler: which commands it has, and what they write.

It is written for Slurm 22.05 and later: `squeue --format` has what is needed, and is the same in
all of them; `--json` is not. See https://slurm.schedmd.com/squeue.html.
"""

from __future__ import annotations

import os
import re
import subprocess

from .engine.protocols import JobRefused, JobStatus, Phase

# What is asked of it. `list` is for all jobs of the user, those that have just ended too: with many
# numbers `squeue --jobs` would ask for the jobs of all users. `{jobs}` are numbers with commas.
# SIGTERM is for the script and all its processes (--full), not for the steps of srun alone.
COMMANDS = {
    "submit": "sbatch --parsable --job-name={name} --chdir={folder} --output={folder}/slurm.log "
    "--open-mode=append --export=ALL --{requeue}",
    "check": "sbatch --test-only --wrap=true",
    "list": "squeue --noheader --states=all --format=%i|%j|%T|%r --me",
    "account": "sacct --noheader --parsable2 --allocations --format=JobIDRaw,JobName,State "
    "--jobs={jobs}",
    "cancel": "scancel {job}",
    "terminate": "scancel --full --signal=TERM {job}",
}

# All that commands find in their environment, and with --export=ALL jobs, too: nothing secret. With
# NONE or NIL each job would first wait for a login shell of the user's.
PASSED_ON = ("HOME", "USER", "PATH", "LD_LIBRARY_PATH", "SLURM_CONF")

# A line of a list, and the variable in which a job finds its number.
LINE = r"(?P<number>[^|]*)\|(?P<name>[^|]*)\|(?P<state>[^|]*)(\|(?P<reason>.*))?"
NUMBER_VARIABLE = "SLURM_JOB_ID"
REQUEUE = {True: "requeue", False: "no-requeue"}

# What its words for states mean. A word that is not here says nothing of an end.
PHASES = {
    Phase.PENDING: "PENDING CONFIGURING REQUEUED REQUEUE_HOLD SPECIAL_EXIT",
    Phase.SUCCEEDED: "COMPLETED",
    Phase.STOPPED: "CANCELLED",
    Phase.FAILED: "FAILED BOOT_FAIL DEADLINE NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT",
}
PREEMPTED = "BOOT_FAIL NODE_FAIL PREEMPTED"

# Why a job has ended, by its state. Of FAILED the exit code says more.
CAUSES = {
    "CANCELLED": "it was cancelled",
    "BOOT_FAIL": "its node did not start",
    "DEADLINE": "it could not end before its deadline",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "it was out of memory",
    "PREEMPTED": "it was preempted",
    "TIMEOUT": "it reached its time limit",
}

# Reasons of a waiting job that do not pass: https://slurm.schedmd.com/job_reason_codes.html. A job
# that `sbatch` has refused is listed all the same, with REFUSED.
REFUSED = "BadConstraints"
HOPELESS = (
    "BadConstraints DependencyNeverSatisfied InvalidAccount InvalidQOS PartitionNodeLimit "
    "PartitionTimeLimit"
)

# What commands write when the scheduler cannot be asked, when it does not know a job, and when it
# refuses one that may run later.
AWAY = r"unable to contact|connect|timed out|try again|zero bytes|socket|temporarily"
UNKNOWN = r"invalid job id"
NOT_NOW = r"not available now|down|drain|busy"

# How long a command may take, in seconds.
TIMEOUT = 60.0


class SchedulerUnavailableError(Exception):
    """The scheduler does not answer."""


# What is worth another try.
TRANSIENT = (SchedulerUnavailableError, subprocess.TimeoutExpired)


def run(command: str, *arguments: str, **values: str) -> str:
    """Runs a command of the table, and returns what it writes.

    Args:
        command: Its name in the table.
        arguments: What follows.
        values: What stands in its braces.

    Raises:
        SchedulerUnavailableError: If another try may work; or `subprocess.TimeoutExpired`.
        JobRefused: If it refuses, in its own words.
        ValueError: If this machine has no such command.
    """
    words = [*(word.format(**values) for word in COMMANDS[command].split()), *arguments]
    own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=own
        )
    except FileNotFoundError as error:
        raise ValueError(f"The command {words[0]} is not found on this machine (PATH).") from error
    said = done.stderr.strip()
    if done.returncode == 0 or re.search(UNKNOWN, said, re.IGNORECASE):
        return done.stdout
    if re.search(AWAY, said, re.IGNORECASE):
        raise SchedulerUnavailableError(said)
    raise JobRefused(said or f"{words[0]} fails with exit code {done.returncode}")


def refusal_of(*options: str) -> str:
    """Returns what the scheduler has against options of a job; nothing if it may run one day."""
    try:
        run("check", *options)
    except TRANSIENT:
        return ""
    except JobRefused as error:
        return "" if re.search(NOT_NOW, str(error), re.IGNORECASE) else str(error)
    return ""


def list_jobs(command: str, **values: str) -> dict[str, JobStatus]:
    """Lists jobs with one command of the table, by `name/number`. It knows no exit codes."""
    found = (re.fullmatch(LINE, line) for line in run(command, **values).splitlines())
    jobs = [each.groupdict(default="") for each in found if each]
    return {f"{job['name']}/{job['number']}": status(job["state"], job["reason"]) for job in jobs}


def status(state: str, reason: str) -> JobStatus:
    """Says how a job is, by the scheduler's words."""
    word = state.partition(" ")[0]  # `sacct` writes `CANCELLED by 1000`.
    phase = next((each for each, words in PHASES.items() if word in words.split()), Phase.RUNNING)
    if phase is Phase.PENDING and reason not in ("", "None"):
        return JobStatus(phase, f"it waits: {reason}", hopeless=reason in HOPELESS.split())
    cause = f"{CAUSES[word]} ({state})" if word in CAUSES else ""
    return JobStatus(phase, cause, preempted=word in PREEMPTED.split())
