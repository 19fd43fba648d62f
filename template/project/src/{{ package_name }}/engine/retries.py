# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""When a step that failed is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenml.config.retry_config import StepRetryConfig


def retry_delay(config: StepRetryConfig | None, failures: int) -> float | None:
    """Says how long to wait before the next try; delay and backoff mean what they do in ZenML.

    Args:
        config: The step's own configuration; without one there is no retry.
        failures: How often the step has failed so far, at least once.

    Returns:
        Seconds; None if no try is left.
    """
    if config is None or failures > config.max_retries:
        return None
    return float(config.delay * config.backoff ** (failures - 1))
