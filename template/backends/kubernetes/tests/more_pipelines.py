# YOURS: the pipelines that only the tests of this platform run
"""The pipelines that only the tests of this platform run."""

from __future__ import annotations

import atexit
import os
import time
from pathlib import Path
from typing import Any

from kit.pipelines import look
from zenml import pipeline, step
from zenml.config import DockerSettings, ResourceSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import ExecutionMode, StepRuntime

# ---- Resources, and what a user can set about pods

EVERYTHING = ResourceSettings(cpu_count=0.5, memory="512MB", gpu_count=2)

POD_SETTINGS: dict[str, Any] = {
    "node_selectors": {"disk": "ssd"},
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]
            }
        }
    },
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "resources": {"requests": {"memory": "1Gi"}},
    "annotations": {"team": "any text, ünï"},
    "labels": {"team": "blue", "component": "not ours"},
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "volume_mounts": [{"name": "scratch", "mountPath": "/scratch"}],
    "image_pull_secrets": ["registry"],
    "env": [{"name": "MARK", "value": "from the pod settings"}],
    "container_security_context": {"runAsUser": 1000, "runAsNonRoot": True},
    "additional_pod_spec_args": {
        "priority_class_name": "high",
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["me"]}],
    },
}


@step(settings={"resources": EVERYTHING})
def greedy() -> dict[str, Any]:
    return look()


# A name that Kubernetes has no letters for, and one that is too long.
STRANGE_STEP = "Schritt Nº 1: größer_als_" + "x" * 80


@step(
    settings={
        "orchestrator": {
            "pod_settings": POD_SETTINGS,
            "step_pod_service_account_name": "default",
            "pod_stop_grace_period": 7,
            "active_deadline_seconds": 600,
            "ttl_seconds_after_finished": 3600,
            "job_name_prefix": "blue",
        },
    },
    environment={"LITERAL": "$(HOSTNAME) costs $$5"},
)
def particular() -> dict[str, Any]:
    return look() | {"literal": os.environ["LITERAL"]}


@pipeline(name="1. Päckchen / Ünï", enable_cache=False)
def demanding() -> None:
    greedy()
    particular(id=STRANGE_STEP)
    # These two are the same once they are made to fit into a label.
    greedy(id="a-b")
    greedy(id="a_b")


@step(runtime=StepRuntime.ISOLATED, settings={"resources": ResourceSettings(memory="1GiB")})
def isolated_greedy() -> dict[str, Any]:
    return look()


@pipeline(enable_cache=False, dynamic=True, settings={"resources": ResourceSettings(cpu_count=2)})
def dynamic_greedy() -> None:
    isolated_greedy()


# ---- Cached, and not


@step(enable_cache=True)
def once() -> int:
    return 1


@step(enable_cache=False)
def always(number: int) -> dict[str, Any]:
    return look()


@pipeline
def half_cached() -> None:
    always(once())


# ---- Failures, each in its own way and all at the same time


@step
def leave(code: int) -> None:
    print("The last words.", flush=True)
    os._exit(code)


@step
def wait_long(marks: str, name: str) -> None:
    Path(marks, name).touch()
    time.sleep(600)


@pipeline(enable_cache=False, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def all_kinds_of_failure(marks: str) -> None:
    leave(7, id="exit_code")
    orchestrator: dict[str, dict[str, int | str]] = {
        "nowhere": {"pod_startup_timeout": 5},
        "too_late": {"active_deadline_seconds": 4},
        "not_admitted": {"step_pod_service_account_name": "nobody"},
    }
    docker = {"not_pulled": DockerSettings(skip_build=True, parent_image="not-there")}
    waiting = ("out_of_memory", "evicted", "not_pulled", "nowhere", "too_late", "not_admitted")
    for name in waiting:
        settings: dict[str, Any] = {"orchestrator": orchestrator.get(name, {})}
        if name in docker:
            settings["docker"] = docker[name]
        wait_long.with_options(settings=settings)(marks, name, id=name)


# ---- What a killed controller must not do twice


@step
def count(marks: str, number: int) -> dict[str, Any]:
    """Notes each time that it runs."""
    with Path(marks, f"step-{number}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return look(0.2)


@pipeline(enable_cache=False)
def twelve(marks: str) -> None:
    """Four in a row, three times side by side."""
    for column in range(3):
        before: list[str] = []
        for row in range(4):
            number = 4 * column + row
            count(marks, number, id=f"step_{number}", after=before)
            before = [f"step_{number}"]


@step
def linger() -> dict[str, Any]:
    """Succeeds, but its process does not end."""
    atexit.register(time.sleep, 600)
    return look()


@pipeline(enable_cache=False)
def lingering() -> None:
    linger()


@step
def fail_early() -> None:
    raise ValueError("before the others")


@step
def count_slowly(marks: str, number: int) -> dict[str, Any]:
    Path(marks, f"step-{number}").touch()
    return look(3.0)


@pipeline(enable_cache=False, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def failing_beside(marks: str) -> None:
    fail_early()
    count_slowly(marks, 1, id="step_1")
    count(marks, 2, id="step_2", after=["step_1"])


@step(settings={"orchestrator": {"pod_settings": {"tolerations": [{"operator": "Perhaps"}]}}})
def refused() -> None:
    pass


@pipeline(enable_cache=False, execution_mode=ExecutionMode.CONTINUE_ON_FAILURE)
def with_one_refused(marks: str) -> None:
    refused()
    count(marks, 1, id="step_1")
    count(marks, 2, id="step_2", after=["step_1"])


@step(retry=StepRetryConfig(max_retries=2, delay=1, backoff=2))
def fail_twice(marks: str) -> None:
    tries = Path(marks, "tries")
    with tries.open("a") as file:
        file.write(f"{time.time()}\n")
    if len(tries.read_text().split()) < 3:
        raise ValueError("not yet")


@pipeline(enable_cache=False)
def patient(marks: str) -> None:
    fail_twice(marks)
