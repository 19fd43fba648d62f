"""The engine's small parts: names, words, keys, waiting, logs."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
from engine.clock import LONGEST_ASKED_PAUSE, backoff, call_with_retries
from engine.controller import Controller
from engine.entrypoints import (
    ControllerEntrypoint,
    EngineEntrypoint,
    FunctionEntrypoint,
    IsolatedStepEntrypoint,
    StepEntrypoint,
)
from engine.exit_codes import RUN_FAILED, describe_exit
from engine.log_follower import LAST_LINES, LogFollower, with_last_lines
from engine.orchestrator import submission
from engine.protocols import JobKey, JobRefused, JobStatus, Phase, Watches
from engine.retries import retry_delay
from engine.run_ids import MAX_LENGTH, RunIdStrategy, check_length
from engine.run_store import ZenMLUnavailableError, asking_zenml, claim_run, describe_exception
from engine.secret_env import split_secrets
from engine.sightings import LOST, Sighting, describe_end
from engine.slugs import label_value, slugify, unique_name
from engine.texts import LONGEST, NOTE, shorten
from engine.waiting import MAX_OUTAGE_SECONDS, watch_job
from kit.timeouts import scaled
from requests import ConnectionError as RequestsConnectionError
from simulation import (
    Ending,
    PlatformAwayError,
    Scenario,
    SimulatedPlatform,
    World,
    job_spec,
    run_in,
)
from zenml import constants
from zenml.config.retry_config import StepRetryConfig
from zenml.models import ExceptionInfo
from zenml.orchestrators import PipelineSubmissionError
from zenml.utils import source_utils

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = ["", "---", "1st", "Ünï/ço dé", "日本語", "n" * 255, "a" * 51 + "-b", "UPPER_case.x"]


# ---- Names and keys


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_gives_names_and_labels_within_the_rules(text: str) -> None:
    name = unique_name(text, text, unique=text, max_length=52)
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 52
    assert re.fullmatch(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", label_value(text, 63))
    assert len(label_value(text, 63)) <= 63


def test_the_same_text_gives_the_same_name_and_another_gives_another() -> None:
    one, same, other = (unique_name("a", unique=text, max_length=63) for text in "112")
    assert one == same != other
    assert slugify("Ünï/ço  dé") == "uni-co-de"


@pytest.mark.parametrize("step", ["train", "a/b/c", "/controller", "x 1/2 "])
def test_a_key_can_be_read_again_whatever_the_step_is_called(step: str) -> None:
    key = JobKey("run", step, 12)
    assert JobKey.parse(str(key)) == key


# ---- Words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (7, "exit code 7"),
        (137, "killed by SIGKILL"),
        (-15, "killed by SIGTERM"),
        (255, "exit code 255"),
        (-64, "killed by SIGRTMAX"),
    ],
)
def test_an_exit_code_is_put_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_the_exit_code_of_a_failed_run_is_zenmls() -> None:
    theirs = getattr(constants, "DYNAMIC_PIPELINE_RUN_FAILED_EXIT_CODE", RUN_FAILED)
    assert theirs == RUN_FAILED


def test_the_end_of_a_job_is_told_by_its_reason_and_else_by_its_exit_code() -> None:
    assert describe_end(JobStatus(Phase.FAILED, "evicted", exit_code=137)) == "evicted"
    assert describe_end(JobStatus(Phase.FAILED, exit_code=137)) == "killed by SIGKILL"
    assert describe_end(JobStatus(Phase.STOPPED)) == "it was stopped"


@pytest.mark.parametrize("letter", ["x", "ü", "本", "\ud800"])
def test_a_long_text_keeps_its_ends_and_says_how_much_is_left_out(letter: str) -> None:
    text = f"begin {letter * 5_000_000} end"
    size = len(text.encode(errors="replace"))
    for longest in (255, LONGEST):
        short = shorten(text, longest)
        assert longest - NOTE <= len(short.encode()) <= longest
        assert short.startswith("begin ")
        assert short.endswith(" end")
        (left_out,) = re.findall(r"\[(\d+) bytes left out\]", short)
        assert size - longest <= int(left_out) < size
    assert shorten("short ü") == "short ü"


def test_a_long_reason_is_shortened_wherever_it_goes() -> None:
    class Chatty(SimulatedPlatform):
        def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
            yield "x" * 5_000_000

    long = "x" * 5_000_000
    world: Any = World(Scenario(upstream={}), 0)
    told = [
        describe_end(JobStatus(Phase.FAILED, long)),
        with_last_lines(Chatty(world), "job", "exit code 7"),
        describe_exception(ExceptionInfo(traceback="", source="a.B", message=long)),
        describe_exception(ExceptionInfo(traceback=f"at the top\n{long}")),
    ]
    with pytest.raises(PipelineSubmissionError) as refused, submission():
        raise JobRefused(long)
    for text in (*told, str(refused.value)):
        assert "bytes left out" in text
        assert len(text) < 2 * LONGEST


def test_what_is_secret_is_split_from_the_rest() -> None:
    environment = {"A": "1", "ZENML_STORE_API_TOKEN": "t", "ZENML_SECRETS_STORE_KEY": "k"}
    public, secret = split_secrets({**environment, "ZENML_DEBUG": "true"})
    assert public == {"A": "1", "ZENML_DEBUG": "true"}
    assert secret == {"ZENML_STORE_API_TOKEN": "t", "ZENML_SECRETS_STORE_KEY": "k"}


# ---- Run IDs and retries


class Injected(RunIdStrategy):
    """A strategy with nothing but a variable."""

    variable = "WHICH_RUN"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_run_id_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("WHICH_RUN", raising=False)
    if value is not None:
        monkeypatch.setenv("WHICH_RUN", value)
    with pytest.raises(RuntimeError, match="WHICH_RUN"):
        Injected().read(lambda: pytest.fail("it is not asked"))


@pytest.mark.parametrize("run_id", ["", "x" * (MAX_LENGTH + 1)])
def test_a_run_id_that_zenml_cannot_store_is_refused_before_zenml_is_asked(run_id: str) -> None:
    check_length("x" * MAX_LENGTH)
    with pytest.raises(ValueError, match=f"this one has {len(run_id)}"):
        claim_run(cast("Any", "no snapshot"), None, run_id)


def test_a_retry_waits_as_zenml_says_and_comes_no_oftener() -> None:
    config = StepRetryConfig(max_retries=2, delay=3, backoff=2)
    assert [retry_delay(config, failures) for failures in (1, 2, 3)] == [3, 6, None]
    assert retry_delay(None, 1) is None


# ---- Outages


@pytest.mark.parametrize(
    "error",
    [RequestsConnectionError("refused"), RuntimeError("503 HTTP Error received from server: x")],
)
def test_an_outage_of_zenml_is_told_from_its_other_errors(error: Exception) -> None:
    with pytest.raises(ZenMLUnavailableError), asking_zenml():
        raise error
    with pytest.raises(RuntimeError, match="no such step") as other, asking_zenml():
        raise RuntimeError("no such step")
    assert not isinstance(other.value, ZenMLUnavailableError)


def test_a_call_is_repeated_until_it_answers_or_the_time_is_over() -> None:
    world = World(Scenario(upstream={}), 0)
    answers = iter([PlatformAwayError(), PlatformAwayError(), "here"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert call_with_retries(call, (PlatformAwayError,), seconds=60, clock=world) == "here"
    assert world.time == pytest.approx(backoff(0) + backoff(1))

    def never() -> None:
        raise PlatformAwayError

    with pytest.raises(PlatformAwayError):
        call_with_retries(never, (PlatformAwayError,), seconds=60, clock=world)
    assert 60 <= world.time < 80


class BusyError(PlatformAwayError):
    """A platform that is away, and says when it wants to be asked again."""

    def __init__(self, retry_after: float | None = 25.0) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class BusyOnce(SimulatedPlatform):
    """A platform that is busy when it is asked for the first time."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.asked_at: list[float] = []

    def _ask(self) -> None:
        self.asked_at.append(self._world.time)
        super()._ask()
        if len(self.asked_at) == 1:
            raise BusyError

    def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
        self._ask()
        yield "line"


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, backoff(0)), (0, backoff(0)), (25.0, 25.0), (7200, LONGEST_ASKED_PAUSE)],
)
def test_a_platform_is_asked_again_when_it_wants_to_be_but_within_a_minute(
    retry_after: float | None, pause: float
) -> None:
    assert backoff(0, BusyError(retry_after)) == pause
    assert LONGEST_ASKED_PAUSE <= 60


@pytest.mark.parametrize("who", ["controller", "call", "log"])
def test_who_has_asked_a_busy_platform_waits_as_long_as_it_says(who: str) -> None:
    world = World(Scenario(upstream={"first": ()}), 0)
    world.platform = platform = BusyOnce(world)
    if who == "controller":
        assert run_in(world, Controller).succeeded
    elif who == "call":
        submit = functools.partial(platform.submit, job_spec("first", 1))
        call_with_retries(submit, platform.transient, seconds=60, clock=world)
    else:
        follower = LogFollower(platform, "job")
        follower._ended = cast(
            "Any", SimpleNamespace(is_set=lambda: world.time > 0, wait=world.wait)
        )
        follower._follow()
    assert platform.asked_at[:2] == [0, 25]


# ---- Waiting for one job


def wait(world: World, handle: str = "run/first/1") -> JobStatus:
    """Waits for a job of a simulated platform."""
    *_, end = watch_job(world.platform, handle, world, run="run")
    return end


@pytest.mark.parametrize("watched", [False, True])
def test_the_end_of_a_job_is_waited_for(watched: bool) -> None:
    world = World(Scenario(upstream={"first": ()}, watched=watched, unknown_seconds=20), 0)
    assert isinstance(world.platform, Watches) is watched
    world.platform.submit(job_spec("first", 1))
    assert wait(world).phase is Phase.SUCCEEDED


def test_a_job_that_waits_for_what_cannot_come_is_stopped_and_has_failed() -> None:
    hopeless = {"first": (Ending(what="hopeless"),)}
    world = World(Scenario(upstream={"first": ()}, endings=hopeless), 0)
    world.platform.submit(job_spec("first", 1))
    end = wait(world)
    assert (end.phase, end.reason) == (Phase.FAILED, "waits for what cannot come")
    world.pass_by(60)
    assert world.platform.jobs["run/first/1"].status.phase is Phase.STOPPED


def test_a_job_that_never_appears_is_lost_after_as_long_as_the_platform_may_need() -> None:
    world = World(Scenario(upstream={}), 0)
    assert wait(world).reason == LOST
    assert world.time >= SimulatedPlatform.unknown_seconds


def test_a_client_does_not_wait_for_ever_for_a_platform_that_is_away() -> None:
    world = World(Scenario(upstream={}, platform_away=(0, 1e9)), 0)
    with pytest.raises(PlatformAwayError):
        wait(world)
    assert world.time >= MAX_OUTAGE_SECONDS


def test_a_job_that_was_seen_and_is_unknown_now_is_lost_at_once() -> None:
    sighting = Sighting(0.0, 60.0)
    running = JobStatus(Phase.RUNNING)
    assert sighting.look(None, 1.0) is None
    assert sighting.look(running, 2.0) is running
    lost = sighting.look(None, 3.0)
    assert lost is not None
    assert lost.phase is Phase.FAILED


# ---- Entrypoints


@pytest.mark.parametrize(
    "entrypoint",
    [StepEntrypoint, IsolatedStepEntrypoint, FunctionEntrypoint, ControllerEntrypoint],
)
def test_commands_name_our_entrypoints_as_imported_and_nobody_asks_what_is_installed(
    entrypoint: type[EngineEntrypoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "It asks for each step, which takes a tenth of a second."
    monkeypatch.setattr(source_utils, "get_source_type", lambda **_: pytest.fail(asked))
    # Where tests are shared out, `__main__` has no file for ZenML to find it by.
    monkeypatch.setattr(source_utils, "get_source_root", lambda: "/code")
    known = {"snapshot_id": uuid4(), "step_name": "any", "step_run_id": "any"}
    arguments = entrypoint.get_entrypoint_arguments(**known)
    assert f"engine.entrypoints.{entrypoint.__name__}" in arguments


def test_an_orchestrator_is_imported_without_what_a_process_may_never_need() -> None:
    needless = {"sqlalchemy", "zenml.zen_stores.rest_zen_store"}
    program = f"import sys, engine.services.orchestrator; print({needless} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "set()"


def test_threads_find_the_models_of_zenml_complete() -> None:
    # In a new process: here, whatever was used before is complete.
    program = (
        "import engine.run_store\n"
        "from zenml.models import (\n"
        "    ArtifactVersionResponse, ComponentResponse, LogsResponse, PipelineRunResponse,\n"
        "    PipelineSnapshotResponse, StackResponse, StepRunResponse)\n"
        "models = [each for name, each in vars().items() if name.endswith('Response')]\n"
        "print(len(models), *(each for each in models if not each.__pydantic_complete__))"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout.split()[-1] == b"7"


# ---- Logs


class Logging(SimulatedPlatform):
    """A platform whose log breaks off once."""

    opened = 0

    def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
        self.opened += 1
        yield "one"
        if self.opened == 1 and follow:
            raise PlatformAwayError
        yield "two"


def test_a_log_that_breaks_off_is_opened_again_and_no_line_is_shown_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform = Logging(World(Scenario(upstream={}), 0))
    follower = LogFollower(platform, "job")
    follower.start()
    while platform.opened < 2:
        follower._ended.wait(0.01)
    follower.finish()
    assert capsys.readouterr().out == "one\ntwo\n"


def test_a_log_that_breaks_off_just_before_the_job_s_end_is_read_once_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Ending(Logging):
        def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
            follower._ended.set()
            return super().logs(handle, follow=follow)

    platform = Ending(World(Scenario(upstream={}), 0))
    follower = LogFollower(platform, "job")
    follower.start()
    follower._thread.join(scaled(10))
    assert platform.opened == 2
    assert capsys.readouterr().out == "one\ntwo\n"


def test_the_last_lines_of_a_log_are_added_to_a_cause_without_colours() -> None:
    class Chatty(SimulatedPlatform):
        def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
            yield from (f"\x1b[31mline {n}\x1b[0m" for n in range(100))

    class Silent(SimulatedPlatform):
        def logs(self, handle: str, *, follow: bool = False) -> Iterator[str]:
            raise PlatformAwayError

    world: Any = World(Scenario(upstream={}), 0)
    told = with_last_lines(Chatty(world), "job", "exit code 7")
    assert told.startswith("exit code 7\nThe last lines of its log:\nline 80")
    assert told.endswith("line 99")
    assert len(told.splitlines()) == LAST_LINES + 2
    assert with_last_lines(Silent(world), "job", "exit code 7") == "exit code 7"
