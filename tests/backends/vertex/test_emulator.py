"""The emulator for Google Cloud does what the real service does, for clients and containers."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth.jwt
import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1, secretmanager_v1
from google.cloud.aiplatform_v1.types import JobState, PipelineState, PipelineTaskDetail, Schedule
from google.oauth2 import service_account
from google.protobuf.field_mask_pb2 import FieldMask
from kit.timeouts import scaled
from kit.vertex_emulator import Project
from kit.vertex_emulator.api import KINDS
from kit.vertex_emulator.identity import GRANT, SCOPE, TOKEN
from kit.vertex_emulator.resources import matches
from kit.vertex_emulator.schedules import check_cron

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kit.vertex_emulator import Job, PipelineRun

Object = dict[str, Any]
# These have no types.
Anonymous: Any = AnonymousCredentials
Key: Any = service_account.Credentials
encode: Any = google.auth.jwt.encode
TaskState = PipelineTaskDetail.State

CLIENTS: dict[str, Any] = {
    "pipelines": aiplatform_v1.PipelineServiceClient,
    "jobs": aiplatform_v1.JobServiceClient,
    "schedules": aiplatform_v1.ScheduleServiceClient,
    "secrets": secretmanager_v1.SecretManagerServiceClient,
}
AUTOMATIC: Object = {"automatic": Object()}  # The usual replication of secrets.
FAILS = "raise SystemExit(7)"
WAITS = "import time; print('up', flush=True); time.sleep(60)"
# Whoever handles SIGTERM can end in peace.
ENDS_IN_PEACE = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    "print('up', flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    image = {"PATH": os.environ["PATH"]}
    with Project(tmp_path_factory.mktemp("project"), image=image) as project:
        yield project


@pytest.fixture(autouse=True)
def calm(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test leaves the project as it found it, but for what is in it."""
    for name, value in project.environment().items():
        monkeypatch.setenv(name, value)
    yield
    project.faults.rate, project.faults.kinds = 0.0, KINDS
    project.hold, project.stop_seconds, project.token_seconds = False, 30, 3600
    project.denied.clear()


# ---- What tests work with --------------------------------------------------------------------


def client(project: Project, kind: str, transport: str = "rest", **more: Any) -> Any:
    """Makes a client with the user's key.

    Args:
        project: The project.
        kind: One of `CLIENTS`.
        transport: `rest` or `grpc`.
        more: Other credentials, as `credentials`.
    """
    credentials, made = more.get("credentials") or user(project.key_file), CLIENTS[kind]
    if transport == "rest":
        options = {"api_endpoint": project.url}
        return made(credentials=credentials, transport="rest", client_options=options)
    roots = project.environment()["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]
    trusted = grpc.ssl_channel_credentials(Path(roots).read_bytes())
    way = made.get_transport_class("grpc")
    channel = way.create_channel(project.grpc, credentials=credentials, ssl_credentials=trusted)
    return made(transport=way(channel=channel))


@functools.cache
def user(key_file: Path) -> Any:
    """Returns the user's credentials."""
    return Key.from_service_account_file(key_file, scopes=[SCOPE])


def place(project: Project) -> str:
    """Returns the parent of all resources."""
    return f"projects/{project.id}/locations/{project.region}"


def placeholder(name: str) -> str:
    """Returns what the service replaces by a value."""
    return "{" + "{$." + name + "}" + "}"


def new_id(prefix: str = "run") -> str:
    """Makes an ID that was not there before."""
    return f"{prefix}-{time.time_ns()}"


def container(code: str = "pass", **variables: str) -> Object:
    """Makes a container of a task."""
    env = [{"name": name, "value": value} for name, value in variables.items()]
    image = "registry.invalid/image"
    return {"image": image, "command": ["python", "-c"], "args": [code], "env": env}


def pipeline(
    containers: dict[str, Object], after: dict[str, list[str]] | None = None, **tasks: Object
) -> Object:
    """Makes a pipeline's spec.

    Args:
        containers: What each task runs, by its name.
        after: The tasks that come before a task, by its name.
        tasks: More of a task, by its name.
    """
    after = after or {}
    executors = {f"exec-{name}": {"container": each} for name, each in containers.items()}
    return {
        "schemaVersion": "2.1.0",
        "sdkVersion": "none",
        "pipelineInfo": {"name": "a-pipeline"},
        "deploymentSpec": {"executors": executors},
        "components": {f"comp-{name}": {"executorLabel": f"exec-{name}"} for name in containers},
        "root": {
            "dag": {
                "tasks": {
                    name: {
                        "taskInfo": {"name": name},
                        "componentRef": {"name": f"comp-{name}"},
                        "dependentTasks": after.get(name, []),
                        **tasks.get(name, {}),
                    }
                    for name in containers
                }
            }
        },
    }


def pipeline_job(project: Project, spec: Object, **more: Any) -> Object:
    """Makes a pipeline job."""
    config = {"gcs_output_directory": f"gs://{project.bucket}/root", **more.pop("config", {})}
    return {"display_name": "a run", "pipeline_spec": spec, "runtime_config": config, **more}


def begin(project: Project, spec: Object, transport: str = "rest", **more: Any) -> PipelineRun:
    """Creates a pipeline job."""
    request = {
        "parent": place(project),
        "pipeline_job_id": more.pop("id", new_id()),
        "pipeline_job": pipeline_job(project, spec, **more),
    }
    answer = client(project, "pipelines", transport).create_pipeline_job(request)
    assert answer.state == PipelineState.PIPELINE_STATE_PENDING
    return project.pipeline_jobs[answer.name]


def run(project: Project, spec: Object, **more: Any) -> PipelineRun:
    """Runs a pipeline job to its end."""
    begun = begin(project, spec, **more)
    project.wait(lambda: begun.ended is not None)
    return begun


def custom_job(code: str = "pass", **more: Any) -> Object:
    """Makes a custom job. More of its `job_spec` can be given, and of its `env`."""
    pool = {
        "machine_spec": {"machine_type": "e2-standard-4"},
        "replica_count": 1,
        "container_spec": {
            "image_uri": "registry.invalid/image",
            "command": ["python", "-c", code],
            "env": more.pop("env", []),
        },
    }
    labels = more.pop("labels", {})
    return {
        "display_name": more.pop("display_name", "a job"),
        "labels": labels,
        "job_spec": {"worker_pool_specs": [pool], **more},
    }


def begin_job(project: Project, job: Object, transport: str = "rest") -> Job:
    """Creates a custom job."""
    jobs = client(project, "jobs", transport)
    answer = jobs.create_custom_job(parent=place(project), custom_job=job)
    assert answer.state == JobState.JOB_STATE_PENDING
    return next(each for each in project.jobs if each.name == answer.name)


def run_job(project: Project, job: Object) -> Job:
    """Runs a custom job to its end."""
    begun = begin_job(project, job)
    project.wait(lambda: begun.ended is not None)
    return begun


def until_up(project: Project, job: Job, times: int = 1) -> None:
    """Waits until a container has printed something, and the project knows that it runs."""
    project.wait(lambda: job.log.read_text().count("up") >= times)
    project.wait(lambda: job.state == JobState.JOB_STATE_RUNNING)


def schedule(project: Project, **more: Any) -> Object:
    """Makes a schedule."""
    job = pipeline_job(project, pipeline({"one": container()}))
    return {
        "display_name": "nightly",
        "cron": "CRON_TZ=Europe/Vienna 5 4 * * 1-5",
        "max_concurrent_run_count": 1,
        "create_pipeline_job_request": {"parent": place(project), "pipeline_job": job},
        **more,
    }


def as_container(project: Project, code: str) -> str:
    """Runs code in a container, and returns what it prints."""
    job = run_job(project, custom_job(code))
    assert job.state == JobState.JOB_STATE_SUCCEEDED, job.log.read_text()
    printed: str = job.log.read_text()
    return printed


# ---- Pipelines -------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_task_begins_when_all_before_it_have_succeeded(project: Project, transport: str) -> None:
    spec = pipeline(
        {name: container("import time; print(time.time())") for name in ("c", "a", "b")},
        {"c": ["a", "b"], "b": ["a"]},
    )
    begun = begin(project, spec, transport)
    project.wait(lambda: begun.ended is not None)
    assert begun.state == PipelineState.PIPELINE_STATE_SUCCEEDED
    times = {name: float(task.attempts[0].log.read_text()) for name, task in begun.tasks.items()}
    assert times["a"] < times["b"] < times["c"]
    shown = client(project, "pipelines", transport).get_pipeline_job(name=begun.name)
    assert shown.state == PipelineState.PIPELINE_STATE_SUCCEEDED
    assert shown.create_time <= shown.start_time <= shown.end_time
    # The root of the graph is among its tasks.
    details = {task.task_name: task for task in shown.job_detail.task_details}
    assert details.keys() == {begun.id, "a", "b", "c"}
    assert {task.state for task in details.values()} == {TaskState.SUCCEEDED}
    main_job = details["a"].executor_detail.container_detail.main_job
    assert main_job == begun.tasks["a"].attempts[0].name


def test_placeholders_are_replaced_where_they_stand_and_unknown_ones_stay(project: Project) -> None:
    names = (
        "pipeline_job_name", "pipeline_job_resource_name", "pipeline_job_uuid",
        "pipeline_task_name", "pipeline_google_cloud_project_id",
        "pipeline_google_cloud_location", "pipeline_root", "pipeline_unknown",
    )  # fmt: skip
    code = "import os; print(os.environ['TEXT'])"
    text = "|".join(map(placeholder, names))
    task = container(code, TEXT=text + "|" + placeholder("inputs.parameters['size']"))
    spec = pipeline({"one": task})
    size = {"parameterType": "NUMBER_INTEGER", "defaultValue": 3}
    spec["components"]["comp-one"]["inputDefinitions"] = Object(parameters=Object(size=size))
    done = run(project, spec)
    found = done.tasks["one"].attempts[0].log.read_text().strip().split("|")
    assert found == [
        done.id, done.name, done.number, "one", project.id, project.region,
        f"gs://{project.bucket}/root", placeholder("pipeline_unknown"), "3",
    ]  # fmt: skip
    assert done.number.isdecimal()


def test_each_task_is_a_custom_job_of_its_own(project: Project) -> None:
    code = "import os; print(os.environ['CLOUD_ML_JOB_ID'], os.environ['CLOUD_ML_PROJECT_ID'])"
    spec = pipeline({"one": container(code), "two": container(code)})
    done = run(project, spec, labels={"mine": "yes"})
    numbers = set()
    for task in done.tasks.values():
        (job,) = task.attempts
        assert job.kind == "task"
        assert job.pipeline_job == done.name
        number, project_number = job.log.read_text().split()
        assert (job.id, project.number) == (number, project_number)
        numbers.add(number)
        shown = client(project, "jobs").get_custom_job(name=job.name)
        assert shown.state == JobState.JOB_STATE_SUCCEEDED
        assert shown.labels == {"mine": "yes", "vertex-ai-pipelines-run-billing-id": done.number}
        # Only the task's own policy says how often it is tried again.
        assert shown.job_spec.scheduling.disable_retries
    assert len(numbers) == 2


def test_below_a_failed_task_none_begins_and_others_go_on(project: Project) -> None:
    later = container("import time; time.sleep(0.2)")
    spec = pipeline(
        {"bad": container(FAILS), "below": container(), "slow": later, "after-slow": container()},
        {"below": ["bad"], "after-slow": ["slow"]},
    )
    done = run(project, spec)
    states = {name: task.state for name, task in done.tasks.items()}
    assert states == {
        "bad": TaskState.FAILED,
        "below": TaskState.NOT_TRIGGERED,
        "slow": TaskState.SUCCEEDED,
        "after-slow": TaskState.SUCCEEDED,
    }
    shown = client(project, "pipelines").get_pipeline_job(name=done.name)
    assert shown.state == PipelineState.PIPELINE_STATE_FAILED
    assert shown.error.code == 9
    assert "The failed tasks are: [bad]." in shown.error.message
    error = next(each.error for each in shown.job_detail.task_details if each.task_name == "bad")
    assert "workerpool0-0 exited with a non-zero status of 7" in error.message


def test_failing_fast_begins_nothing_new_and_lets_the_rest_end(project: Project) -> None:
    later = container("import time; time.sleep(0.2)")
    spec = pipeline(
        {"bad": container(FAILS), "slow": later, "after-slow": container()},
        {"after-slow": ["slow"]},
    )
    fast = {"failure_policy": "PIPELINE_FAILURE_POLICY_FAIL_FAST"}
    done = run(project, spec, config=fast)
    assert done.tasks["slow"].state == TaskState.SUCCEEDED
    assert done.tasks["after-slow"].state == TaskState.NOT_TRIGGERED


def test_a_task_is_tried_again_in_a_new_job(project: Project) -> None:
    retry = {"maxRetryCount": 2, "backoffDuration": "0.01s"}
    spec = pipeline({"bad": container(FAILS)}, bad={"retryPolicy": retry})
    done = run(project, spec)
    attempts = [job.name for job in done.tasks["bad"].attempts]
    assert len(set(attempts)) == 3
    shown = client(project, "pipelines").get_pipeline_job(name=done.name)
    detail = shown.job_detail.task_details[1]
    assert [*detail.executor_detail.container_detail.failed_main_jobs] == attempts[:2]
    assert [status.state.name for status in detail.pipeline_task_status] == [
        "RUNNING", "PENDING", "RUNNING", "PENDING", "RUNNING", "FAILED",
    ]  # fmt: skip


def test_a_task_whose_variable_is_empty_fails_when_its_job_is_made(project: Project) -> None:
    done = run(project, pipeline({"one": container(EMPTY="")}))
    task = done.tasks["one"]
    assert task.state == TaskState.FAILED
    assert not task.attempts
    assert "env[1].value; Message: Required field is not set." in task.error.message


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_cancelled_pipeline_lets_its_containers_end(project: Project, transport: str) -> None:
    spec = pipeline(
        {"peace": container(ENDS_IN_PEACE), "stubborn": container(WAITS), "below": container()},
        {"below": ["peace"]},
    )
    begun, project.stop_seconds = begin(project, spec), 0.2
    project.wait(lambda: all(begun.tasks[name].attempts for name in ("peace", "stubborn")))
    for name in ("peace", "stubborn"):
        until_up(project, begun.tasks[name].attempts[0])
    pipelines = client(project, "pipelines", transport)
    pipelines.cancel_pipeline_job(name=begun.name)
    assert begun.state == PipelineState.PIPELINE_STATE_CANCELLING
    project.wait(lambda: begun.ended is not None)
    shown = pipelines.get_pipeline_job(name=begun.name)
    assert (shown.state, shown.error.code) == (PipelineState.PIPELINE_STATE_CANCELLED, 1)
    states = [begun.tasks[name].state.name for name in ("peace", "stubborn", "below")]
    assert states == ["CANCELLED", "CANCELLED", "NOT_TRIGGERED"]
    # On REST all that has status 400 is a BadRequest.
    with pytest.raises(exceptions.BadRequest, match="cannot be canceled"):
        pipelines.cancel_pipeline_job(name=begun.name)


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_an_id_can_be_used_once(project: Project, transport: str) -> None:
    done = run(project, pipeline({"one": container()}))
    with pytest.raises(exceptions.Conflict, match="already exists"):
        begin(project, pipeline({"one": container()}), transport, id=done.id)


def test_without_an_id_the_service_makes_one(project: Project) -> None:
    done = run(project, pipeline({"one": container()}), id="")
    assert re.fullmatch(r"a-pipeline-2\d+", done.id)


def test_a_pipeline_job_is_deleted_when_it_has_ended(project: Project) -> None:
    pipelines = client(project, "pipelines", "grpc")
    begun, project.stop_seconds = begin(project, pipeline({"one": container(WAITS)})), 0
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        pipelines.delete_pipeline_job(name=begun.name)
    pipelines.cancel_pipeline_job(name=begun.name)
    project.wait(lambda: begun.ended is not None)
    operation = pipelines.delete_pipeline_job(name=begun.name)
    assert operation.result(timeout=scaled(10)) is not None
    with pytest.raises(exceptions.NotFound):
        pipelines.get_pipeline_job(name=begun.name)


BAD_JOBS: dict[str, Callable[[Object], Any]] = {
    "129 characters": lambda job: job.update(display_name="x" * 129),
    "Invalid label key: 'Upper'": lambda job: job.update(labels={"Upper": "x"}),
    "Invalid label key: '1st'": lambda job: job.update(labels={"1st": "x"}),
    "Invalid value of label long": lambda job: job.update(labels={"long": "x" * 64}),
    "at most 64 labels": lambda job: job.update(labels={f"l{n}": "" for n in range(65)}),
    "is not an e-mail": lambda job: job.update(service_account="someone"),
    "Invalid network": lambda job: job.update(network="projects/name/global/networks/net"),
    "Invalid kms_key_name": lambda job: job.update(encryption_spec={"kms_key_name": "key"}),
    "key must be in": lambda job: job.update(
        encryption_spec={"kms_key_name": "projects/p/locations/us-east1/keyRings/r/cryptoKeys/k"}
    ),
    "gcs_output_directory is required": lambda job: job.pop("runtime_config"),
    "must begin with gs://": lambda job: job["runtime_config"].update(gcs_output_directory="/x"),
    "does not exist": lambda job: job["runtime_config"].update(gcs_output_directory="gs://none/x"),
    "has no parameters extra": lambda job: job["runtime_config"].update(
        parameter_values={"extra": 1}
    ),
}
BAD_SPECS: dict[str, Callable[[Object], Any]] = {
    "no field named": lambda spec: spec.update(unknown="field"),
    "Unsupported schema_version": lambda spec: spec.pop("schemaVersion"),
    "Invalid pipeline_info.name": lambda spec: spec["pipelineInfo"].update(name="Upper"),
    "has 0 tasks": lambda spec: spec["root"]["dag"]["tasks"].clear(),
    "there is no component": lambda spec: spec.pop("components"),
    "there is no executor": lambda spec: spec.pop("deploymentSpec"),
    "container.image is missing": lambda spec: container_of(spec).pop("image"),
    "cpu limit 97.0 exceeds 96": lambda spec: resources_of(spec, cpuLimit=97),
    "cpu limit 97.0 exceeds": lambda spec: resources_of(spec, resourceCpuLimit="97000m"),
    "memory limit 625.0 exceeds 624": lambda spec: resources_of(spec, resourceMemoryLimit="625G"),
    "invalid memory limit": lambda spec: resources_of(spec, resourceMemoryLimit="1 GB"),
    "both a type and a count": lambda spec: resources_of(spec, accelerator={"type": "NVIDIA_L4"}),
    "unknown accelerator type": lambda spec: resources_of(
        spec, accelerator={"resourceType": "GPU", "resourceCount": "1"}
    ),
    "depends on unknown tasks": lambda spec: task_of(spec, dependentTasks=["nobody"]),
    "form a cycle": lambda spec: task_of(spec, dependentTasks=["one"]),
    "task_info.name is missing": lambda spec: task_of(spec, taskInfo={}),
    "caching is not known": lambda spec: task_of(spec, cachingOptions={"enableCache": True}),
    "trigger_policy is not known": lambda spec: task_of(spec, triggerPolicy={"condition": "x"}),
    "max_retry_count must not": lambda spec: task_of(spec, retryPolicy={"maxRetryCount": -1}),
}


def task_of(spec: Object, **more: Any) -> None:
    spec["root"]["dag"]["tasks"]["one"].update(more)


def container_of(spec: Object) -> Object:
    found: Object = spec["deploymentSpec"]["executors"]["exec-one"]["container"]
    return found


def resources_of(spec: Object, **more: Any) -> None:
    container_of(spec)["resources"] = more


def refused(project: Project, job: Object) -> str:
    """Tells why a pipeline job is refused."""
    with pytest.raises(exceptions.BadRequest) as caught:
        client(project, "pipelines").create_pipeline_job(
            parent=place(project), pipeline_job=job, pipeline_job_id=new_id()
        )
    return str(caught.value.message)


@pytest.mark.parametrize("why", BAD_JOBS)
def test_a_pipeline_job_that_is_not_valid_is_refused(project: Project, why: str) -> None:
    job = pipeline_job(project, pipeline({"one": container()}))
    BAD_JOBS[why](job)
    assert why in refused(project, job)


@pytest.mark.parametrize("why", BAD_SPECS)
def test_a_spec_that_is_not_valid_is_refused(project: Project, why: str) -> None:
    spec = pipeline({"one": container()})
    BAD_SPECS[why](spec)
    assert why in refused(project, pipeline_job(project, spec))


@pytest.mark.parametrize("job_id", ["Upper", "1st", "under_score", "x" * 129])
def test_ids_have_small_letters_digits_and_dashes(project: Project, job_id: str) -> None:
    with pytest.raises(exceptions.BadRequest, match="Invalid pipeline_job_id"):
        begin(project, pipeline({"one": container()}), id=job_id)


def test_other_projects_and_regions_are_refused(project: Project) -> None:
    pipelines = client(project, "pipelines")
    name = f"projects/other/locations/{project.region}/pipelineJobs/x"
    with pytest.raises(exceptions.Forbidden):
        pipelines.get_pipeline_job(name=name)
    with pytest.raises(exceptions.BadRequest, match="location"):
        pipelines.get_pipeline_job(name=f"projects/{project.id}/locations/elsewhere/pipelineJobs/x")
    # The number of a project is as good as its ID.
    name = f"projects/{project.number}/locations/{project.region}/pipelineJobs/x"
    with pytest.raises(exceptions.NotFound):
        pipelines.get_pipeline_job(name=name)


def test_lists_are_filtered_ordered_and_cut_into_pages(project: Project) -> None:
    project.hold = True
    mark = new_id("mark")
    spec = pipeline({"one": container()})
    names = [begin(project, spec, labels={"mark": mark}, id=new_id(f"r{n}")).name for n in range(5)]
    pipelines = client(project, "pipelines")
    request: Object = {"parent": place(project), "filter": f"labels.mark={mark}", "page_size": 2}
    newest_first = [job.name for job in pipelines.list_pipeline_jobs(request)]
    assert newest_first == names[::-1]
    found = [*pipelines.list_pipeline_jobs({**request, "order_by": "create_time"})]
    assert [job.name for job in found] == names
    assert not found[0].job_detail.task_details
    request["filter"] += f' AND pipeline_job_user_id="{names[1].rpartition("/")[2]}"'
    assert [job.name for job in pipelines.list_pipeline_jobs(request)] == [names[1]]
    with pytest.raises(exceptions.BadRequest, match="no field"):
        pipelines.list_pipeline_jobs({**request, "filter": "nothing=1"})
    for name in names:
        project.discard(name)
    assert not [*pipelines.list_pipeline_jobs(request)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('display_name="a b"', True),
        ('display_name:"a*"', True),
        ('display_name:"b*"', False),
        ('NOT display_name="a b"', False),
        ("labels.x=1 AND state=JOB_STATE_FAILED", True),
        ("labels.x:*", True),
        ("labels:y", False),
        ("labels.x=2 OR labels.x=1", True),
        ("labels.x=2 OR labels.x=1 AND labels.x=3", False),
        ('create_time>"2020-01-01T00:00:00Z"', True),
        ('end_time<"2020-01-01T00:00:00Z"', False),
    ],
)
def test_filters_are_those_of_aip_160(text: str, expected: bool) -> None:
    job = aiplatform_v1.CustomJob(
        display_name="a b",
        labels={"x": "1"},
        state=JobState.JOB_STATE_FAILED,
        create_time=datetime.now(timezone.utc),
    )
    message = aiplatform_v1.CustomJob.pb(job)
    assert matches(message, text, ("display_name", "state")) == expected


# ---- Custom jobs -----------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_custom_job_runs_its_container(project: Project, transport: str) -> None:
    env = [
        {"name": "FIRST", "value": "1"},
        {"name": "SECOND", "value": "$(FIRST) $(CLOUD_ML_JOB_ID) $(NOBODY) $$(FIRST)"},
    ]
    output = {"output_uri_prefix": f"gs://{project.bucket}/out"}
    code = "import os; print(os.environ['SECOND'], os.environ['AIP_MODEL_DIR'])"
    job = begin_job(project, custom_job(code, env=env, base_output_directory=output), transport)
    project.wait(lambda: job.ended is not None)
    expected = f"1 {job.id} $(NOBODY) $(FIRST) gs://{project.bucket}/out/model/\n"
    assert job.log.read_text() == expected
    shown = client(project, "jobs", transport).get_custom_job(name=job.name)
    assert shown.state == JobState.JOB_STATE_SUCCEEDED
    assert job.name == f"projects/{project.number}/locations/{project.region}/customJobs/{job.id}"
    assert json.loads(job.environment["CLUSTER_SPEC"])["task"]["type"] == "workerpool0"
    assert project.run_again(job, ["python", "-c", code]) == (0, expected)


def test_each_job_has_a_home_of_its_own(project: Project) -> None:
    code = "import pathlib; print(pathlib.Path.home())"
    homes = {run_job(project, custom_job(code)).log.read_text() for _ in range(2)}
    assert len(homes) == 2


def test_a_custom_job_fails_with_its_container(project: Project) -> None:
    job = run_job(project, custom_job(FAILS))
    assert job.state == JobState.JOB_STATE_FAILED
    assert job.error.code == 3
    assert "The replica workerpool0-0 exited with a non-zero status of 7." in job.error.message


def test_a_container_without_memory_left_is_killed(project: Project) -> None:
    job = begin_job(project, custom_job(WAITS))
    until_up(project, job)
    project.kill(job)
    project.wait(lambda: job.ended is not None)
    assert "ran out of memory and exited with a non-zero status of 137" in job.error.message


def test_a_job_survives_its_machine_twice(project: Project) -> None:
    job = begin_job(project, custom_job(WAITS))
    for attempt in (1, 2, 3):
        until_up(project, job, attempt)
        assert job.state == JobState.JOB_STATE_RUNNING
        project.crash_host(job)
    project.wait(lambda: job.ended is not None)
    assert job.error.message == "Internal error occurred for the current attempt"


def test_a_program_that_crashes_is_started_four_times(project: Project) -> None:
    code = "import ctypes; print('up', flush=True); ctypes.string_at(0)"
    job = run_job(project, custom_job(code))
    assert job.log.read_text().count("up") == 4
    assert "non-zero status of 139" in job.error.message


def test_a_job_without_retries_fails_with_its_machine(project: Project) -> None:
    job = begin_job(project, custom_job(WAITS, scheduling={"disable_retries": True}))
    until_up(project, job)
    project.crash_host(job)
    project.wait(lambda: job.ended is not None)
    assert (job.state, job.error.code) == (JobState.JOB_STATE_FAILED, 13)


def test_a_job_that_runs_for_too_long_is_cancelled(project: Project) -> None:
    project.stop_seconds = 0
    job = run_job(project, custom_job(WAITS, scheduling={"timeout": "0.2s"}))
    assert job.state == JobState.JOB_STATE_CANCELLED


def test_a_custom_job_is_cancelled_once(project: Project) -> None:
    jobs, project.stop_seconds = client(project, "jobs"), 10
    job = begin_job(project, custom_job(ENDS_IN_PEACE))
    until_up(project, job)
    jobs.cancel_custom_job(name=job.name)
    project.wait(lambda: job.ended is not None, 5)
    assert (job.state, job.error.code) == (JobState.JOB_STATE_CANCELLED, 1)
    with pytest.raises(exceptions.BadRequest, match="cannot be canceled"):
        jobs.cancel_custom_job(name=job.name)
    jobs.delete_custom_job(name=job.name)
    with pytest.raises(exceptions.NotFound):
        jobs.get_custom_job(name=job.name)


def pool_of(job: Object) -> Object:
    found: Object = job["job_spec"]["worker_pool_specs"][0]
    return found


def env_of(job: Object, name: str, value: str, times: int = 1) -> None:
    env = [{"name": f"{name}{n or ''}", "value": value} for n in range(times)]
    pool_of(job)["container_spec"]["env"] = env


BAD_CUSTOM_JOBS: dict[str, Callable[[Object], Any]] = {
    "worker_pool_specs must not be empty": lambda job: job["job_spec"].pop("worker_pool_specs"),
    "image_uri is required": lambda job: pool_of(job)["container_spec"].pop("image_uri"),
    "machine_type is required": lambda job: pool_of(job).pop("machine_spec"),
    "'z9-huge' is not supported": lambda job: pool_of(job).update(
        machine_spec={"machine_type": "z9-huge"}
    ),
    "must be set together": lambda job: pool_of(job)["machine_spec"].update(accelerator_count=1),
    "must have replica_count 1": lambda job: pool_of(job).update(replica_count=2),
    "is not a C identifier": lambda job: env_of(job, "A-B", "x"),
    "env[0].value; Message: Required": lambda job: env_of(job, "EMPTY", ""),
    "101 variables, 100 at most": lambda job: env_of(job, "V", "x", 101),
    "7 days": lambda job: job["job_spec"].update(scheduling={"timeout": "604801s"}),
    "only when strategy is FLEX": lambda job: job["job_spec"].update(
        scheduling={"max_wait_duration": "60s"}
    ),
    "cannot be set at the same time": lambda job: job["job_spec"].update(
        network="projects/1/global/networks/net", psc_interface_config={"network_attachment": "att"}
    ),
    "Invalid persistent_resource_id": lambda job: job["job_spec"].update(
        persistent_resource_id="Upper"
    ),
    "does not exist": lambda job: job["job_spec"].update(
        base_output_directory={"output_uri_prefix": "gs://none"}
    ),
}


@pytest.mark.parametrize("why", BAD_CUSTOM_JOBS)
def test_a_custom_job_that_is_not_valid_is_refused(project: Project, why: str) -> None:
    job = custom_job()
    BAD_CUSTOM_JOBS[why](job)
    with pytest.raises(exceptions.BadRequest) as caught:
        client(project, "jobs").create_custom_job(parent=place(project), custom_job=job)
    assert why in str(caught.value.message)


def test_what_is_held_stays_pending_until_it_is_discarded(project: Project) -> None:
    project.hold = True
    job = begin_job(project, custom_job())
    begun = begin(project, pipeline({"one": container()}))
    project.wait(lambda: bool(begun.tasks["one"].attempts))
    assert job.state == begun.tasks["one"].attempts[0].state == JobState.JOB_STATE_PENDING
    project.discard(job.name)
    project.discard(begun.name)
    assert job not in project.jobs
    assert begun.name not in project.pipeline_jobs


def launcher(payload: Object) -> Object:
    """Makes the container of a component that creates a custom job."""
    module = "google_cloud_pipeline_components.container.v1.custom_job.launcher"
    values = {
        "--type": "CustomJob",
        "--payload": json.dumps(payload),
        "--project": placeholder("pipeline_google_cloud_project_id"),
        "--location": placeholder("pipeline_google_cloud_location"),
        "--gcp_resources": placeholder("outputs.parameters['gcp_resources'].output_file"),
    }
    return {
        "image": "gcr.io/ml-pipeline/google-cloud-pipeline-components:2.22.0",
        "command": ["python3", "-u", "-m", module],
        "args": [part for pair in values.items() for part in pair],
    }


@pytest.mark.parametrize(("code", "state"), [("", "SUCCEEDED"), ("raise SystemExit(7)", "FAILED")])
def test_the_launcher_of_custom_jobs_ends_as_its_job_does(
    project: Project, code: str, state: str
) -> None:
    env = [{"name": "RUN", "value": placeholder("pipeline_job_name")}]
    payload = custom_job(f"import os; print(os.environ['RUN']); {code}", env=env)
    # What the component sends if it is not told otherwise: the launcher removes it.
    scheduling = {"max_wait_duration": "86400s"}
    payload["job_spec"] |= {"network": "", "scheduling": scheduling}
    done = run(project, pipeline({"one": launcher(payload)}), labels={"mine": "yes"})
    task = done.tasks["one"]
    (job,) = task.attempts
    assert task.state.name == state
    assert (job.kind, job.task_name) == ("custom", "one")
    assert job.log.read_text().strip() == done.id
    assert job.labels == {"mine": "yes", "vertex-ai-pipelines-run-billing-id": done.number}
    shown = client(project, "pipelines").get_pipeline_job(name=done.name)
    executor = shown.job_detail.task_details[1].executor_detail
    assert executor.custom_job_detail.job == job.name


# ---- Schedules -------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_schedule_makes_a_new_run_each_time(project: Project, transport: str) -> None:
    schedules, pipelines = client(project, "schedules", transport), client(project, "pipelines")
    made = schedules.create_schedule(parent=place(project), schedule=schedule(project))
    assert made.state == Schedule.State.ACTIVE
    names = [project.fire(made.name) for _ in range(2)]
    assert len(set(names)) == 2
    for name in names:
        project.wait(lambda name=name: project.pipeline_jobs[name].ended is not None)
        assert pipelines.get_pipeline_job(name=name).schedule_name == made.name
    request = {"parent": place(project), "filter": f"schedule_name={made.name}"}
    assert {job.name for job in pipelines.list_pipeline_jobs(request)} == {*names}
    assert schedules.get_schedule(name=made.name).started_run_count == 2
    schedules.pause_schedule(name=made.name)
    with pytest.raises(RuntimeError, match="PAUSED"):
        project.fire(made.name)
    with pytest.raises(exceptions.BadRequest, match="cannot be paused"):
        schedules.pause_schedule(name=made.name)
    schedules.resume_schedule(name=made.name, catch_up=True)
    shown = schedules.get_schedule(name=made.name)
    assert (shown.state, shown.catch_up) == (Schedule.State.ACTIVE, True)
    schedules.delete_schedule(name=made.name)
    with pytest.raises(exceptions.NotFound):
        schedules.get_schedule(name=made.name)


def test_a_schedule_is_completed_by_its_last_run(project: Project) -> None:
    schedules = client(project, "schedules")
    made = schedules.create_schedule(
        parent=place(project), schedule=schedule(project, max_run_count=1)
    )
    project.hold = True
    project.discard(project.fire(made.name))
    assert schedules.get_schedule(name=made.name).state == Schedule.State.COMPLETED
    with pytest.raises(exceptions.BadRequest, match="cannot be resumed"):
        schedules.resume_schedule(name=made.name)


def test_an_update_changes_what_its_mask_names(project: Project) -> None:
    schedules = client(project, "schedules")
    made = schedules.create_schedule(parent=place(project), schedule=schedule(project))
    change = Schedule(name=made.name, cron="0 1 * * *", display_name="other")
    changed = schedules.update_schedule(schedule=change, update_mask=FieldMask(paths=["cron"]))
    assert (changed.cron, changed.display_name) == ("0 1 * * *", "nightly")
    assert changed.create_pipeline_job_request == made.create_pipeline_job_request
    request = copy.deepcopy(made.create_pipeline_job_request)
    request.pipeline_job.display_name = "another run"
    schedules.update_schedule(
        schedule=Schedule(name=made.name, create_pipeline_job_request=request),
        update_mask=FieldMask(paths=["create_pipeline_job_request"]),
    )
    fired = project.pipeline_jobs[project.fire(made.name)]
    assert fired.request.display_name == "another run"
    project.wait(lambda: fired.ended is not None)
    for paths, why in ((["state"], "Invalid update_mask"), ([], "update_mask is required")):
        with pytest.raises(exceptions.BadRequest, match=why):
            schedules.update_schedule(schedule=change, update_mask=FieldMask(paths=paths))
    change.cron = ""
    with pytest.raises(exceptions.BadRequest, match="cannot be unset"):
        schedules.update_schedule(schedule=change, update_mask=FieldMask(paths=["cron"]))
    found = schedules.list_schedules({"parent": place(project), "filter": 'display_name="nightly"'})
    assert made.name in [each.name for each in found]


BAD_SCHEDULES: dict[str, Callable[[Object], Any]] = {
    "display_name; Message: Required": lambda made: made.pop("display_name"),
    "Invalid cron": lambda made: made.update(cron="* * *"),
    "max_concurrent_run_count must be": lambda made: made.pop("max_concurrent_run_count"),
    "end_time must be in the future": lambda made: made.update(
        end_time=datetime.now(timezone.utc) - timedelta(hours=1)
    ),
    "pipeline_job_id must be empty": lambda made: made["create_pipeline_job_request"].update(
        pipeline_job_id="mine"
    ),
    "create_pipeline_job_request is": lambda made: made.pop("create_pipeline_job_request"),
    "gcs_output_directory is required": lambda made: made["create_pipeline_job_request"][
        "pipeline_job"
    ].pop("runtime_config"),
}


@pytest.mark.parametrize("why", BAD_SCHEDULES)
def test_a_schedule_that_is_not_valid_is_refused(project: Project, why: str) -> None:
    made = schedule(project)
    BAD_SCHEDULES[why](made)
    with pytest.raises(exceptions.BadRequest, match=why):
        client(project, "schedules").create_schedule(parent=place(project), schedule=made)


def test_a_cron_has_five_fields_and_maybe_a_time_zone() -> None:
    for good in ("* * * * *", "TZ=UTC 0 0 1 JAN *", "*/5 0-6,22 * * MON-FRI", "0 0 * * 7"):
        check_cron(good)
    for bad in ("60 * * * *", "TZ=Nowhere 0 0 * * *", "* * * * * *", "*/0 * * * *", "5-1 * * * *"):
        with pytest.raises(Exception, match="Invalid"):
            check_cron(bad)


# ---- Secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_secret_has_versions(project: Project, transport: str) -> None:
    secrets = client(project, "secrets", transport)
    parent, secret_id = f"projects/{project.id}", new_id("secret")
    secret: Object = {"replication": AUTOMATIC, "ttl": "60s"}
    made = secrets.create_secret(parent=parent, secret_id=secret_id, secret=secret)
    assert made.name == f"projects/{project.number}/secrets/{secret_id}"
    assert made.expire_time.timestamp() > time.time()
    for data in (b"one", b"two"):
        secrets.add_secret_version(parent=made.name, payload={"data": data})
    latest = secrets.access_secret_version(name=f"{parent}/secrets/{secret_id}/versions/latest")
    assert (latest.name, latest.payload.data) == (f"{made.name}/versions/2", b"two")
    assert secrets.access_secret_version(name=f"{made.name}/versions/1").payload.data == b"one"
    with pytest.raises(exceptions.Conflict):
        secrets.create_secret(parent=parent, secret_id=secret_id, secret=secret)
    secrets.delete_secret(name=made.name)
    with pytest.raises(exceptions.NotFound):
        secrets.access_secret_version(name=f"{made.name}/versions/latest")
    with pytest.raises(exceptions.NotFound):
        secrets.get_secret(name=made.name)


def test_a_secret_is_gone_when_its_time_is_over(project: Project) -> None:
    secrets = client(project, "secrets")
    secret: Object = {"replication": AUTOMATIC, "ttl": "0.2s"}
    made = secrets.create_secret(
        parent=f"projects/{project.id}", secret_id=new_id("secret"), secret=secret
    )
    project.wait(lambda: time.time() >= made.expire_time.timestamp(), 3)
    with pytest.raises(exceptions.NotFound):
        secrets.get_secret(name=made.name)


# ---- Who calls, and what goes wrong ----------------------------------------------------------


def test_nobody_is_let_in_without_a_token(project: Project) -> None:
    url = f"{project.url}/v1/{place(project)}/customJobs"
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Bearer a.b.c"}):
        answer = requests.get(url, headers=headers, timeout=scaled(5))
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    jobs = client(project, "jobs", "grpc", credentials=Anonymous())
    with pytest.raises(exceptions.Unauthenticated):
        jobs.list_custom_jobs(parent=place(project))


def test_a_key_gets_a_token_for_what_it_has_signed(project: Project) -> None:
    key = Key.from_service_account_file(project.key_file)
    now, url = int(time.time()), f"{project.url}/token"

    def ask(**changes: Any) -> requests.Response:
        claims = {"iss": key.service_account_email, "aud": TOKEN, "scope": SCOPE}
        claims |= {"iat": now, "exp": now + 600, **changes}
        assertion = encode(key.signer, claims)
        form = {"grant_type": GRANT, "assertion": assertion}
        return requests.post(url, data=form, timeout=scaled(5))

    project.token_seconds = 100
    token = ask().json()
    assert 98 <= token["expires_in"] <= 100
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    jobs = f"{project.url}/v1/{place(project)}/customJobs"
    assert requests.get(jobs, headers=headers, timeout=scaled(5)).status_code == 200
    for wrong in ({"aud": "https://elsewhere"}, {"iss": "somebody@else"}, {"exp": now - 600}):
        assert ask(**wrong).json()["error"] == "invalid_grant"
    assert ask(scope="").json()["error"] == "invalid_scope"


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_a_token_that_has_expired_is_refused(project: Project, transport: str) -> None:
    jobs = client(project, "jobs", transport)
    jobs.list_custom_jobs(parent=place(project))
    project.expire()
    before = len(project.calls)
    if transport == "rest":  # This one asks for a new token, and tries again.
        jobs.list_custom_jobs(parent=place(project))
        assert [call.status for call in project.calls[before:]] == ["UNAUTHENTICATED", "OK"]
    else:
        with pytest.raises(exceptions.Unauthenticated):
            jobs.list_custom_jobs(parent=place(project))
    user.cache_clear()


def test_containers_get_their_identity_from_the_metadata_server(project: Project) -> None:
    place_of_all = place(project)
    code = f"""
import google.auth, google.auth.transport.requests
credentials, found = google.auth.default()
session = google.auth.transport.requests.AuthorizedSession(credentials)
print(session.get("{project.url}/v1/{place_of_all}/customJobs").status_code, found)
"""
    status, found = as_container(project, code).split()
    assert status == "200"
    # It is a project of Google's that they run in.
    assert found.endswith("-tp")
    assert project.calls[-1].caller == "container"
    assert requests.get(f"{project.url}/computeMetadata/v1/", timeout=scaled(5)).status_code == 403


def test_containers_may_be_denied_what_the_user_may_do(project: Project) -> None:
    project.denied.add("ListCustomJobs")
    url = f"{project.url}/v1/{place(project)}/customJobs"
    code = f"""
import google.auth, google.auth.transport.requests
session = google.auth.transport.requests.AuthorizedSession(google.auth.default()[0])
print(session.get("{url}").json()["error"]["status"])
"""
    assert as_container(project, code).strip() == "PERMISSION_DENIED"
    client(project, "jobs").list_custom_jobs(parent=place(project))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("UNAVAILABLE", exceptions.ServiceUnavailable),
        ("INTERNAL", exceptions.InternalServerError),
        ("RESOURCE_EXHAUSTED", exceptions.TooManyRequests),
        ("reset", requests.exceptions.ConnectionError),
    ],
)
def test_calls_fail_as_those_of_a_busy_service(
    project: Project, kind: str, error: type[Exception]
) -> None:
    project.faults.rate, project.faults.kinds = 1.0, (kind,)
    with pytest.raises(error):
        client(project, "jobs").list_custom_jobs(parent=place(project))
    assert project.calls[-1].status == kind.upper()
    reset = exceptions.ServiceUnavailable if kind == "reset" else error
    with pytest.raises(reset):
        client(project, "jobs", "grpc").list_custom_jobs(parent=place(project))


def test_half_of_the_connections_break_when_the_work_is_done(project: Project) -> None:
    project.hold = True
    project.faults.rate, project.faults.kinds = 1.0, ("reset",)
    jobs, before = client(project, "jobs"), len(project.jobs)
    for _ in range(10):
        with pytest.raises(requests.exceptions.ConnectionError):
            jobs.create_custom_job(parent=place(project), custom_job=custom_job())
    made = project.jobs[before:]
    assert 0 < len(made) < 10
    for job in made:
        project.discard(job.name)


def test_calls_are_noted(project: Project) -> None:
    client(project, "jobs").list_custom_jobs({"parent": place(project), "page_size": 1})
    call = project.calls[-1]
    assert (call.service, call.method, call.transport) == ("JobService", "ListCustomJobs", "rest")
    assert (call.status, call.caller) == ("OK", "user")
    assert call.request == {"parent": place(project), "page_size": 1}
    assert 0 < call.seconds < scaled(1)
