# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""How jobs get ZenML's token: in their environment, or by a secret that a service keeps for them.

This module is imported at the start of each job, and so imports little.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ..protocols import JobRefused, JobSpec, Role
from .protocols import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .protocols import SecretStore

Spec = TypeVar("Spec", bound=JobSpec)

# By this variable a job knows the secret that has the variables which are not there.
SECRET_VARIABLE = "ZENML_JOB_SECRET"  # noqa: S105 - no secret


@contextmanager
def kept(
    secrets: SecretStore | None, job: Spec, name: str, *, for_good: bool = False
) -> Iterator[Spec]:
    """Keeps the secrets of a job while it is submitted. If it is refused, they are deleted.

    Args:
        secrets: Where they are kept; None if they are to be in the environment of the job.
        job: The job. One that another job submits has the secret of that job, if there is one.
        name: What the secret is to be called: the same for the same job.
        for_good: See `SecretStore.store`.

    Yields:
        The job, whose `secrets` (of a pipeline, those of each step) can now be in its environment.
    """
    if job.role is Role.STEP:
        inherited = os.environ.get(SECRET_VARIABLE)
        yield replace(job, secrets={SECRET_VARIABLE: inherited}) if inherited else job
    elif secrets is None:
        yield job
    else:
        reference = secrets.store(name, job.secrets, for_good=for_good)
        hidden = {SECRET_VARIABLE: reference}
        if isinstance(job, PipelineSpec):
            job = replace(job, steps=[replace(step, secrets=hidden) for step in job.steps])
        try:
            yield replace(job, secrets=hidden)
        except (JobRefused, ValueError):
            secrets.delete(reference)
            raise
