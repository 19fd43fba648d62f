"""A real Slurm of one node on this machine, for as long as a context is open.

Debian's packages are downloaded with apt and unpacked into a folder: nothing is installed. The
daemons listen on free ports of the loopback interface, and end with the context. They are root's,
or a plain user's, and the jobs are whose the daemons are. It takes root to start either.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kit.timeouts import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMES = ("slurmctld", "slurmd", "slurm-client")

# Where Debian's packages are kept, some 20 MB.
PACKAGES = Path(
    os.environ.get("SLURM_PACKAGES") or Path.home() / ".cache" / "orch-template" / "slurm"
)

# How Debian calls the files that have another name in Slurm's own packages.
SUFFIX = "-wlm"

# What the node claims to have; nothing of it is enforced.
CPUS, MEMORY_MB, GPUS = 16, 32_000, 2

# A Unix socket's path has 107 bytes at most; a job's is `<folder>/spool/localhost_<job>.<step>`.
LONGEST_FOLDER = 70

# How long the daemons may take to start, in seconds.
START_SECONDS = 60.0

CONFIGURATION = """
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={slurmctld_port}
SlurmdPort={slurmd_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
GresTypes=gpu
ReturnToService=2
MinJobAge=300
KillWait=5
DefMemPerCPU=100
BatchStartTimeout=20
MessageTimeout=5
JobRequeue=1
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname=localhost CPUs={cpus} RealMemory={memory} \
  Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=7-0 State=UP PriorityTier=1 OverSubscribe=NO
PartitionName=urgent Nodes=localhost MaxTime=1:00:00 State=UP PriorityTier=10 OverSubscribe=NO
PartitionName=closed Nodes=localhost State=DOWN
"""


# What starts a program as a user. The plain one may read what only root may: Python is often in a
# folder of root's.
AS_USER = {
    "root": (),
    "nobody": (
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
    ),
}


class NoSlurmError(RuntimeError):
    """A real Slurm cannot be had here; the text says why."""


def unpack(folder: Path) -> Path:
    """Downloads Debian's packages of Slurm, and those they need that are not installed.

    Args:
        folder: Where to. What is there already is used.

    Returns:
        The folder that has `usr`.

    Raises:
        NoSlurmError: If they cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # Other tests want the same.
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = folder / "root"
        if not (root / "complete").exists():
            _unpack(folder, root)
    return root


def packages(user: str = "root") -> Path:
    """Returns where Slurm is. Where it cannot be had, tests say so, and fail in CI.

    Args:
        user: Who is to run it.
    """
    try:
        command(*AS_USER[user], sys.executable, "-c", "import zenml")
        return unpack(PACKAGES)
    except (NoSlurmError, OSError) as error:
        if os.environ.get("CI"):
            raise
        warnings.warn(f"NOTHING IS TESTED ON A REAL SLURM AS {user}: {error}", stacklevel=1)
        pytest.skip(str(error))


def _unpack(folder: Path, root: Path) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        raise NoSlurmError("Slurm's daemons have to be started by root.")
    if shutil.which("apt-get") is None:
        raise NoSlurmError("There is no apt-get: the packages are Debian's.")
    debs = folder / "debs"
    debs.mkdir(exist_ok=True)
    wanted = ("install", "--simulate", "--no-install-recommends", *NAMES)
    listed = command("apt-get", *wanted, check=False)
    if listed.returncode:
        command("apt-get", "update")
        listed = command("apt-get", *wanted)
    names = re.findall(r"^Inst (\S+) ", listed.stdout, re.MULTILINE)
    # Those that are installed already are not listed; what is downloaded twice does no harm.
    command("apt-get", "download", *{*names, *NAMES}, cwd=debs)
    for deb in debs.glob("*.deb"):
        command("dpkg-deb", "-x", str(deb), str(root))
    (root / "complete").touch()


def command(
    *words: str, cwd: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a command.

    Raises:
        NoSlurmError: If it fails; the text has what it says.
    """
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=scaled(300), check=False
    )
    if check and done.returncode:
        raise NoSlurmError(f"`{' '.join(words)}` fails: {done.stderr.strip()[-2000:]}")
    return done


def free_port() -> int:
    """Returns a port of the loopback interface that is free."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


class RealSlurm:
    """A Slurm that runs.

    Attributes:
        bin: The folder of its commands, for `PATH`.
        folder: Where its files are.
        client_configuration: The configuration that its commands read.
    """

    def __init__(self, root: Path, folder: Path, *, user: str = "root") -> None:
        """Writes its configuration, and starts nothing.

        Args:
            root: Where the packages are.
            folder: An empty folder. Each job has a Unix socket below it, so its path is short.
            user: Whose the daemons and the jobs are: a key of `AS_USER`.

        Raises:
            ValueError: If the path is too long: jobs would be cancelled.
        """
        if len(str(folder)) > LONGEST_FOLDER:
            raise ValueError(f"The folder of a Slurm has a path that is too long: {folder}")
        self.folder, self.bin, self._user = folder, folder / "bin", user
        (library,) = root.glob("usr/lib/*/slurm-wlm")
        self._root = root
        self._configuration = folder / "slurm.conf"
        values = {
            "slurmctld_port": free_port(),
            "slurmd_port": free_port(),
            "plugins": library,
            "folder": folder,
            "user": user,
            "cpus": CPUS,
            "memory": MEMORY_MB,
            "gpus": GPUS,
        }
        text = CONFIGURATION.format(**values)
        # The commands have one of their own, so that tests can lead them astray.
        self.client_configuration = folder / "client.conf"
        for file in (self._configuration, self.client_configuration):
            file.write_text(text)
        (folder / "gres.conf").write_text("NodeName=localhost Name=gpu File=/dev/null,/dev/zero\n")
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir()
        self._variables = {
            "LD_LIBRARY_PATH": f"{library}:{library.parent}",
            "SLURM_CONF": str(self._configuration),
        }
        for path in (root / "usr" / "bin").iterdir():
            self._wrap(path, path.name)
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user)

    def _wrap(self, path: Path, name: str) -> None:
        """Makes a command that finds its libraries and the configuration."""
        # Tests that say so themselves are led astray.
        known = f"${{SLURM_CONF:-{self.client_configuration}}}"
        variables = {**self._variables, "SLURM_CONF": known}
        lines = [f'export {key}="{value}"' for key, value in variables.items()]
        program = self.bin / name
        program.write_text("\n".join(["#!/bin/sh", *lines, f'exec "{path}" "$@"', ""]))
        program.chmod(0o755)

    def environment(self, given: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Returns variables with which its commands are found."""
        return {**given, "PATH": f"{self.bin}{os.pathsep}{given['PATH']}"}

    def run(self, *words: str) -> str:
        """Runs one of its commands, and returns what it writes."""
        return command(str(self.bin / words[0]), *words[1:]).stdout.strip()

    @contextmanager
    def running(self) -> Iterator[RealSlurm]:
        """Starts the daemons, waits until the node is ready, and ends all at the end."""
        daemons = self._root / "usr" / "sbin"
        step = daemons / f"slurmstepd{SUFFIX}"
        started = (
            (str(daemons / f"slurmctld{SUFFIX}"), "-D", "-i"),
            (str(daemons / f"slurmd{SUFFIX}"), "-D", "-N", "localhost", "-d", str(step)),
        )
        with ExitStack() as running:
            processes = []
            for words in started:
                log = running.enter_context((self.folder / f"{Path(words[0]).name}.out").open("wb"))
                process = subprocess.Popen(
                    [*AS_USER[self._user], *words],
                    env={**os.environ, **self._variables},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                processes.append(process)
                running.callback(end, process)
            running.callback(self._cancel_all)
            self._wait_until_idle(processes)
            # Slurm 22.05.8 takes `Gres` of the configuration for the files, and not for the node.
            self.run("scontrol", "update", "NodeName=localhost", f"Gres=gpu:{GPUS}")
            yield self

    def jobs_left(self) -> str:
        """Lists the jobs that are still there after a moment in which they may end."""
        deadline = time.monotonic() + scaled(20)
        while True:
            left = command(str(self.bin / "squeue"), "--noheader", check=False).stdout.strip()
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.2)

    def _cancel_all(self) -> None:
        """Kills what still runs, and waits until it is gone."""
        command(
            str(self.bin / "scancel"), "--signal=KILL", "--full", "--state=RUNNING", check=False
        )
        command(str(self.bin / "scancel"), f"--user={self._user}", check=False)
        self.jobs_left()

    def _wait_until_idle(self, processes: list[subprocess.Popen[bytes]]) -> None:
        deadline = time.monotonic() + scaled(START_SECONDS)
        while True:
            state = command(
                str(self.bin / "sinfo"),
                "--noheader",
                "--format=%T",
                "--partition=main",
                check=False,
            )
            if state.stdout.strip() == "idle":
                return
            if time.monotonic() > deadline or any(each.poll() is not None for each in processes):
                logs = [path.read_text()[-2000:] for path in self.folder.glob("slurm*.log")]
                logs += [path.read_text()[-2000:] for path in self.folder.glob("slurm*.out")]
                raise NoSlurmError("\n".join([f"Slurm does not start: {state}", *logs]))
            time.sleep(0.1)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a daemon."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
