# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A program that stops a run, as a user does with ZenML's command line.

Its arguments are the ID of the run, and `gracefully` or `forcefully`.
"""

import sys
from pathlib import Path

# The kit's modules are not to be found under their bare names.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

from zenml.client import Client
from zenml.utils.run_utils import stop_run

run_id, manner = sys.argv[1:]
stop_run(Client().get_pipeline_run(run_id), graceful=manner == "gracefully")
