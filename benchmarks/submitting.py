"""Submitting pipelines as a user's process does, and noting the CPU seconds of each submission."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from zenml import pipeline, step
from zenml.artifact_stores.local_artifact_store import LocalArtifactStore, LocalArtifactStoreConfig
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.utils import source_utils

# An image that nobody has to build.
DOCKER = DockerSettings(skip_build=True, parent_image="registry.invalid/tests/tests:1")


@step
def work(before: int) -> int:
    """Would do next to nothing."""
    return before + 1


def submit(name: str, steps: int) -> float:
    """Submits a chain of steps.

    Returns:
        The CPU seconds, of all of this process, that the orchestrator has taken to submit it.
    """

    @pipeline(name=name, enable_cache=False, settings={"docker": DOCKER})
    def chain() -> None:
        value = 0
        for _ in range(steps):
            value = work(value)

    orchestrator = type(Client().active_stack.orchestrator)
    submit_pipeline = orchestrator.submit_pipeline
    seconds = []

    def timed(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever ZenML passes
        began = time.process_time()
        try:
            return submit_pipeline(*arguments, **more)
        finally:
            seconds.append(time.process_time() - began)

    with mock.patch.object(orchestrator, "submit_pipeline", timed):
        chain()
    (spent,) = seconds
    return spent


def serve(stack: str, descriptor: str) -> None:
    """Submits until nobody asks any more.

    Args:
        stack: The stack to use.
        descriptor: The descriptor of a connection, by which names of pipelines come with how many
            steps they are to have. The CPU seconds of the submission go back, and those of this
            process since its start.
    """
    source_utils.set_custom_source_root(str(Path(__file__).parent))
    Client().activate_stack(stack)
    # Orchestrators of a cloud want an artifact store that jobs can reach. Here there are no jobs.
    mock.patch.object(LocalArtifactStoreConfig, "is_local", False).start()
    mock.patch.object(LocalArtifactStore, "local_path", None).start()
    with Connection(int(descriptor)) as asked:
        while True:
            try:
                name, steps = asked.recv()
            except EOFError:
                return
            asked.send((submit(name, steps), time.process_time()))
