"""A program: the example service of a project, as a process of its own.

Its arguments are the project's package and a folder. It runs where the project's tests are, prints
how an orchestrator finds the service, as JSON, and ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from example_service import ExampleService
from kit.container_fixtures import PRELOAD

ENGINE = ("engine.entrypoint", "engine.entrypoints", "flavor")


def main() -> None:
    """Runs the service."""
    package, folder = sys.argv[1:]
    brought = ("PATH", "PYTHONPATH", "ZENML_ANALYTICS_OPT_IN")
    image = {name: os.environ[name] for name in brought if name in os.environ}
    preload = [f"{package}.{module}" for module in (*ENGINE, "orchestrator")]
    with ExampleService(Path(folder), image, *PRELOAD, *preload) as service:
        found = {"url": service.url, "token": service.token, "poll_seconds": 0.5}
        print(json.dumps(found | {"skip_local_validations": True}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
