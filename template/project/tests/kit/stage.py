# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A stage for the scripted scenarios: the project's own platform, and shell scripts as jobs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from zenml.config import ResourceSettings

from .scenarios import GRACE_SECONDS, WAIT_SECONDS, Script, Stage
from .timeouts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from .harness import Harness

# What the process of a job does. It says in one file what it does, and reports to ZenML in another.
PROGRAM = """
folder=$1 job=$2 exit_code=$3 report=$4 waits=$5 ends_at_sigterm=$6
say() { echo "$job $1" >> "$folder/said"; }
file=$folder/$(echo "$job" | tr / .)
trap 'say "hears SIGTERM"; [ -z "$ends_at_sigterm" ] || exit 143' TERM
pid=$$
[ ! -r /proc/self/stat ] || read -r pid rest < /proc/self/stat  # as the machine has it
echo "$pid" > "$file.pid"
[ ! -e "$folder/stop" ] || exit 1
: > "$file.begun"
say begins
echo "the first line of $job"
while [ -n "$waits" ] && [ ! -e "$file.go" ]; do sleep 0.1; done
echo "the last line of $job"
if [ -n "$report" ]; then echo "$report" > "$file.report"; say "reports $report"; fi
exit "$exit_code"
"""


class ProjectStage(Stage):
    """A project's platform. Scripts and stage share a folder."""

    def __init__(self, harness: Harness, orchestrator: Any, folder: Path) -> None:
        """Sets the stage.

        Args:
            harness: The project's harness.
            orchestrator: The project's orchestrator.
            folder: An empty folder, which jobs can write to.
        """
        self.run = str(uuid4())
        self._harness = harness
        self._orchestrator = orchestrator
        self._folder = folder
        # Services limit how long an argument is, and take no line breaks in it.
        self._program = folder / "program.sh"
        self._program.write_text(PROGRAM)
        super().__init__(f"{harness.package}.engine")
        self.clock = self.engine("clock").Clock()
        self.store = FolderStore(folder, self.engine("controller"))

    def platform(self) -> Any:
        """Makes the platform anew."""
        return self._orchestrator.connect()

    def job(self, key: Any, script: Script) -> Any:
        """Makes a job that runs the script in a shell."""
        words = (
            str(self._folder),
            f"{key.step}/{key.attempt}",
            str(script.exit_code),
            script.report,
            "yes" if script.waits else "",
            "" if script.ignores_sigterm else "yes",
        )
        protocols = self.engine("protocols")
        return protocols.JobSpec(
            key=key,
            role=protocols.Role.STEP,
            name=key.step,
            image="tests",
            command=("sh", str(self._program), *words),
            environment={},
            resources=ResourceSettings(),
            settings=self._orchestrator.settings_class(),
            labels={
                "run_id": key.run,
                "run_name": "scenario",
                "pipeline": "scenario",
                "project_id": key.run,
                "step_name": key.step,
                "step_run_id": key.run,
            },
            grace_seconds=GRACE_SECONDS,
        )

    def said(self) -> list[str]:
        """Reads what jobs have said."""
        file = self._folder / "said"
        return file.read_text().splitlines() if file.exists() else []

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits until a condition holds."""
        wait_until(condition, WAIT_SECONDS, what=what, pause=0.05)

    def _file(self, job: str, suffix: str) -> Path:
        return self._folder / f"{job.replace('/', '.')}.{suffix}"

    def let_go(self, job: str) -> None:
        """Lets a job go on."""
        self._file(job, "go").touch()

    def kill(self, job: str) -> None:
        """Kills the process of a job."""
        os.kill(int(self._file(job, "pid").read_text()), signal.SIGKILL)

    def ask_for_stop(self, *, forced: bool) -> None:
        """Notes it for the controller and for jobs that have not begun."""
        (self._folder / "stop").write_text("forced" if forced else "graceful")

    def step_statuses(self) -> Mapping[str, str]:
        """Returns how the last attempt of each step has ended."""
        return {name: attempts[-1] for name, attempts in self.store.steps().items()}

    def run_status(self) -> str:
        """Returns what the controller has told."""
        return str(self.store.status)

    def cache(self, step: str) -> None:
        """Notes it."""
        self.store.cached.add(step)

    def crowded_out(self, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for a machine."""
        return self._harness.crowded_out(self.current, job)

    def hopeless(self, job: Any) -> AbstractContextManager[Any]:
        """Lets a job wait for what cannot come."""
        return self._harness.hopeless(self.current, job)

    def refused(self, job: Any) -> Any:
        """Changes a job into one that is refused."""
        return self._harness.refused(job)

    def preempt(self, handle: str) -> None:
        """Takes away a job's machine."""
        self._harness.preempt(handle)

    def lose(self, handle: str) -> None:
        """Lets the platform lose a job."""
        self._harness.lose(handle)

    def clear(self) -> None:
        """Stops what is left of the scenario's jobs."""
        for run in (self.run, self.other_run):
            for handle in list(self._find(run).values()):
                if not self.is_over(handle):
                    self._end(handle)

    def _find(self, run: str) -> Mapping[Any, str]:
        found: Mapping[Any, str] = self.ask(lambda: self.current.find(run))
        return found

    def _end(self, handle: str) -> None:
        self.ask(lambda: self.current.stop(handle))
        self.until(lambda: self.is_over(handle), "a job ends")


class FolderStore:
    """ZenML, as the controller sees it (`RunStore`): jobs report to it by files."""

    transient: tuple[type[Exception], ...] = ()

    def __init__(self, folder: Path, controller: Any) -> None:
        """Knows of nothing yet.

        Args:
            folder: Where the reports are.
            controller: The engine's module of this name.
        """
        self._folder = folder
        self._controller = controller
        self.cached: set[str] = set()
        self.status = "running"

    def steps(self) -> dict[str, list[str]]:
        """Returns the statuses of all attempts that have begun, for each step."""
        steps: dict[str, list[str]] = {name: ["cached"] for name in self.cached}
        for file in sorted(self._folder.glob("*.begun")):
            report = file.with_suffix(".report")
            status = report.read_text().strip() if report.exists() else ""
            steps.setdefault(file.name.split(".")[0], []).append(status or "running")
        return steps

    def stop_request(self) -> Any:
        """Tells whether the run is to be stopped."""
        file = self._folder / "stop"
        return self._controller.StopRequest(file.read_text() if file.exists() else "none")

    def step_records(self) -> Mapping[str, Any]:
        """Returns what is known of all steps."""
        return {name: self._record(statuses) for name, statuses in self.steps().items()}

    def step_record(self, name: str) -> Any:
        """Returns what is known of one step."""
        return self._record(self.steps().get(name, []))

    def _record(self, statuses: list[str]) -> Any:
        succeeded = bool({"completed", "cached"} & set(statuses))
        return self._controller.StepRecord(len(statuses), succeeded)

    def reuse_cached(self, name: str) -> bool:
        """Tells whether there is an earlier result."""
        return name in self.cached

    def end_step(self, name: str, cause: str, *, stopped: bool) -> str:
        """Records the end of an attempt that has not reported it, or that has not begun."""
        begun = sorted(self._folder.glob(f"{name}.*.begun"))
        report = begun[-1].with_suffix(".report") if begun else self._folder / f"{name}.0.report"
        if begun and not report.exists():
            report.write_text("stopped" if stopped else "failed")
        elif not begun and not stopped:
            report.with_suffix(".begun").touch()
            report.write_text("failed")
        return cause

    def end_run(self, reason: str, *, failed: bool) -> None:
        """Records the end of the run."""
        self.status = "failed" if failed else "stopped"
