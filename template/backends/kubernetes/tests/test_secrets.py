# YOURS: tests of where ZenML's token is
"""Secrets: the ZenML token is in a Secret, and nowhere else."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from harness import HARNESS, name_of
from kit import pipelines, runs

if TYPE_CHECKING:
    from harness import Object
    from kit.runs import Outcome

# All kinds of objects that there are, but for the one that may hold the token.
KINDS = ("Job", "Pod", "CronJob", "Event", "ServiceAccount", "ConfigMap", "Role")

TOKEN = "ZENML_STORE_API_TOKEN"  # noqa: S105 - its name


def secret_of(outcome: Outcome) -> Object:
    """Returns the Secret of a run."""
    return HARNESS.get("Secret", outcome.jobs[0].handle)


def token_of(secret: Object) -> str:
    """Returns the ZenML token in a Secret."""
    return base64.b64decode(secret["data"][TOKEN]).decode()


def test_the_token_is_in_a_secret_and_in_no_other_object_nor_in_any_log(
    static: Outcome, dynamic: Outcome
) -> None:
    tokens = [token_of(secret_of(outcome)) for outcome in (static, dynamic)]
    assert all(len(token) > 100 for token in tokens)
    texts = [json.dumps(HARNESS.cluster.objects(kind)) for kind in KINDS]
    texts += [log.read_text() for log in HARNESS.cluster.log_folder.iterdir()]
    assert len(texts) > len(KINDS)
    for token in tokens:
        encoded = base64.b64encode(token.encode()).decode()
        assert not [text for text in texts if token in text or encoded in text]


def test_all_pods_of_a_run_get_the_token_from_its_secret(static: Outcome) -> None:
    secret = secret_of(static)
    for job in static.jobs:
        assert job.environment[TOKEN] == token_of(secret)
        (variable,) = (each for each in job.native["container"]["env"] if each["name"] == TOKEN)
        assert variable["valueFrom"] == {"secretKeyRef": {"name": name_of(secret), "key": TOKEN}}


def test_the_password_of_the_client_is_nowhere(static: Outcome) -> None:
    assert "ZENML_STORE_PASSWORD" not in secret_of(static)["data"]
    for job in static.jobs:
        assert "ZENML_STORE_PASSWORD" not in job.environment


@pytest.mark.full
def test_the_secret_and_the_steps_go_with_the_orchestrator_s_job() -> None:
    outcome = runs.execute(pipelines.single)
    name = outcome.jobs[0].handle
    (owner,) = secret_of(outcome)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Job", name)
    HARNESS.delete_job(name)
    HARNESS.wait(lambda: not HARNESS.find("Secret", name))
    HARNESS.wait(lambda: not HARNESS.jobs_of_run(outcome.run))


def test_a_submission_that_fails_halfway_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no secrets today")

    def there() -> list[int]:
        return [len(HARNESS.cluster.objects(kind)) for kind in ("Job", "Pod", "Secret")]

    before = there()
    monkeypatch.setattr(f"{HARNESS.package}.platform.manifests.secret_manifest", refuse)
    with pytest.raises(RuntimeError, match="no secrets today"):
        HARNESS.submit(pipelines.single)
    HARNESS.wait(lambda: there() == before)
