"""Prints manifests of a generated project, as it would send them to Kubernetes.

A program of its own, with the generated package `my_orch` on Python's path. No cluster is needed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, V1Container, V1Toleration
from my_orch.config import Config, Settings
from my_orch.engine.protocols import JobKey, JobSpec, Role
from my_orch.platform.manifests import job_manifest, owner_reference, secret_manifest
from my_orch.platform.schedules import cron_job_manifest
from zenml.config import ResourceSettings
from zenml.integrations.kubernetes.pod_settings import KubernetesPodSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = "3c4b2f6e-4f0e-4d0c-9a52-3f5b0d7c8e11"

PLAIN = JobSpec(
    key=JobKey(UID, "train", 1),
    role=Role.STEP,
    name="train",
    image="registry.example.com/zenml:train",
    command=["python", "-m", "zenml.entrypoints.entrypoint", "--option", "costs $5"],
    environment={"PLAIN": "yes", "DOLLARS": "$(PLAIN)"},
    secrets={"ZENML_STORE_URL": "https://example.com", "ZENML_STORE_API_TOKEN": "token"},
    resources=ResourceSettings(),
    settings=Settings(),
    labels={"run_id": UID, "pipeline": "Training!", "step_name": "train"},
    parent="train-fedcba987654",
)

AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a100"]}]}
            ]
        }
    }
}

POD = KubernetesPodSettings(
    node_selectors={"pool": "gpu"},
    affinity=AFFINITY,
    tolerations=[V1Toleration(key="gpu", operator="Exists", effect="NoSchedule")],
    resources={"requests": {"ephemeral-storage": "1Gi"}, "limits": {"example.com/fpga": "1"}},
    annotations={"note": "any text"},
    labels={"team": "research"},
    volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    volume_mounts=[{"name": "data", "mountPath": "/data", "readOnly": True}],
    host_ipc=True,
    scheduler_name="other",
    image_pull_secrets=["registry"],
    env=[{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    env_from=[{"configMapRef": {"name": "settings", "optional": True}}],
    container_security_context={"runAsUser": 1000},
    additional_pod_spec_args={
        "priority_class_name": "batch",
        "securityContext": {"fsGroup": 1000},
        "init_containers": [V1Container(name="prepare", image="{{ image }}", command=["true"])],
    },
)

# Everything that a user can ask of a pod, and all that a Job and a schedule can be told.
FULL = replace(
    PLAIN,
    resources=ResourceSettings(cpu_count=0.25, memory="4GB", gpu_count=1),
    settings=Settings(
        step_pod_service_account_name="steps",
        privileged=True,
        ttl_seconds_after_finished=3600,
        active_deadline_seconds=600,
        pod_startup_timeout=60,
        orchestrator_job_backoff_limit=0,
        schedule_time_zone="Europe/Zurich",
        concurrency_policy="Forbid",
        starting_deadline_seconds=60,
        successful_jobs_history_limit=1,
        failed_jobs_history_limit=2,
        pod_settings=POD,
        orchestrator_pod_settings=POD,
    ),
    grace_seconds=5.0,
)


def manifests() -> Iterator[dict[str, Any]]:
    """Makes one of each kind, with as little and with as much in it as there can be."""
    for step, config in ((PLAIN, Config()), (FULL, Config(local=True))):
        assert step.parent is not None
        manifest = job_manifest(step, config)
        manifest["metadata"]["ownerReferences"] = [owner_reference(step.parent, UID)]
        yield manifest
        controller = replace(step, role=Role.CONTROLLER, parent=None)
        job = job_manifest(controller, config)
        cron_job = cron_job_manifest(job, controller, "0 3 * * 1-5")
        yield from (job, cron_job)
        for owner in (job, cron_job):
            reference = owner_reference(owner["metadata"]["name"], UID, owner["kind"])
            yield secret_manifest(controller.secrets, reference)


if __name__ == "__main__":
    # The client sends them so; users' settings may have objects of its own in them.
    print(json.dumps([ApiClient().sanitize_for_serialization(each) for each in manifests()]))
