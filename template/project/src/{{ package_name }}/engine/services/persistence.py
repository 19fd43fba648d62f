# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Lets a process outlast an outage of ZenML's server."""

from __future__ import annotations

import importlib
from typing import Any

# How long to wait between two tries at most, in seconds.
LONGEST_PAUSE = 10


def repeat_requests() -> None:
    """Lets ZenML's client repeat each request of this process until the server answers.

    Of itself it gives up after about half a minute (`RestZenStore.session`), and a step that has
    succeeded would fail because it cannot say so. For a process that may wait as long as it lives.
    """
    module: Any = importlib.import_module("zenml.zen_stores.rest_zen_store")
    retry = module.Retry

    def unlimited(**options: Any) -> Any:
        without_limits = dict.fromkeys(("total", "connect", "read", "status", "other"))
        return retry(**{**options, **without_limits, "backoff_max": LONGEST_PAUSE})

    module.Retry = unlimited
