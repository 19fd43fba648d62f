# YOURS: environment variables within Vertex AI's limits
"""Environment variables as Vertex AI takes them.

A variable that is empty is refused: https://github.com/kubeflow/pipelines/issues/10111
Which ones are to be there and empty is said in a variable of its own, and a job's first process
sets them. This module is imported there before anything else, and so imports little.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..engine.services.requests import refuse_names
from ..run_id import RunId

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec#ContainerSpec
MOST_VARIABLES = 100
# The service gives a task one more: https://github.com/kubeflow/pipelines/issues/10111
MOST_IN_TASK = MOST_VARIABLES - 1

# What Vertex AI would replace by the value of another variable:
# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/EnvVar
REFERENCE = re.compile(r"\$(?=\([a-zA-Z_][a-zA-Z0-9_]*\))")

EMPTY = f"{RunId.variable}_EMPTY"


def fit(environment: Mapping[str, str], most: int, *, restored: bool) -> dict[str, str]:
    """Makes variables such as Vertex AI takes.

    Args:
        environment: The variables.
        most: How many there may be.
        restored: Whether the program begins with this package's entrypoint, which sets those that
            are empty.

    Returns:
        The variables as Vertex AI takes them.

    Raises:
        ValueError: If they are too many, or one has a name that it does not take, or is empty and
            nobody would set it.
    """
    refuse_names(environment, "Vertex AI")
    full = {name: REFERENCE.sub("$$", value) for name, value in environment.items() if value}
    if empty := sorted(environment.keys() - full.keys()):
        if not restored:
            raise ValueError(
                f"The environment variable `{empty[0]}` is empty, which Vertex AI does not take: "
                "leave it out, or set it in the image."
            )
        full[EMPTY] = ",".join(empty)
    if len(full) > most:
        raise ValueError(
            f"There are {len(full)} environment variables, and Vertex AI takes {most}: set the "
            "others in the image."
        )
    return full


def restore(environment: MutableMapping[str, str]) -> None:
    """Sets the variables that are empty, in place."""
    for name in filter(None, environment.pop(EMPTY, "").split(",")):
        environment[name] = ""
