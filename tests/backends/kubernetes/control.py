"""Runs pipelines with ZenML's own `kubernetes` orchestrator on the emulator of a cluster.

A program of its own: ZenML reads its environment when it is imported. `on_emulator.py`
says what it needs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.kubernetes import on_emulator
from emulator_programs import (
    GREEDY,
    execute,
    look,
    look_longer,
    outcome,
    runnable,
    scheduled_runs,
    use,
)
from kit import pipelines
from zenml.config import Schedule

if TYPE_CHECKING:
    from kit.kubernetes_emulator import Cluster
    from zenml.pipelines.pipeline_definition import Pipeline

CONFIGURATION: dict[str, Any] = {
    # In a pod of a dynamic pipeline there is no kubeconfig; a client falls back to that.
    "incluster": True,
    # Its defaults are made for steps that take minutes: it looks every 3 seconds.
    "job_monitoring_interval": 0.2,
    "interrupt_check_interval": 0.5,
}
STACKS = {
    # It makes its service account, and may do so: whoever submits is an administrator.
    "own-secret": {**CONFIGURATION, "pass_zenml_token_as_secret": True},
    # Told that it has one, it makes none. With a dynamic pipeline it would try to in the
    # orchestrator's pod as well, whose account may not.
    "own": {**CONFIGURATION, "service_account_name": "zenml-service-account"},
}


def fire_twice(cluster: Cluster, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Schedules a pipeline, fires its CronJob twice, and returns both runs."""
    runnable(pipeline, schedule=Schedule(cron_expression="0 3 * * *"))()
    (cron_job,) = cluster.objects("CronJob")

    fired = [cluster.fire(cron_job["metadata"]["name"]) for _ in range(2)]

    def finished() -> bool:
        runs = scheduled_runs()
        return len(runs) == len(fired) and all(run.status.is_finished for run in runs)

    cluster.wait(finished)
    return [outcome(run.id) for run in scheduled_runs()]


def resources(jobs: list[dict[str, Any]], run_id: str) -> dict[str, Any]:
    """Returns what the container of each step of a run asks the cluster for."""
    return {
        job["metadata"]["labels"]["step_name"]: container.get("resources")
        for job in jobs
        if job["metadata"]["labels"].get("run_id") == run_id
        and "step_name" in job["metadata"]["labels"]
        for container in job["spec"]["template"]["spec"]["containers"]
    }


def main(home: Path, found: Path) -> None:
    """Runs all, and writes what came of it to a file, with the Jobs and pods of the cluster."""
    source_root = Path(pipelines.__file__).parent.parent
    with on_emulator.emulator(home) as (cluster, _):
        on_emulator.register(home, STACKS, flavor="kubernetes")
        use("own-secret", source_root)
        outcomes: dict[str, Any] = {"with_secret": execute(pipelines.single)}
        use("own", source_root)
        outcomes |= {
            "static": execute(pipelines.diamond.with_options(steps=GREEDY)),
            "dynamic": execute(pipelines.dynamic),
            "failing": execute(pipelines.failing),
            "retried": execute(pipelines.retried, tempfile.mkdtemp(dir=home)),
            "scheduled": fire_twice(cluster, pipelines.single),
            **{kind: cluster.objects(kind) for kind in ("Job", "Pod", "Secret")},
        }
        outcomes |= look_longer(execute, Path(tempfile.mkdtemp(dir=home)))
        if "killed" in outcomes:
            # Who waits for a run is shown the log of the orchestrator's pod.
            pod = outcomes["killed"]["orchestrator_run_id"]
            log = cluster.log_folder / f"{cluster.namespace}_{pod}_main.log"
            outcomes["killed"]["log"] = log.read_text()
        outcomes |= look()
        for run in (outcomes["static"], outcomes.get("dynamic_greedy", {})):
            if "id" in run:
                run["asked"] = resources(cluster.objects("Job"), run["id"])
    found.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
