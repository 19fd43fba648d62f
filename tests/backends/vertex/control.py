"""Runs pipelines with ZenML's own `vertex` orchestrator on the emulator for Google Cloud.

A program of its own, see `on_emulator.py`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.vertex.on_emulator import emulator, register_own
from emulator_programs import GREEDY, look, look_longer, outcome, scheduled_runs, submit
from google.cloud import aiplatform
from kit import pipelines
from zenml.client import Client
from zenml.config import Schedule

if TYPE_CHECKING:
    from uuid import UUID

    from kit.vertex_emulator import Job, PipelineRun, Project
    from zenml.pipelines.pipeline_definition import Pipeline

# As long as it takes on a busy machine.
SECONDS = 120


def execute(project: Project, pipeline: Pipeline, *arguments: Any) -> dict[str, Any]:
    """Runs a pipeline to its end, and returns what came of it."""
    runs, jobs = len(project.pipeline_jobs), len(project.jobs)
    run_id = submit(pipeline, arguments=arguments)

    def ended() -> bool:
        of_pipelines = [run.ended for run in [*project.pipeline_jobs.values()][runs:]]
        return all([*of_pipelines, *(job.ended for job in project.jobs[jobs:])])

    project.wait(ended, SECONDS)
    return outcome(run_id) | {
        "fetched": fetch_status(run_id),
        "pipelines": [*map(described, [*project.pipeline_jobs.values()][runs:])],
        "jobs": [
            {"kind": job.kind, "id": job.id, "task": job.task_name, "state": job.state.name}
            for job in project.jobs[jobs:]
        ],
        "asked": {job.task_name or job.id: asked_for(job) for job in project.jobs[jobs:]},
    }


def asked_for(job: Job) -> Any:
    """Returns what a job's container, or the machine of a custom job, was asked for."""
    if "job_spec" in job.request:
        return job.request["job_spec"]["worker_pool_specs"][0]["machine_spec"]
    return job.request.get("resources")


def described(run: PipelineRun) -> dict[str, Any]:
    """Returns what a pipeline job has come to."""
    return {
        "id": run.id,
        "state": run.state.name,
        "error": run.error.message if run.error else None,
        "tasks": {name: task.state.name for name, task in run.tasks.items()},
    }


def fetch_status(run_id: UUID) -> str | None:
    """Returns what the orchestrator, when it asks Vertex AI, takes for the status of a run."""
    zenml = Client()
    orchestrator = zenml.active_stack.orchestrator
    status, _ = orchestrator.fetch_status(zenml.get_pipeline_run(run_id))
    return status.value if status else None


def wait_for_failure(pipeline: Pipeline) -> str:
    """Runs a pipeline that fails, as one does who waits for it, and returns what is raised."""
    try:
        submit(pipeline, {"synchronous": True})
    except RuntimeError as error:
        return str(error)
    raise AssertionError("Nothing was raised.")


def cancel_in_the_middle(project: Project, pipeline: Pipeline) -> dict[str, Any]:
    """Cancels a pipeline job, by the API, while its first step runs."""
    project.stop_seconds = 0.5
    run_id = submit(pipeline)
    run = [*project.pipeline_jobs.values()][-1]
    first, *_ = run.tasks.values()
    project.wait(lambda: bool(first.attempts) and first.attempts[0].pid is not None, SECONDS)
    aiplatform.PipelineJob.get(run.id).cancel()
    project.wait(lambda: run.ended is not None, SECONDS)
    pid = first.attempts[0].pid
    return {
        "fetched": fetch_status(run_id),
        "running": pid is not None and Path(f"/proc/{pid}").exists(),
        **described(run),
    }


def fire_twice(project: Project, pipeline: Pipeline) -> list[dict[str, Any]]:
    """Schedules a pipeline, fires its schedule twice, and returns both runs."""
    submit(pipeline, schedule=Schedule(name="nightly", cron_expression="0 3 * * *"))
    (schedule,) = aiplatform.PipelineJobSchedule.list()
    fired = [project.pipeline_jobs[project.fire(schedule.resource_name)] for _ in range(2)]
    project.wait(lambda: all(run.ended for run in fired), SECONDS)
    return [outcome(run.id) for run in scheduled_runs()]


def main(home: Path, found: Path) -> None:
    """Runs all, and writes what came of it to a file, with the requests that were refused."""
    custom_job = {"custom_job_parameters": {"machine_type": "n1-standard-8"}}
    left = {"left": {"settings": {"orchestrator": custom_job}}}
    with emulator(home) as project:
        register_own(home, project)
        outcomes: dict[str, Any] = {
            "static": execute(project, pipelines.diamond.with_options(steps=GREEDY)),
            "launched": execute(project, pipelines.diamond.with_options(steps=left)),
            "dynamic": execute(project, pipelines.dynamic),
            "failing": execute(project, pipelines.failing),
            "raised": wait_for_failure(pipelines.failing),
            "cancelled": cancel_in_the_middle(project, pipelines.diamond),
            "scheduled": fire_twice(project, pipelines.single),
        }
        longer = partial(execute, project)
        outcomes |= look_longer(longer, Path(tempfile.mkdtemp(dir=home))) | look()
        outcomes["refused"] = [
            [call.method, call.status] for call in project.calls if call.status != "OK"
        ]
    found.write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
