# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The job of a static pipeline's controller: `python -m <package>.engine.controller_main`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, cast
from uuid import UUID

from zenml.client import Client
from zenml.utils.source_utils import set_custom_source_root

from .entrypoint import exit_on_sigterm
from .entrypoints import SOURCE_ROOT_OPTION
from .exit_codes import RUN_FAILED
from .patience import wait_for_zenml
from .run_store import ZENML_OUTAGE_SECONDS, get_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .orchestrator import JobOrchestrator


def main(arguments: Sequence[str] | None = None) -> int:
    """Executes a snapshot.

    Returns:
        The exit code: 0, or that which says that the run has failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshot_id", required=True)
    parser.add_argument("--run_id", help="the run in ZenML; a schedule has none yet")
    parser.add_argument(f"--{SOURCE_ROOT_OPTION}", help="the client's, where code is shared")
    options = parser.parse_args(arguments)
    set_custom_source_root(options.source_root)
    exit_on_sigterm()
    wait_for_zenml(first_answer_seconds=ZENML_OUTAGE_SECONDS)
    snapshot = get_snapshot(UUID(options.snapshot_id))
    orchestrator = cast("JobOrchestrator", Client().active_stack.orchestrator)
    run = orchestrator.claim_from_job(snapshot, options.run_id)
    # ZenML has a run as failed as soon as a step is, while others go on. If it has ended in any
    # other way, this job was lost between the run's end and its own.
    if run.status.is_finished and not run.status.is_failed:
        return 0
    return 0 if orchestrator.controller_of(snapshot, run).run() else RUN_FAILED


if __name__ == "__main__":
    sys.exit(main())
