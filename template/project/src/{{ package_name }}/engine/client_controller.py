# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A controller in the process that submitted the run, which ends with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenml.logger import get_logger

from .conclusion import raise_for_run
from .protocols import JobStatus, Phase
from .run_store import end_run, publish_stopping
from .texts import shorten
from .waiting import ask

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


@dataclass(eq=False, repr=False)
class ClientController:
    """Runs a controller in a thread. The process does not end before the run has.

    Attributes:
        controller: The controller.
        run: Its run in ZenML.
        stop_jobs: Stops all jobs of the run, also those that the controller does not know.
    """

    controller: Controller
    run: PipelineRunResponse
    stop_jobs: Callable[[], object]

    def __post_init__(self) -> None:
        """Begins."""
        # A thread's `join` that Ctrl-C interrupts takes the thread for dead (until Python 3.13),
        # so it is this that is waited for.
        self._end = ThreadPoolExecutor(1, f"run-{self.run.name}").submit(self._work)

    def wait(self) -> None:
        """Waits for the end of the run.

        Raises:
            RuntimeError: If the run failed; the message names the steps and the causes.
            RunStoppedException: If the run was stopped.
            InterruptedRun: If the user pressed Ctrl-C, which stops the run.
        """
        try:
            wait([self._end])
        except KeyboardInterrupt:
            self._stop()
            raise InterruptedRun from None
        end = JobStatus(Phase.SUCCEEDED if self._end.result() else Phase.FAILED)
        ask(self.controller.platform, lambda: raise_for_run(self.run.id, end, dict))

    def _stop(self) -> None:
        """Stops the run, and waits for its end, however often Ctrl-C is pressed."""
        with suppress(Exception, KeyboardInterrupt):
            logger.warning("Interrupted: the run is being stopped.")
            # First of all, so that the steps take it for a stop, and not for a failure.
            publish_stopping(self.run.id, "Interrupted (Ctrl-C).")
        while not self._end.done():
            with suppress(KeyboardInterrupt):
                self.controller.interrupt()
                wait([self._end])

    def _work(self) -> bool:
        """Takes the run to its end, and tells whether it has not failed."""
        try:
            succeeded = self.controller.run()
            if self.controller.store.snapshot.is_dynamic:
                # What its function has submitted that has ended or was stopped, nobody else ends.
                self.stop_jobs()
        except BaseException as error:
            with suppress(Exception):
                self.stop_jobs()
            with suppress(Exception):
                end_run(self.run.id, shorten(f"{type(error).__name__}: {error}"), failed=True)
            raise
        return succeeded
