# YOURS: delete it, unless your scheduler is PBS.
"""Programs that answer as those of PBS do, for the tables in README.md. Jobs are `fake_slurm`'s."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

import fake_slurm

STATES = {"PENDING": "Q", "RUNNING": "R"}
SERVER = ".pbs"


def install(folder: Path) -> Path:
    """Makes the programs, for a cluster of their own; returns the folder that has them."""
    fake_slurm.install(folder)
    programs = folder / "pbs"
    programs.mkdir()
    for name in PROGRAMS:
        words = shlex.join([sys.executable, "-S", "-E", __file__, name])
        program = programs / name
        variables = f"{fake_slurm.FOLDER}={shlex.quote(str(folder))}"
        program.write_text(f'#!/bin/sh\n{variables} exec {words} "$@"\n')
        program.chmod(0o755)
    return programs


def qsub(cluster: fake_slurm.Cluster, arguments: list[str]) -> None:
    """Submits a job."""
    parser = fake_slurm.Parser("qsub", allow_abbrev=False)
    for name in "Noj":
        parser.add_argument(f"-{name}")
    parser.add_argument("-r", choices=("y", "n"))
    parser.add_argument("-q", default="workq")
    parser.add_argument("script", type=Path)
    asked = parser.parse_args(arguments)
    if asked.q != "workq":
        fail("qsub: Unknown queue")
    with cluster.locked():
        number = cluster.next_number()
        cluster.write(
            number,
            name=asked.N,
            state="PENDING",
            reason="None",
            needs={"cpus": 1, "memory": 1, "gpus": 0},
            script=asked.script.read_text(),
            output=asked.o,
            directory="/",
            variables={"PATH": "/usr/local/bin:/usr/bin:/bin", "PBS_JOBID": f"{number}{SERVER}"},
        )
    fake_slurm.start_runner(number)
    sys.stdout.write(f"{number}{SERVER}\n")


def qstat(cluster: fake_slurm.Cluster, arguments: list[str]) -> None:
    """Lists all jobs, those that have ended too."""
    if arguments != ["-x", "-f", "-F", "dsv", "-D", "|"]:
        fail(f"qstat: these programs do not know {arguments}")
    for number in cluster.numbers():
        job = cluster.read(number)
        parts = [
            f"Job Id: {number}{SERVER}",
            f"Job_Name={job['name']}",
            "Job_Owner=user@host",
            f"job_state={STATES.get(job['state'], 'F')}",
            "queue=workq",
            f"comment=Not Running: {job['reason']}",
            "project=_pbs_project_default",
        ]
        sys.stdout.write("|".join(parts) + "\n")


def qdel(cluster: fake_slurm.Cluster, arguments: list[str]) -> None:
    """Deletes a job."""
    (job,) = arguments
    cluster.end(known(cluster, job, "qdel"), "CANCELLED")


def qsig(cluster: fake_slurm.Cluster, arguments: list[str]) -> None:
    """Sends a signal to a job's processes."""
    _, name, job = arguments
    found = cluster.read(known(cluster, job, "qsig"))
    if found["state"] != "RUNNING":
        fail(f"qsig: Request invalid for state of job {job}")
    fake_slurm.kill_group(found["pid"], signal.Signals[name])


def known(cluster: fake_slurm.Cluster, job: str, program: str) -> str:
    """Returns the number of a job that there is."""
    number = job.removesuffix(SERVER)
    if number not in cluster.numbers():
        fail(f"{program}: Unknown Job Id {job}")
    return number


def fail(text: str) -> None:
    """Ends as the programs do when they refuse."""
    sys.stderr.write(f"{text}\n")
    sys.exit(1)


PROGRAMS = {"qsub": qsub, "qstat": qstat, "qdel": qdel, "qsig": qsig}


def main() -> None:
    """Runs one of the programs."""
    cluster = fake_slurm.Cluster(Path(os.environ[fake_slurm.FOLDER]))
    name, *arguments = sys.argv[1:]
    if (cluster.folder / "down").exists():
        fail("Communication failure.")
    PROGRAMS[name](cluster, arguments)


if __name__ == "__main__":
    main()
