"""Prints manifests of a generated project, as it would send them to Kubernetes.

A program of its own, with the generated package `my_orch` on Python's path. No cluster is needed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kubernetes.client import V1Container, V1Toleration
from my_orch import run_id
from my_orch.config import MyOrchOrchestratorSettings
from my_orch.manifests import Owner, Task, cron_job, orchestrator_job, secret, step_job
from my_orch.resources import of
from zenml.config import ResourceSettings
from zenml.integrations.kubernetes.pod_settings import KubernetesPodSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

UID = "3c4b2f6e-4f0e-4d0c-9a52-3f5b0d7c8e11"

PLAIN = Task(
    name="train-0123456789ab",
    image="registry.example.com/zenml:train",
    command=["python", "-m", "zenml.entrypoints.entrypoint", "--option", "costs $5"],
    environment={"PLAIN": "yes", "DOLLARS": "$(PLAIN)"},
    secret="train-0123456789ab",
    secret_variables=["ZENML_STORE_URL", "ZENML_STORE_API_TOKEN"],
    variables=run_id.step_variables(UID),
    resources={},
    service_account=None,
    talks_to_cluster=False,
    labels={"run_id": UID, "step_name": "train"},
    annotations={"step_name": "train", "attempt": "1"},
    settings=MyOrchOrchestratorSettings(),
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

# Everything that a user can ask of a pod, and all that a Job and a schedule can be told.
FULL = replace(
    PLAIN,
    resources=of(ResourceSettings(cpu_count=0.25, memory="4GB", gpu_count=1), "nvidia.com/gpu"),
    service_account="steps",
    talks_to_cluster=True,
    local_stores="/home/user/.config/zenml/local_stores",
    settings=MyOrchOrchestratorSettings(
        privileged=True,
        ttl_seconds_after_finished=3600,
        active_deadline_seconds=600,
        pod_stop_grace_period=5,
        orchestrator_job_backoff_limit=0,
        schedule_time_zone="Europe/Zurich",
        concurrency_policy="Forbid",
        starting_deadline_seconds=60,
        successful_jobs_history_limit=1,
        failed_jobs_history_limit=2,
    ),
    pod_settings=KubernetesPodSettings(
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
            "init_containers": [V1Container(name="prepare", image="busybox", command=["true"])],
        },
    ),
)


def manifests() -> Iterator[dict[str, Any]]:
    """Makes one of each kind, with as little and with as much in it as there can be."""
    for task in (PLAIN, FULL):
        orchestrator = replace(task, variables=run_id.orchestrator_variables())
        owners = (orchestrator_job(orchestrator), cron_job(orchestrator, "0 3 * * 1-5"))
        yield step_job(task, Owner("train-fedcba987654", UID))
        yield from owners
        for owner in owners:
            owned_by = Owner(task.name, UID, owner["kind"])
            yield secret({"ZENML_STORE_API_TOKEN": "token"}, owned_by)


if __name__ == "__main__":
    print(json.dumps(list(manifests())))
