"""What `benchmark.py` measures on: the emulator, a ZenML server, and processes that submit."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from emulator_programs import register
from gcp_storage_emulator.server import Router
from kit.vertex_emulator import Project
from kit.vertex_emulator.identity import Identity
from kit.zenml_server import starting
from submissions import measure
from zenml.client import Client
from zenml.enums import StackComponentType

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBMITTER = Path(__file__).with_name("benchmark_submitter.py")

# Beside the APIs: what answers requests for tokens, and those to Cloud Storage.
OTHER_REQUESTS = ((Identity, "answer"), (Router, "handle"))


class Google:
    """The emulator, with jobs that never start."""

    def __init__(self, home: Path, started: ExitStack) -> None:
        """Starts it.

        Args:
            home: A folder that is not there yet.
            started: Ends it.
        """
        self._counted = [
            started.enter_context(
                mock.patch.object(owner, name, autospec=True, side_effect=getattr(owner, name))
            )
            for owner, name in OTHER_REQUESTS
        ]
        self.project = started.enter_context(Project(home, image={}))
        self.project.hold = True

    def requests(self) -> int:
        """Returns how many requests there were so far, of all kinds."""
        return len(self.project.calls) + sum(mocked.call_count for mocked in self._counted)

    def forget(self) -> int:
        """Forgets the one pipeline job, and returns how many tasks it has."""
        (job,) = self.project.pipeline_jobs.values()
        self.project.discard(job.name)
        return len(job.tasks)


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `home`, a folder; `flavor`, ours; `rounds` and `submissions`, see `measure`;
            `found`, the file.
    """
    home = Path(arguments["home"])
    with ExitStack() as started:
        server = started.enter_context(starting(home / "server"))
        google = Google(home / "google", started)
        project = google.project
        os.environ.update(project.environment())
        server.wait_until_up()
        os.environ.update(server.environment)
        ours = Client().create_flavor(arguments["flavor"], StackComponentType.ORCHESTRATOR).name
        # The defaults, but for waiting.
        configuration = {
            "location": project.region,
            "pipeline_root": f"gs://{project.bucket}/root",
            "synchronous": False,
        }
        orchestrators = {
            "ours": (ours, {**configuration, "api_endpoint": project.url}),
            "zenml": ("vertex", configuration),
        }
        register(home, orchestrators)
        found = measure(
            google,
            SUBMITTER,
            [project.grpc, project.region],
            arguments["rounds"],
            arguments["submissions"],
        )
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
