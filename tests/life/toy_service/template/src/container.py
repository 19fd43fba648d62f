# YOURS: what differs inside the service's containers.
"""The first process of each container."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import urllib3

from .engine.services.supervisor import supervise

# Where the service reads why a container fails.
FAILURE = Path("/service/failure")


class ToyContainer:
    """What the service's containers have of their own (`ContainerContract`)."""

    def restore_environment(self) -> None:
        """Fetches what the service does not carry: the secrets, and what is long or empty."""
        url, name = os.environ["TOY_URL"], os.environ["TOY_SECRET"]
        os.environ.update(urllib3.request("GET", f"{url}/secrets/{name}").json())

    def report_failure(self, reason: str, exit_code: int) -> int:
        """Writes the reason where the service reads it."""
        FAILURE.write_text(reason)
        return exit_code

    def will_restart(self) -> bool:
        """Tells that the service starts nothing twice."""
        return False


if __name__ == "__main__":
    sys.exit(supervise(ToyContainer()))
