# YOURS: what differs inside Vertex AI's containers
"""The first process of each container. It is run before all else, so it imports little."""

from __future__ import annotations

import os
import sys

from .engine.exit_codes import SIGNALLED
from .engine.services.supervisor import supervise
from .platform import environment, secrets


class VertexContainer:
    """What Vertex AI's containers have of their own (`ContainerContract`)."""

    def restore_environment(self) -> None:
        """Sets the variables that are empty, and fetches the secret ones."""
        environment.restore(os.environ)
        secrets.fetch(os.environ)

    def report_failure(self, reason: str, exit_code: int) -> int:
        """Says why the job fails where Vertex AI keeps it: in the logs.

        Vertex AI takes some signals for a fault of the machine, and starts the job again. The step
        has been tried as often as it is to be: ZenML has its end.
        https://cloud.google.com/vertex-ai/docs/training/understanding-training-service
        """
        if reason:
            print(reason, file=sys.stderr, flush=True)
        return 1 if exit_code > SIGNALLED else exit_code

    def will_restart(self) -> bool:
        """Tells whether this job is to end for a new start on another machine.

        It is told to end then as it is when it is cancelled, but Vertex AI does not call it that.
        """
        from typing import Any

        from zenml.client import Client

        orchestrator: Any = Client().active_stack.orchestrator
        return bool(orchestrator.service.will_restart())


if __name__ == "__main__":
    sys.exit(supervise(VertexContainer()))
