# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A controller in the process that submitted the run, which ends with it."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from zenml.logger import get_logger

from .clock import call_with_retries
from .conclusion import raise_for_run
from .protocols import JobStatus, Phase
from .run_store import TRANSIENT, ZENML_OUTAGE_SECONDS, end_run, publish_stopping
from .texts import shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from zenml.models import PipelineRunResponse

    from .controller import Controller

logger = get_logger(__name__)


class InterruptedRun(KeyboardInterrupt):
    """Ctrl-C, after the run was stopped.

    ZenML rewrites the arguments of a KeyboardInterrupt to say that the run goes on. This one knows
    better.
    """

    def __str__(self) -> str:
        """Says what happened to the run."""
        return "Interrupted: the run was stopped, and none of its processes is left."


class ClientController:
    """Runs a controller in a thread. The process does not end before the run has."""

    def __init__(
        self,
        controller: Controller,
        run: PipelineRunResponse,
        stop_leftovers: Callable[[], object] | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            controller: The controller.
            run: Its run in ZenML.
            stop_leftovers: Stops the jobs of the run that the controller does not know.
        """
        self._stop_leftovers = stop_leftovers
        self._controller = controller
        self._run_id = run.id
        self._error: BaseException | None = None
        self._succeeded = False
        self._thread = threading.Thread(target=self._work, name=f"run-{run.name}")
        # A thread's `join` that Ctrl-C interrupts takes the thread for dead (until Python 3.13),
        # so it is this that is waited for.
        self._done = threading.Event()

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def wait(self) -> None:
        """Waits for the end of the run.

        Raises:
            RuntimeError: If the run failed; the message names the steps and the causes.
            RunStoppedException: If the run was stopped.
            InterruptedRun: If the user pressed Ctrl-C, which stops the run.
        """
        interrupts = 0
        # However often it is pressed: it stops the run, and is told when that is done.
        while not self._waited():
            interrupts += 1
            with suppress(KeyboardInterrupt):
                self._stop(first=interrupts == 1)
        if interrupts:
            raise InterruptedRun
        if self._error is not None:
            raise self._error
        end = JobStatus(Phase.SUCCEEDED if self._succeeded else Phase.FAILED)
        call_with_retries(
            lambda: raise_for_run(self._run_id, end, dict), TRANSIENT, seconds=ZENML_OUTAGE_SECONDS
        )

    def _waited(self) -> bool:
        """Waits for the end, and tells whether it has come; if not, there was an interrupt."""
        try:
            self._done.wait()
        except KeyboardInterrupt:
            return False
        return True

    def _stop(self, *, first: bool) -> None:
        logger.warning("Interrupted: the run is being stopped.")
        try:
            if first:  # First of all, so that the steps take it for a stop, and not for a failure.
                with suppress(Exception):
                    publish_stopping(self._run_id, "Interrupted (Ctrl-C).")
        finally:
            self._controller.interrupt()

    def _work(self) -> None:
        try:
            self._succeeded = self._controller.run()
            if self._stop_leftovers is not None:
                self._stop_leftovers()
        except BaseException as error:  # `wait` raises it
            self._error = error
            self._controller.abandon()
            with suppress(Exception):
                end_run(self._run_id, shorten(f"{type(error).__name__}: {error}"), failed=True)
        finally:
            self._done.set()
