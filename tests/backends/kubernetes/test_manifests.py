"""The manifests of a generated project, held against the schemas that Kubernetes publishes.

The emulator's own rules come from the models of the official Python client; these schemas do not.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kit.timeouts import scaled
from rendering import backends, render

PROGRAM = Path(__file__).with_name("print_manifests.py")

# The oldest version that generated projects claim, and the newest whose schema is known here.
VERSIONS = ["1.27", kubernetes_validate.latest_version().removesuffix(".0")]

Manifests = list[dict[str, Any]]


@pytest.fixture(scope="module", params=backends()["kubernetes"]["strategies"])
def manifests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Manifests:
    """What a project with each of the strategies sends, and what its rbac.yaml asks for."""
    folder = tmp_path_factory.mktemp(request.param)
    project = render(
        folder / "project",
        project_name="my-orch",
        backend="kubernetes",
        run_id_strategy=request.param,
    )
    program = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=os.environ
        | {"PYTHONPATH": str(project / "src"), "ZENML_CONFIG_PATH": str(folder / "zenml")},
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
    )
    assert program.returncode == 0, program.stderr
    # ZenML says something first when it makes a home.
    sent: Manifests = json.loads(program.stdout.splitlines()[-1])
    return [*sent, *yaml.safe_load_all((project / "rbac.yaml").read_text())]


def test_there_is_one_of_each_kind(manifests: Manifests) -> None:
    assert Counter(manifest["kind"] for manifest in manifests) == {
        "Job": 4,
        "CronJob": 2,
        "Secret": 4,
        "ServiceAccount": 1,
        "Role": 2,
        "RoleBinding": 1,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_all_of_it(manifests: Manifests, version: str) -> None:
    for manifest in manifests:
        asked = as_published(manifest) if version == "1.27" else manifest
        assert kubernetes_validate.validate(asked, version, strict=True) == version


@pytest.mark.parametrize("version", VERSIONS)
def test_what_kubernetes_does_not_know_would_be_noticed(manifests: Manifests, version: str) -> None:
    (job, *_) = copy.deepcopy([each for each in manifests if each["kind"] == "Job"])
    job["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Never"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePolicy"):
        kubernetes_validate.validate(job, version, strict=True)


def as_published(manifest: dict[str, Any]) -> dict[str, Any]:
    """Adds what the schema of 1.27.0 asks for by mistake, and its server never did.

    In a rule of a `podFailurePolicy` it is `onExitCodes` or `onPodConditions`, not both. The schema
    has said so since the patch releases with https://github.com/kubernetes/kubernetes/pull/120204.
    """
    published = copy.deepcopy(manifest)
    spec = published.get("spec", {})
    job = spec.get("jobTemplate", published)["spec"] if spec else {}
    for rule in job.get("podFailurePolicy", {}).get("rules", []):
        rule.setdefault("onPodConditions", [])
    return published
