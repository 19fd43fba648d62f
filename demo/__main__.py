"""The demo's story: prepare, register, run twice, and check what was promised."""

import argparse
import io
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from terminal import Progress, chart, heading, mark, table

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# What the answers to the template's questions are when the folder is called `my-orch`.
PROJECT, FLAVOR = "my-orch", "my_orch.flavor.MyOrchOrchestratorFlavor"
# The first needs nothing but this machine. The others run on the emulators of their tests.
LOCAL = "local"
BACKENDS = [
    LOCAL,
    *sorted(
        folder.name
        for folder in (REPOSITORY / "template" / "backends").iterdir()
        if folder.name != LOCAL
    ),
]
MARK = "\x1e"  # as client.py begins its reports, and zenml_commands.py ends a command
TAIL = 20
# How long a program may take to end after Ctrl-C, and what it has started after it.
END_SECONDS = 20.0

Report = dict[str, Any]


class Failure(Exception):  # noqa: N818 - nothing is wrong with the code
    """The demo cannot go on; the message says why."""


class Workplace:
    """A folder with a virtual environment, a ZenML home, and a log of all that was run."""

    def __init__(self, folder: Path) -> None:
        """Creates nothing yet."""
        self.folder = folder
        self.log = folder / "demo.log"
        self.zenml_home = folder / "zenml"
        self._bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")

    def program(self, name: str) -> str:
        """Returns a program of the virtual environment."""
        return str(self._bin / name)

    def environment(self) -> dict[str, str]:
        """Returns the user's environment without what would lead out of the folder."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ZENML_", "PYTHON", "VIRTUAL_ENV"))
        }
        return kept | {
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_CONFIG_PATH": str(self.zenml_home),
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "ZENML_LOGGING_COLORS_DISABLED": "true",
            "ZENML_LOGGING_VERBOSITY": "WARN",
            # Without it, ZenML would look for a repository in the folders above.
            "ZENML_REPOSITORY_PATH": str(self.folder),
        }

    def do(self, title: str, *command: str) -> None:
        """Runs a command as a phase of its own."""
        progress = Progress(title)
        try:
            self.run(command, lambda _: progress.tick())
        except BaseException:
            progress.end(False)
            raise
        # As one would type it in the folder, with the virtual environment activated.
        typed = (part.removeprefix(f"{self.folder}{os.sep}") for part in command[1:])
        progress.end(True, shlex.join([Path(command[0]).name, *typed]))

    def run(self, command: Sequence[str], hear: Callable[[str], None], where: str = ".") -> None:
        """Runs a command.

        Args:
            command: The program and its arguments.
            hear: Called with each line of the output, and with nothing while there is none.
            where: A folder in this one.

        Raises:
            Failure: If the command fails.
        """
        # In a session of its own, so that Ctrl-C reaches it once: through `end`.
        process = subprocess.Popen(
            command,
            cwd=self.folder / where,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=read, args=(process, lines), daemon=True)
        reader.start()
        tail: deque[str] = deque(maxlen=TAIL)
        try:
            with self.log.open("a", encoding="utf-8") as log:
                print(f"$ {shlex.join(command)}", file=log)
                while (line := next_of(lines)) is not None:
                    log.write(line)
                    tail.extend([line] if line else [])
                    hear(line)
            process.wait()
        except BaseException:
            end(process)
            # What it has started may still write to the folder until this is over.
            reader.join(END_SECONDS)
            raise
        if process.returncode != 0:
            raise Failure(
                f"This failed, with exit code {process.returncode}:\n\n"
                f"  {shlex.join(command)}\n\nThe end of its output:\n\n"
                + "".join(f"  {line}" for line in tail)
            )


def read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Passes a program's output on, and None when it is over."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def next_of(lines: queue.SimpleQueue[str | None]) -> str | None:
    """Waits for a line, but not for long."""
    try:
        return lines.get(timeout=0.1)
    except queue.Empty:
        return ""


def end(process: subprocess.Popen[str]) -> None:
    """Ends a program and what it started, as Ctrl-C would; kills it if it takes too long."""
    heading("Stopping what runs, and cleaning up")
    if os.name == "nt":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(END_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()


def prepare(work: Workplace, backend: str) -> None:
    """Makes a virtual environment, and in it a project from the template."""
    heading("From the template to an installed package")
    uv = shutil.which("uv")
    python = work.program("python")
    pip = (uv, "pip", "install", "--python", python) if uv else (python, "-m", "pip", "install")
    venv = (sys.executable, "-m", "venv", str(work.folder / "venv"))
    work.do("Create a virtual environment", *venv, *(["--without-pip"] if uv else []))
    work.do("Install Copier", *pip, "copier")
    copier = (work.program("copier"), "copy", "--defaults", "--vcs-ref", "HEAD")
    chosen = () if backend == LOCAL else ("-d", f"backend={backend}")
    work.do("Generate an orchestrator", *copier, *chosen, str(REPOSITORY), PROJECT)
    constraints = ("-c", f"{PROJECT}/constraints.txt")
    work.do("Install it, and ZenML", *pip, *constraints, f"./{PROJECT}[test]")


def register(work: Workplace) -> None:
    """Tells ZenML of the orchestrator."""
    heading("Register it in ZenML")
    commands = {
        "The flavor": f"zenml orchestrator flavor register {FLAVOR}",
        "An orchestrator": "zenml orchestrator register demo --flavor my_orch",
        "A stack": "zenml stack register demo -o demo -a default --set",
    }
    left = deque(commands)
    progress = Progress(left[0])

    def hear(line: str) -> None:
        nonlocal progress
        progress.tick()
        if line.startswith(MARK):
            progress.end(True, commands[left.popleft()])
            if left:
                progress = Progress(left[0])

    try:
        # One process runs them all: to start ZenML's command line takes seconds.
        run = (work.program("python"), str(HERE / "zenml_commands.py"), *commands.values())
        work.run(run, hear)
    except BaseException:
        progress.end(False)
        raise


class Show:
    """Shows what the client prints: steps while they run, then the run's report."""

    def __init__(self, backend: str) -> None:
        """Begins with the first execution."""
        emulated = backend != LOCAL
        starts = "ZenML, the emulator and the run" if emulated else "ZenML starts, and the run"
        self._titles = (
            ("First execution", starts),
            ("Second execution, from the same process", "The run"),
        )
        self.reports: list[Report] = []
        self._begin()

    def _begin(self) -> None:
        title, doing = self._titles[len(self.reports)]
        heading(title)
        self._progress = Progress(doing)

    def hear(self, line: str) -> None:
        """Takes a line of the client's output."""
        self._progress.tick()
        if line.startswith(MARK):
            self.reports.append(json.loads(line[1:]))
            self._progress.end(True)
            show(self.reports[-1])
            if len(self.reports) < len(self._titles):
                self._begin()
        elif said := re.match(r"\[(\w+)\] (.+)", line):
            # The orchestrator puts the step's name before what the step prints.
            self._progress.say(*said.groups())


def execute(work: Workplace, backend: str) -> list[Report]:
    """Lets one process execute the pipeline twice."""
    stage = Show(backend)
    python = work.program("python")
    if backend == LOCAL:
        for name in ("pipeline.py", "client.py"):
            shutil.copy(HERE / name, work.folder)
        work.run([python, "client.py"], stage.hear)
    else:
        for name in ("pipeline.py", "client.py", "test_on_emulator.py"):
            shutil.copy(HERE / name, work.folder / PROJECT / "tests")
        pytest = ("pytest", "-q", "-p", "no:cacheprovider", "tests/test_on_emulator.py")
        work.run([python, "-m", *pytest], stage.hear, PROJECT)
    return stage.reports


def show(report: Report) -> None:
    """Prints a run as ZenML's database and its steps tell it."""
    print()
    table(
        [
            {
                "step": step["name"],
                "process": str(step["pid"]),
                "run ID, as the step saw it": step["run_id"],
                "time": f"{step['ended'] - step['began']:.2f} s",
                "status": step["status"],
            }
            for step in report["steps"]
        ]
    )
    chart({step["name"]: (step["began"], step["ended"]) for step in report["steps"]})


def judge(reports: list[Report]) -> None:
    """Says what was promised, and checks it.

    Raises:
        Failure: If a promise was not kept.
    """
    heading("What was promised")
    steps = [step for report in reports for step in report["steps"]]
    stored = [report["orchestrator_run_id"] for report in reports]
    processes = {step["pid"] for step in steps}
    shared = [step["name"] for step in steps if step["pid"] == reports[0]["client"]]
    statuses = {thing["status"] for thing in [*reports, *steps]}
    promises = {
        "All steps of an execution saw the same run ID.": all(
            len({step["run_id"] for step in report["steps"]}) == 1 for report in reports
        ),
        "That ID is what ZenML's database has as `orchestrator_run_id`.": all(
            {step["run_id"] for step in report["steps"]} == {report["orchestrator_run_id"]}
            for report in reports
        ),
        "The second execution has another ID.": stored[0] != stored[1],
        f"Each step had its own process: {len(steps)} steps, {len(processes)} processes.": (
            len(processes) == len(steps) and not shared
        ),
        "Both runs, and all of their steps, are `completed`.": statuses == {"completed"},
    }
    for promise, kept in promises.items():
        print(f"  {mark(kept)} {promise}")
    if broken := [promise for promise, kept in promises.items() if not kept]:
        raise Failure("This is not true: " + " ".join(broken))


def tell(keep: Path | None, backend: str) -> None:
    """Tells the whole story in a folder of its own."""
    place: AbstractContextManager[str]
    if keep is None:
        place = tempfile.TemporaryDirectory(prefix="orch-demo-")
    else:
        keep.mkdir(parents=True, exist_ok=True)
        place = nullcontext(str(keep.resolve()))
    with place as folder:
        work = Workplace(Path(folder))
        try:
            prepare(work, backend)
            if backend == LOCAL:
                register(work)
            judge(execute(work, backend))
        except Failure as failure:
            log = work.log
            if keep is None:
                handle, name = tempfile.mkstemp(prefix="orch-demo-", suffix=".log")
                os.close(handle)
                log = Path(shutil.copy(work.log, name))
            raise Failure(f"{failure}\nThe whole log: {log}") from None
    if keep is None:
        print("\nAll of it was in a temporary folder, which is gone; --keep DIR keeps it.")
    elif backend != LOCAL:
        print(f"\nAll of it is in {keep}.")
    else:
        home = f"ZENML_CONFIG_PATH={shlex.quote(str(work.zenml_home))}"
        print(f"\nAll of it is in {keep}. To go on there:\n")
        print(f"  {home} {shlex.quote(work.program('python'))} client.py")


def main() -> int:
    """Understands the command line, and ends as a program should."""
    parser = argparse.ArgumentParser(
        prog="demo.py", description="Generates an orchestrator and runs a real pipeline on it."
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work in this new or empty folder, and keep it"
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default=LOCAL,
        help="which platform; all but `local` run on the emulators of their tests",
    )
    options = parser.parse_args()
    keep = options.keep
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        parser.error(f"{keep} is not an empty folder")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where a mark cannot be printed, a question mark will do.
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        tell(keep, options.backend)
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted." if keep else "Interrupted; nothing is left behind.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
