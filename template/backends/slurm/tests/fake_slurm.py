# YOURS: the cluster that the tests run on. Make it behave as yours does.
"""Programs that behave as Slurm's, without a cluster: `sbatch`, `squeue`, `scancel` and others.

Jobs are processes of this machine. They refuse what Slurm 22.05 refuses, in its words. There is no
daemon: a job is a folder, and a process that waits for room, runs the script, and notes the end.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the only node has, and the partitions, with the most minutes of a job.
CPUS, MEMORY_MB, GPUS = 16, 32_000, 2
PARTITIONS = {"main": 7 * 24 * 60, "urgent": 60}

# The list that is asked for all the time: it is answered without a Python.
LIST = "--noheader --states=all --format=%i|%j|%T|%r --me"
QUICK = f"""
if [ "$*" = "{LIST}" ] && [ ! -e "$FAKE_SLURM/down" ]; then
  cat "$FAKE_SLURM"/lines/* 2> /dev/null
  exit 0
fi
"""

FOLDER = "FAKE_SLURM"
REFUSED = "Batch job submission failed:"


def install(folder: Path) -> Path:
    """Makes the programs, for a cluster of their own.

    A file `down` in the folder takes it away; one named `accounting` lets `sacct` answer.

    Returns:
        The folder that has them, for `PATH`.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in ("jobs", "lines"):
        (folder / name).mkdir()
    for name in PROGRAMS:
        words = shlex.join([sys.executable, "-S", "-E", __file__, name])
        program = programs / name
        program.write_text(
            f"#!/bin/sh\nexport {FOLDER}={shlex.quote(str(folder))}\n"
            f'{QUICK if name == "squeue" else ""}exec {words} "$@"\n'
        )
        program.chmod(0o755)
    return programs


class Cluster:
    """What all the programs know."""

    def __init__(self, folder: Path) -> None:
        """Starts nothing."""
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock of all."""
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self, number: str) -> dict[str, Any]:
        """Reads how a job is."""
        found: dict[str, Any] = json.loads((self.folder / "jobs" / number).read_text())
        return found

    def write(self, number: str, **changes: object) -> None:
        """Changes how a job is. Take the lock before."""
        file = self.folder / "jobs" / number
        job = json.loads(file.read_text()) if file.exists() else {}
        job |= changes
        line = f"{number}|{job['name']}|{job['state']}|{job['reason']}\n"
        for place, text in ((file, json.dumps(job)), (self.folder / "lines" / number, line)):
            new = self.folder / f"{number}.new"
            new.write_text(text)
            new.rename(place)

    def numbers(self) -> list[str]:
        """Lists all jobs."""
        return sorted((file.name for file in (self.folder / "jobs").iterdir()), key=int)

    def next_number(self) -> str:
        """Returns a number that no job has had, forgotten ones included. Take the lock before."""
        with (self.folder / "submitted").open("a") as file:
            file.write(".")
            return str(file.tell())

    def end(self, number: str, state: str) -> None:
        """Ends a job as a cluster does, by force, and says why."""
        with self.locked():
            job = self.read(number)
            if job["state"] in ("PENDING", "RUNNING"):
                self.write(number, state=state)
                if "pid" in job:
                    kill_group(job["pid"], signal.SIGKILL)

    def forget(self, number: str) -> None:
        """Loses a job, also for `squeue`."""
        self.end(number, "CANCELLED")
        for folder in ("jobs", "lines"):
            (self.folder / folder / number).unlink()

    def close(self) -> None:
        """Kills all jobs, and takes the cluster away."""
        (self.folder / "down").touch()
        for number in self.numbers():
            self.end(number, "CANCELLED")


def kill_group(pid: int, number: signal.Signals) -> None:
    """Sends a signal to all processes of a job."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def fail(program: str, *lines: str) -> NoReturn:
    """Ends as Slurm's programs do when they refuse."""
    sys.stderr.write("".join(f"{program}: error: {line}\n" for line in lines))
    sys.exit(1)


class Parser(argparse.ArgumentParser):
    """Reads options, and refuses others."""

    def error(self, message: str) -> NoReturn:
        """Ends."""
        fail(self.prog, message)


def sbatch(cluster: Cluster, arguments: list[str]) -> None:
    """Submits a job."""
    parser = Parser("sbatch", allow_abbrev=False)
    for name in ("job-name", "output", "chdir", "export", "open-mode", "account", "qos", "wrap"):
        parser.add_argument(f"--{name}")
    for name in ("parsable", "requeue", "no-requeue", "exclusive", "test-only", "hold"):
        parser.add_argument(f"--{name}", action="store_true")
    for name, default in (("cpus-per-task", "1"), ("mem", ""), ("gres", ""), ("time", "")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--nice")
    parser.add_argument("--partition", default="main")
    parser.add_argument("--constraint")
    parser.add_argument("script", nargs="?", type=Path)
    asked = parser.parse_args(arguments)
    refused = "allocation failure:" if asked.test_only else REFUSED
    needs = needs_of(asked, refused)
    if asked.test_only:
        return
    if not asked.script.is_file():
        fail("sbatch", f"Unable to open file {asked.script}")
    script = asked.script.read_text()
    if not script.startswith("#!"):
        fail("sbatch", "This does not look like a batch script.")
    with cluster.locked():
        number = cluster.next_number()
        cluster.write(
            number,
            name=asked.job_name or asked.script.name,
            state="PENDING",
            reason="JobHeldUser" if asked.hold else "None",
            needs=needs,
            arguments=arguments,
            script=script,
            output=asked.output,
            directory=asked.chdir,
            variables={
                "HOME": os.environ.get("HOME", "/"),
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "SLURM_JOB_ID": number,
                "SLURM_JOB_NAME": asked.job_name,
                "SLURM_CLUSTER_NAME": "fake",
            },
        )
    start_runner(number)
    sys.stdout.write(f"{number}\n")


def start_runner(number: str) -> None:
    """Starts what runs a job once there is room."""
    words = [sys.executable, "-S", "-E", __file__, "runner", number]
    with Path(os.devnull).open("r+b") as nothing:
        subprocess.Popen(
            words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )


def needs_of(asked: argparse.Namespace, refused: str) -> dict[str, int]:
    """Returns what a job needs, or refuses it."""
    for partition in asked.partition.split(","):
        if partition not in PARTITIONS:
            fail(
                "sbatch",
                f"invalid partition specified: {partition}",
                f"{refused} Invalid partition name specified",
            )
    if not asked.cpus_per_task.isdigit():
        fail("sbatch", f'Invalid numeric value "{asked.cpus_per_task}" for --cpus-per-task.')
    if asked.mem and not re.fullmatch(r"\d+[KMGT]?", asked.mem):
        fail("sbatch", "Invalid --mem specification")
    if asked.time and not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", asked.time):
        fail("sbatch", "Invalid --time specification")
    if asked.gres and not re.fullmatch(r"gpu(:\w+)?:\d+", asked.gres):
        fail("sbatch", f"{refused} Invalid generic resource (gres) specification")
    needs = {
        "cpus": CPUS if asked.exclusive else int(asked.cpus_per_task),
        "memory": megabytes(asked.mem) if asked.mem else 100 * int(asked.cpus_per_task),
        "gpus": int(asked.gres.rpartition(":")[2] or 0),
    }
    if needs["memory"] > MEMORY_MB:
        fail("sbatch", f"{refused} Memory required by task is not available")
    if needs["cpus"] > CPUS or needs["gpus"] > GPUS or asked.constraint:
        fail("sbatch", f"{refused} Requested node configuration is not available")
    return needs


def megabytes(text: str) -> int:
    """Reads an amount of memory."""
    factor = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}.get(text[-1])
    return int(text) if factor is None else int(int(text[:-1]) * factor)


def runner(cluster: Cluster, arguments: list[str]) -> None:
    """Waits until there is room for a job, runs it, and notes how it ended."""
    (number,) = arguments
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while not begins(cluster, number):
        file = cluster.folder / "jobs" / number
        if not file.exists() or cluster.read(number)["state"] != "PENDING":
            return
        time.sleep(0.05)
    job = cluster.read(number)
    program = cluster.folder / f"{number}.script"
    program.write_text(job["script"])
    program.chmod(0o700)
    with Path(job["output"] or os.devnull).open("ab") as output, cluster.locked():
        if cluster.read(number)["state"] != "RUNNING":
            return
        process = subprocess.Popen(
            [str(program)],
            cwd=job["directory"],
            env=job["variables"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),  # noqa: PLW1509
        )
        cluster.write(number, pid=process.pid)
    code = process.wait()
    kill_group(process.pid, signal.SIGKILL)  # What a job leaves behind ends with it.
    with cluster.locked(), suppress(FileNotFoundError):
        state = cluster.read(number)["state"]
        if state == "REQUEUED":
            cluster.write(number, state="PENDING", reason="None")
            start_runner(number)
        elif state == "RUNNING":
            reason = "None" if code == 0 else "NonZeroExitCode"
            cluster.write(number, state="FAILED" if code else "COMPLETED", reason=reason)


def begins(cluster: Cluster, number: str) -> bool:
    """Lets a job begin if there is room for it; first come, first served."""
    with cluster.locked():
        left = {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
        jobs = {each: cluster.read(each) for each in cluster.numbers()}
        if number not in jobs or jobs[number]["state"] != "PENDING":
            return False
        if jobs[number]["reason"] == "JobHeldUser":
            return False
        for job in jobs.values():
            if job["state"] == "RUNNING":
                left = {name: amount - job["needs"][name] for name, amount in left.items()}
        if any(jobs[number]["needs"][name] > amount for name, amount in left.items()):
            if jobs[number]["reason"] == "None":
                cluster.write(number, reason="Resources")
            return False
        cluster.write(number, state="RUNNING", reason="None")
        return True


def squeue(cluster: Cluster, arguments: list[str]) -> None:
    """Lists jobs. What is asked for all the time has been answered already."""
    fail("squeue", f"these programs of {cluster.folder} do not know {arguments}")


def scancel(cluster: Cluster, arguments: list[str]) -> None:
    """Cancels jobs that wait, or sends them a signal."""
    parser = Parser("scancel", allow_abbrev=False)
    parser.add_argument("--full", action="store_true")
    for name in ("state", "signal"):
        parser.add_argument(f"--{name}")
    parser.add_argument("jobs", nargs="+")
    asked = parser.parse_args(arguments)
    for number in asked.jobs:
        with cluster.locked():
            if number not in cluster.numbers():
                fail("scancel", f"Kill job error on job id {number}: Invalid job id specified")
            job = cluster.read(number)
            if asked.state and job["state"] != asked.state:
                continue
            if job["state"] == "PENDING" and not asked.signal:
                cluster.write(number, state="CANCELLED")
            elif job["state"] == "RUNNING" and "pid" in job:
                kill_group(job["pid"], signal.Signals[f"SIG{asked.signal or 'TERM'}"])


def sacct(cluster: Cluster, arguments: list[str]) -> None:
    """Lists jobs from the accounting, which knows who has cancelled one."""
    parser = Parser("sacct", allow_abbrev=False)
    for name in ("noheader", "parsable2", "allocations"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("format", "jobs"):
        parser.add_argument(f"--{name}")
    asked = parser.parse_args(arguments)
    accounting = cluster.folder / "accounting"
    if not accounting.exists():
        sys.stderr.write("Slurm accounting storage is disabled\n")
        sys.exit(1)
    if asked.format != "JobIDRaw,JobName,State":
        fail("sacct", f"these programs do not know the format {asked.format}")
    for line in accounting.read_text().splitlines():
        if line.partition("|")[0] in asked.jobs.split(","):
            sys.stdout.write(f"{line}\n")


def scontrol(cluster: Cluster, arguments: list[str]) -> None:
    """Requeues a job: it is asked to end, and begins anew under its number."""
    verb, number = arguments
    if verb != "requeue":
        fail("scontrol", f"these programs do not know {verb}")
    with cluster.locked():
        job = cluster.read(number)
        if job["state"] != "RUNNING" or "--requeue" not in job["arguments"]:
            fail("scontrol", f"Requested operation is presently disabled for job {number}")
        cluster.write(number, state="REQUEUED")
        kill_group(job["pid"], signal.SIGTERM)


def main() -> None:
    """Runs one of the programs."""
    cluster = Cluster(Path(os.environ[FOLDER]))
    name, *arguments = sys.argv[1:]
    if name != "runner" and (cluster.folder / "down").exists():
        fail(name, "Unable to contact slurm controller (connect failure)")
    {**PROGRAMS, "runner": runner}[name](cluster, arguments)


PROGRAMS = {
    "sbatch": sbatch,
    "squeue": squeue,
    "scancel": scancel,
    "sacct": sacct,
    "scontrol": scontrol,
}

if __name__ == "__main__":
    main()
