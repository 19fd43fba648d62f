# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The first process of a container that a pipeline service starts. It minds ZenML's entrypoint.

No controller looks after such a container. So it restores the environment, runs ZenML's entrypoint
in a process of its own, runs it again if the step says so, hands on SIGTERM, tells ZenML of a
process that could not do so itself, and tells the service why the container fails. Little is
imported here, so that a fork of this process is as good as a new one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..exit_codes import SIGNALLED, describe_exit
from ..retries import retry_delay
from .secrets import SECRET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zenml.config.retry_config import StepRetryConfig
    from zenml.enums import ExecutionMode

    from .protocols import ContainerContract

# The exit code of a container whose environment cannot be restored (EX_CONFIG of sysexits.h).
NOT_RESTORED = 78

RETRY = "--retry"
FAIL_FAST = "--fail_fast"


def supervised_arguments(retry: StepRetryConfig | None, mode: ExecutionMode) -> list[str]:
    """Returns what a step's command has beside ZenML's own arguments."""
    more = [FAIL_FAST] if mode.value == "fail_fast" else []
    if retry is not None:
        fields = ("max_retries", "delay", "backoff")
        more += [RETRY, json.dumps({name: getattr(retry, name) for name in fields})]
    return more


def supervise(container: ContainerContract, arguments: Sequence[str] | None = None) -> int:
    """Runs ZenML's entrypoint in this container.

    Args:
        container: What differs on this service.
        arguments: Those of the command line.

    Returns:
        The exit code of the container.
    """
    supervisor = Supervisor(sys.argv[1:] if arguments is None else arguments, container)
    try:
        container.restore_environment()
    except Exception as error:  # A secret may not be read, say. Nobody else can say so.
        reason = f"its environment cannot be completed: {error}"
        return container.report_failure(reason, NOT_RESTORED)
    return supervisor.run()


class End(NamedTuple):
    """How a forked process has ended.

    Attributes:
        code: Its exit code; a signal's number is negative.
        done: Whether its work returned True. An exit code of 0 does not say so: a step may exit.
    """

    code: int
    done: bool


class Fork:
    """A process that is forked from this one. SIGTERM is blocked here meanwhile."""

    def __init__(self, work: Callable[[], bool], on_sigterm: signal.Handlers) -> None:
        """Forks.

        Args:
            work: What the process does.
            on_sigterm: What SIGTERM does to it at first.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        self._done, done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGTERM, on_sigterm)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            if work():
                os.write(done, b"1")
            sys.exit()
        os.close(done)
        os.set_blocking(self._done, False)  # What the process has left behind may hold its end.

    def wait(self) -> End:
        """Waits for its end."""
        _, status = os.waitpid(self.pid, 0)
        done = b""
        with suppress(BlockingIOError):
            done = os.read(self._done, 1)
        os.close(self._done)
        return End(os.waitstatus_to_exitcode(status), bool(done))


class Supervisor:
    """Minds the process of a step, or of a dynamic pipeline's function."""

    def __init__(self, arguments: Sequence[str], container: ContainerContract) -> None:
        """Reads the arguments, and listens to SIGTERM from now on."""
        parser = argparse.ArgumentParser(allow_abbrev=False)
        parser.add_argument(RETRY, type=lambda text: SimpleNamespace(**json.loads(text)))
        parser.add_argument(FAIL_FAST, action="store_true")
        self._options, self._arguments = parser.parse_known_args(arguments)
        self._container = container
        self._fork: Fork | None = None
        self._told_to_end = False
        # The first process of a container gets no signal that it has no handler for.
        signal.signal(signal.SIGTERM, self._hand_on)

    def run(self) -> int:
        """Runs ZenML's entrypoint until it succeeds or there is no retry left.

        Returns:
            The exit code of the container.
        """
        failures = 0
        while True:
            end = self._wait_for(self._run_zenml, signal.SIG_DFL)
            if end.done:
                return 0
            failures += 1
            delay = None if self._told_to_end else retry_delay(self._options.retry, failures)
            cause = describe_exit(end.code)
            if self._report(cause, last=delay is None):
                return 0
            if delay is not None:
                self._pause(delay)
            if delay is None or self._told_to_end:
                # It may have exited with 0, and that is no success without a report.
                code = SIGNALLED - end.code if end.code < 0 else end.code or 1
                # Of an exit code of its own, ZenML knows the exception.
                return self._container.report_failure("" if end.code > 0 else cause, code)

    def _wait_for(self, work: Callable[[], bool], on_sigterm: signal.Handlers) -> End:
        """Runs something in a process of its own, unless this one was told to end."""
        # A request to end that comes now waits until it can be handed on. One that came before has
        # been noted when this returns.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            if self._told_to_end and on_sigterm is signal.SIG_DFL:
                return End(-signal.SIGTERM, done=False)
            self._fork = Fork(work, on_sigterm)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        end = self._fork.wait()
        self._fork = None
        return end

    def _hand_on(self, number: int, _: Any) -> None:
        self._told_to_end = True
        if self._fork is not None:
            with suppress(ProcessLookupError):  # It has just ended.
                os.kill(self._fork.pid, number)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._told_to_end and time.monotonic() < end:
            time.sleep(min(1.0, seconds))

    def _run_zenml(self) -> bool:
        from zenml.entrypoints import entrypoint

        sys.argv = [sys.argv[0], *self._arguments]
        entrypoint.main()
        self._clean_up()
        return True

    def _clean_up(self) -> None:
        """Deletes the run's secret, if there is one and the run has ended."""
        if SECRET_VARIABLE in os.environ:
            from .end_report import clean_up

            clean_up(self._arguments)

    def _report(self, cause: str, *, last: bool) -> bool:
        """Tells ZenML of the end of the process, which may not have been able to.

        It is done in a process of its own, so that this one stays as it is for a retry. Without an
        answer from ZenML it goes on until the service kills this container.

        Returns:
            Whether the step had succeeded before its process failed.
        """

        def report() -> bool:
            from ..patience import wait_for_zenml
            from .end_report import report_end

            wait_for_zenml()
            had_succeeded = report_end(
                self._arguments,
                cause,
                told_to_end=self._told_to_end,
                fail_fast=last and self._options.fail_fast,
                will_restart=self._container.will_restart,
            )
            self._clean_up()
            return had_succeeded

        return self._wait_for(report, signal.SIG_IGN).done
