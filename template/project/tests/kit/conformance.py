# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a platform alone must do, in seconds and without ZenML: what the engine relies on.

A project subclasses `PlatformConformance`, and says how the platform is reached. To run just these
tests, while `JobPlatform` is written function by function:

    pytest -x --noconftest tests/test_platform.py
"""

from __future__ import annotations

import importlib
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from .timeouts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

FUNCTIONS = ("validate", "submit", "describe", "stop", "logs", "find", "current_job")

# How long a job may take to start and end, in seconds. It is scaled.
JOB_SECONDS = 60.0

# A job that takes all day. It says so, and it says when it is asked to end.
ENDLESS = """
import signal, sys, time
def end(*_):
    print("asked to end", flush=True)
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
print("begun", flush=True)
time.sleep(600)
"""

# One that takes 8 seconds to end.
CLEANS_UP = ENDLESS.replace(
    "    sys.exit(3)", "    time.sleep(8)\n    print('cleaned up', flush=True)\n    sys.exit(3)"
)

# Names and values as users have them. ZenML takes names of 255 characters.
STRANGE = "Schritt Nº 1: größer/als_".ljust(254, "x")
VALUES = {
    "EMPTY": "",
    "LINES": "one\ntwo\n",
    "QUOTES": 'it\'s "$HOME" `id` %s {x} \\n',
    "UNICODE": "grün 🙂",
    "LONG": "x" * 20_000,
}


class PlatformConformance:
    """The functions of a `JobPlatform`, each held to what it promises.

    A project's class has the fixture `platform`, and overrides what is below.

    Attributes:
        python: The command of Python in a job.
        image: The image of jobs.
        settings: What the platform reads of a job's settings.
        refused: What to change in a job, so that the platform refuses it and says why.
        refusal: What it says then, in part.
    """

    python: ClassVar[tuple[str, ...]] = (sys.executable,)
    image: ClassVar[str | None] = None
    settings: ClassVar[Any] = SimpleNamespace()
    refused: ClassVar[Mapping[str, Any]] = {}
    refusal: ClassVar[str] = ""

    @pytest.fixture
    def platform(self) -> Any:
        """Your platform."""
        raise NotImplementedError("Say in your subclass how the platform is reached.")

    def lose_next_answer(self) -> AbstractContextManager[None]:
        """Lets the platform start the next job, and its answer get lost."""
        raise NotImplementedError

    def go_away(self) -> AbstractContextManager[None]:
        """Lets the platform answer nothing for a while."""
        raise NotImplementedError

    # ---- The tests

    def test_each_function_is_written(self, platform: Any) -> None:
        base = protocols_of(platform).JobPlatform
        left = [name for name in FUNCTIONS if not is_written(type(platform), base, name)]
        assert not left, (
            f"Not written yet in {type(platform).__module__}: {', '.join(left)}. What each must do "
            "is said in engine/protocols.py; README.md says how to get there."
        )

    def test_a_job_runs_with_its_environment_and_secrets_as_they_are(
        self, platform: Any, run: str
    ) -> None:
        code = f"import os; print([os.environ.get(name) for name in {[*VALUES, 'HIDDEN']}])"
        job = self.job(platform, run, code, environment=VALUES, secrets={"HIDDEN": "token"})
        platform.validate(job)
        handle = platform.submit(job)
        assert 1 <= len(handle) <= 255
        assert handle.isprintable()
        assert self.end_of(platform, handle).phase.value == "succeeded"
        assert list(platform.logs(handle)) == [repr([*VALUES.values(), "token"])]

    def test_the_same_key_is_the_same_job(self, platform: Any, run: str) -> None:
        job = self.job(platform, run)
        with ThreadPoolExecutor() as threads:
            handles = {platform.submit(job), *threads.map(platform.submit, [job] * 4)}
        assert len(handles) == 1
        assert self.end_of(platform, *handles).phase.value == "succeeded"
        # Also when it has ended.
        assert {platform.submit(job)} == handles
        (handle,) = handles
        self.check_found(platform, run, {job.key: handle})
        assert list(platform.logs(handle)) == ["done"]

    def test_another_attempt_is_another_job(self, platform: Any, run: str) -> None:
        first = self.job(platform, run)
        second = self.job(platform, run, key=first.key._replace(attempt=2))
        handles = {job.key: platform.submit(job) for job in (first, second)}
        assert len({*handles.values()}) == 2
        self.check_found(platform, run, handles)

    def test_a_lost_answer_starts_nothing_twice(self, platform: Any, run: str) -> None:
        job = self.job(platform, run)
        with self.lose_next_answer(), pytest.raises(platform.transient):
            platform.submit(job)
        handle = platform.submit(job)
        self.check_found(platform, run, {job.key: handle})
        assert self.end_of(platform, handle).phase.value == "succeeded"
        assert list(platform.logs(handle)) == ["done"]

    def test_no_answer_is_told_from_a_refusal(self, platform: Any, run: str) -> None:
        job = self.job(platform, run)
        handle = platform.submit(job)
        self.check_known(platform, handle)
        asked: dict[str, Callable[[], object]] = {
            "submit": lambda: platform.submit(job),
            "describe": lambda: platform.describe([handle]),
            "stop": lambda: platform.stop(handle),
            "logs": lambda: list(platform.logs(handle)),
            "find": lambda: platform.find(run),
        }
        with self.go_away():
            for name, ask in asked.items():
                with pytest.raises(platform.transient):
                    pytest.fail(f"`{name}` raises nothing of `transient`, but returns {ask()!r}.")
        assert handle in platform.describe([handle])

    def test_a_refusal_is_told_in_the_platform_s_words(self, platform: Any, run: str) -> None:
        job = self.job(platform, run, **self.refused)
        with pytest.raises(protocols_of(platform).JobRefused, match=self.refusal or r"\w+"):
            platform.submit(job)
        assert not platform.find(run)

    @pytest.mark.parametrize(
        ("code", "cause"),
        [
            ("import sys; print('last words'); sys.exit(7)", "exit code 7"),
            # The first process of a container lives on, and ends as one does that was killed.
            (
                "import os, signal, sys; os.kill(os.getpid(), signal.SIGKILL); sys.exit(137)",
                "killed by SIGKILL",
            ),
        ],
    )
    def test_a_failed_job_says_why(self, platform: Any, run: str, code: str, cause: str) -> None:
        status = self.end_of(platform, platform.submit(self.job(platform, run, code)))
        assert status.phase.value == "failed"
        sightings = importlib.import_module(f"{package_of(platform)}.engine.sightings")
        assert cause in sightings.describe_end(status)

    def test_a_job_can_be_stopped_and_stopped_again(self, platform: Any, run: str) -> None:
        handle = platform.submit(self.job(platform, run, ENDLESS))
        self.wait_for_log(platform, handle, ["begun"])
        platform.stop(handle)
        platform.stop(handle)
        assert self.end_of(platform, handle).phase.value != "succeeded"
        platform.stop(handle)  # It has ended.
        assert list(platform.logs(handle)) == ["begun", "asked to end"]

    def test_a_job_that_was_accepted_a_moment_ago_can_be_stopped(
        self, platform: Any, run: str
    ) -> None:
        handle = platform.submit(self.job(platform, run, ENDLESS, grace_seconds=1.0))
        platform.stop(handle)
        assert self.end_of(platform, handle).phase.is_terminal

    def test_a_job_that_does_not_end_is_killed_after_its_grace_period(
        self, platform: Any, run: str
    ) -> None:
        jobs = [
            self.job(platform, run, CLEANS_UP, name=f"{seconds}", grace_seconds=seconds)
            for seconds in (1.0, 60.0)
        ]
        handles = [platform.submit(job) for job in jobs]
        for handle in handles:
            self.wait_for_log(platform, handle, ["begun"])
        for handle in handles:
            platform.stop(handle)
        said = ["begun", "asked to end"]
        for handle, more in zip(handles, ([], ["cleaned up"]), strict=True):
            assert self.end_of(platform, handle).phase.is_terminal
            assert list(platform.logs(handle)) == said + more

    def test_an_unknown_job_is_left_out_and_nothing_to_stop(self, platform: Any, run: str) -> None:
        handle = platform.submit(self.job(platform, run))
        unknown = self.unknown_handle(handle)
        self.check_known(platform, handle)
        assert platform.describe([handle, unknown]).keys() == {handle}
        assert not platform.describe([])
        platform.stop(unknown)
        assert not list(platform.logs(unknown))
        assert not platform.find(str(uuid.uuid4()))

    def test_all_jobs_of_a_run_are_found_whatever_they_are_called(
        self, platform: Any, run: str
    ) -> None:
        names = [f"step_{number}" for number in range(24)] + [STRANGE, f"{STRANGE}x", "/controller"]
        jobs = [self.job(platform, run, name=name) for name in names]
        # Controllers may run elsewhere.
        jobs[-1] = replace(jobs[-1], role=protocols_of(platform).Role.CONTROLLER)
        jobs.append(self.job(platform, str(uuid.uuid4())))
        *of_run, other = zip(jobs, map(platform.submit, jobs), strict=True)
        found = {job.key: handle for job, handle in of_run}
        self.check_found(platform, run, found)
        assert len(set(found.values())) == len(names)
        self.check_known(platform, *found.values())
        assert other[1] not in found.values()

    def test_a_log_is_followed_to_its_end_and_no_line_is_torn_or_lost(
        self, platform: Any, run: str
    ) -> None:
        # A letter of several bytes, and a line, come in two parts; and more than one piece of it.
        code = (
            "import sys, time\n"
            "out = sys.stdout.buffer\n"
            "for part in (b'h\\xc3', b'\\xa4lf\\n', b'x' * 200_000):\n"
            "    out.write(part), out.flush(), time.sleep(0.7)\n"
            "out.write(b'\\n\\nlast')\n"
        )
        handle = platform.submit(self.job(platform, run, code))
        lines = ["hälf", "x" * 200_000, "", "last"]
        assert list(platform.logs(handle, follow=True)) == lines
        assert list(platform.logs(handle)) == lines
        assert platform.describe([handle])[handle].phase.is_terminal

    def test_this_process_is_no_job_and_a_job_knows_which_it_is(
        self, platform: Any, run: str
    ) -> None:
        assert platform.current_job() is None
        code = "import os; print('\\0'.join(f'{k}={v}' for k, v in os.environ.items()))"
        handle = platform.submit(self.job(platform, run, code))
        self.end_of(platform, handle)
        variables = "\n".join(platform.logs(handle)).split("\0")
        inside = dict(each.split("=", 1) for each in variables)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in inside.items():
                patch.setenv(name, value)
            assert platform.current_job() == handle

    # ---- What the tests share

    @pytest.fixture
    def run(self, platform: Any) -> Iterator[str]:
        """The ID of a run of which nothing is left afterwards."""
        run_id = str(uuid.uuid4())
        yield run_id
        for handle in platform.find(run_id).values():
            platform.stop(handle)

    def job(
        self, platform: Any, run: str, code: str = "print('done')", name: str = "train", **more: Any
    ) -> Any:
        """Makes a job that runs Python."""
        protocols = protocols_of(platform)
        given: dict[str, Any] = {
            "key": protocols.JobKey(run, name, 1),
            "role": protocols.Role.STEP,
            "name": name,
            "image": self.image,
            "command": (*self.python, "-c", code),
            "environment": {},
            # What is used of `ResourceSettings`, here and by `kit.recording`.
            "resources": SimpleNamespace(
                cpu_count=None,
                memory=None,
                gpu_count=None,
                get_memory=lambda _: None,
                model_dump=lambda **_: {},
            ),
            "settings": self.settings,
            "labels": {"run_id": run, "step_name": name, "pipeline": "größte Pipeline"},
            "grace_seconds": 5.0,
        }
        return protocols.JobSpec(**given | more)

    def unknown_handle(self, handle: str) -> str:
        """Makes the handle of a job that there is not, from that of one that there is.

        Override it if what stands at the end of a handle does not tell jobs apart.
        """
        return f"{handle[:-4]}0000"

    @staticmethod
    def check_known(platform: Any, *handles: str) -> None:
        """Checks that jobs are described, once the platform has had its time to know them."""
        wait_for(platform, lambda: platform.describe(handles).keys() == {*handles})
        assert platform.describe(handles).keys() == {*handles}

    @staticmethod
    def check_found(platform: Any, run: str, jobs: Mapping[Any, str]) -> None:
        """Checks which jobs of a run are found, once the platform has had its time to know them."""
        wait_for(platform, lambda: platform.find(run) == jobs)
        assert platform.find(run) == jobs

    @staticmethod
    def end_of(platform: Any, handle: str) -> Any:
        """Waits until a job has ended, and returns how."""
        status = None

        def has_ended() -> bool:
            nonlocal status
            status = platform.describe([handle]).get(handle)
            return status is not None and status.phase.is_terminal

        try:
            wait_until(has_ended, JOB_SECONDS, what=f"the job {handle} is to end", pause=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error} How it is: {status}") from error
        return status

    @staticmethod
    def wait_for_log(platform: Any, handle: str, lines: list[str]) -> None:
        """Waits until a job has written these lines."""
        wait_until(
            lambda: list(platform.logs(handle)) == lines, JOB_SECONDS, what="a job is to write"
        )


def wait_for(platform: Any, condition: Callable[[], bool]) -> None:
    """Waits until a condition holds, or a new job may be unknown no longer."""
    with suppress(TimeoutError):
        wait_until(condition, platform.unknown_seconds, what="jobs are to be known", pause=0.1)


def package_of(platform: Any) -> str:
    """Returns the name of the project's package."""
    return type(platform).__module__.partition(".")[0]


def protocols_of(platform: Any) -> Any:
    """Returns the module `engine.protocols` of the project."""
    return importlib.import_module(f"{package_of(platform)}.engine.protocols")


def is_written(platform_class: type, base: type, name: str) -> bool:
    """Tells whether a class has a function of its own."""
    found = getattr(platform_class, name, None)
    return found is not None and found is not getattr(base, name)
