# YOURS: tests of where ZenML's token is.
"""Secrets: jobs get ZenML's token apart from their environment, and nobody else sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness import HARNESS

if TYPE_CHECKING:
    from kit.runs import Outcome

TOKEN = "ZENML_STORE_API_TOKEN"  # noqa: S105 - its name


def test_the_token_is_among_the_secrets_of_a_job_and_nowhere_else(
    static: Outcome, dynamic: Outcome
) -> None:
    for job in (*static.jobs, *dynamic.jobs):
        asked = job.native.asked
        token = asked["secrets"][TOKEN]
        assert len(token) > 100
        # The service keeps secrets apart. The rest anybody may read.
        rest = {name: value for name, value in asked.items() if name != "secrets"}
        assert token not in json.dumps(rest)
        assert token not in json.dumps(job.native.shown)
        assert token.encode() not in (job.native.folder / "log").read_bytes()


def test_a_job_gets_neither_the_password_of_the_client_nor_the_token_of_the_service(
    static: Outcome,
) -> None:
    for job in static.jobs:
        assert "ZENML_STORE_PASSWORD" not in job.environment
        assert HARNESS.service.token not in job.environment.values()
