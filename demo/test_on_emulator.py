"""Executes the pipeline on the emulator that a project's tests bring; the demo copies it there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import client
import pytest
from kit.harness import Harness
from zenml.client import Client

POLL_SECONDS = 0.5


@contextmanager
def followed() -> Iterator[None]:
    """Prints how each step of the last run is, once it has changed: `[name] status`."""
    over = threading.Event()
    seen: dict[object, str] = {}

    def follow() -> None:
        while not over.wait(POLL_SECONDS):
            for step in Client().list_run_steps(sort_by="asc:created", size=50).items:
                status = step.status.value
                if seen.get(step.id) != status:
                    seen[step.id] = status
                    print(f"[{step.name}] {status}", flush=True)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_demo(harness: Harness, capfd: pytest.CaptureFixture[str]) -> None:
    """Executes it twice, as a user does."""
    with capfd.disabled(), followed():
        client.main(harness.submit)
