# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A program that prints the run ID of the process it runs in.

Its argument is the flavor class: `module:Class`.
"""

import importlib
import sys
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

# A job's process does not find the kit's modules under their bare names either.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

from zenml.enums import StackComponentType

module, _, name = sys.argv[1].partition(":")
flavor = getattr(importlib.import_module(module), name)()
now = datetime.now(timezone.utc)
orchestrator = flavor.implementation_class(
    name="ask",
    id=uuid4(),
    config=flavor.config_class.model_construct(),
    flavor=flavor.name,
    type=StackComponentType.ORCHESTRATOR,
    user=None,
    created=now,
    updated=now,
)
print(orchestrator.get_orchestrator_run_id())
