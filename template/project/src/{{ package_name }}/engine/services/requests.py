# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What requests for jobs have alike. It is imported at the start of each job: it imports little."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .protocols import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..protocols import JobSpec

VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def refuse_names(variables: Iterable[str], service: str) -> None:
    """Checks names of environment variables. What a service says of one may quote the secret ones.

    Args:
        variables: The names.
        service: What the service is called.

    Raises:
        ValueError: If there is one that it does not take.
    """
    for name in variables:
        if not VARIABLE_NAME.fullmatch(name):
            raise ValueError(
                f"The environment variable `{name}` has a name that {service} does not take: use "
                "letters of ASCII, digits and `_`, and no digit in front."
            )


def as_pipeline(job: JobSpec) -> PipelineSpec:
    """Makes a pipeline of one step of a single job: that of a function, which a schedule starts."""
    if isinstance(job, PipelineSpec):
        return job
    return PipelineSpec(**{**vars(job), "steps": [job], "upstream": {job.name: ()}})


def merge(request: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Adds to a request, in place: mappings are merged, and anything else is replaced."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(request.get(key), dict):
            merge(request[key], value)
        else:
            request[key] = value
