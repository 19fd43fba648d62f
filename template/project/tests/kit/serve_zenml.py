# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Runs a ZenML server: `python serve_zenml.py HOST PORT`. Its environment says the rest."""

from __future__ import annotations

import gc
import sys
from typing import Any

sys.path.pop(0)  # ZenML does not find the kit's modules under their bare names either.

import uvicorn
from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "connect")
def write_without_waiting(connection: Any, _: Any) -> None:
    """Lets no commit wait for the disk: only if the machine goes down, something is lost."""
    connection.execute("PRAGMA synchronous=OFF")


if __name__ == "__main__":
    gc.set_threshold(100_000, 20, 20)  # To collect garbage takes a tenth of its time otherwise.
    # Not where they are first used, which would be in several threads (see `engine/run_store.py`).
    from zenml import models

    for model in list(vars(models).values()):
        if hasattr(model, "model_rebuild"):
            model.model_rebuild(raise_errors=False)
    host, port = sys.argv[1:]
    uvicorn.run(
        "zenml.zen_server.zen_server_api:app", host=host, port=int(port), log_level="warning"
    )
