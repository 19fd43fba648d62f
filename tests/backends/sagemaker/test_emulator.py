"""The emulator for AWS does what the real service does, for clients and for containers."""

from __future__ import annotations

import functools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError, ConnectionClosedError
from kit.sagemaker_emulator import Account
from kit.sagemaker_emulator.front import KINDS
from kit.sagemaker_emulator.model import ApiError, check, service_model
from kit.sagemaker_emulator.schedules import is_valid
from kit.timeouts import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.sagemaker_emulator import Execution, Job

Object = dict[str, Any]

REQUEST = "a-token-that-has-32-characters-or-more"
FAILS = "raise SystemExit(3)"
WAITS = "import time; print('up', flush=True); time.sleep(60)"
# Whoever handles SIGTERM can end in peace.
ENDS_IN_PEACE = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    "print('up', flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("account")
    with Account(folder, image={"PATH": os.environ["PATH"]}) as account:
        yield account


@pytest.fixture(autouse=True)
def calm(account: Account) -> Iterator[None]:
    """Each test leaves the account as it found it, but for what is in it."""
    yield
    account.faults.rate, account.faults.kinds = 0.0, KINDS
    account.hold, account.stop_seconds = False, 120
    account.denied.clear()


@pytest.fixture(scope="module")
def sagemaker(account: Account) -> Any:
    return client(account, "sagemaker")


@pytest.fixture(scope="module")
def role(account: Account) -> str:
    return f"arn:aws:iam::{account.account_id}:role/execution"


def client(account: Account, service: str, **more: str) -> Any:
    """Makes a client that checks nothing itself, and does not try again."""
    environment = account.environment()
    keys = {
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }
    retries = {"total_max_attempts": 1}
    config = ClientConfig(parameter_validation=False, retries=retries)
    return one_session().client(
        service, account.region, endpoint_url=account.url, config=config, **(more or keys)
    )


@functools.cache
def one_session() -> Any:
    """Makes a session. It reads a service's model once, which is most of a client's work."""
    return boto3.Session()


def training(role: str, code: str = "", **more: Any) -> Object:
    """Makes the arguments of a training step."""
    algorithm = {
        "TrainingImage": "registry.invalid/image",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python", "-c", code or "pass"],
    }
    return {
        "RoleArn": role,
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": {"S3OutputPath": "s3://outputs/of"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **more,
    }


def processing(role: str, code: str = "", **more: Any) -> Object:
    """Makes the arguments of a processing step."""
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}
    image = {
        "ImageUri": "registry.invalid/image",
        "ContainerEntrypoint": ["python", "-c", code or "pass"],
    }
    resources = {"ClusterConfig": cluster}
    return {"RoleArn": role, "AppSpecification": image, "ProcessingResources": resources, **more}


def stored(folder: Path, code: str) -> str:
    """Returns a short program for a long one: an argument has 256 characters at most."""
    path = folder / "program.py"
    path.write_text(code)
    return f"exec(open({str(path)!r}).read())"


def step(name: str, arguments: Object, *after: str, **more: Any) -> Object:
    """Makes a step, of the kind of its arguments."""
    kind = "Training" if "AlgorithmSpecification" in arguments else "Processing"
    names = {"Name": name, "Type": kind, "DependsOn": [*after]}
    return {**names, "Arguments": arguments, **more}


def get(variable: str) -> Object:
    """Makes what stands for a variable."""
    return {"Get": variable}


def join(separator: str, *parts: Any) -> Object:
    """Makes what stands for several values with something between them."""
    content = {"On": separator, "Values": [*parts]}
    return {"Std:Join": content}


def channel(uri: str) -> Object:
    """Makes a channel `train`."""
    place = {"S3DataType": "S3Prefix", "S3Uri": uri}
    source = {"S3DataSource": place}
    return {"ChannelName": "train", "DataSource": source}


def definition(*steps: Object, **more: Any) -> str:
    """Makes a definition."""
    return json.dumps({"Version": "2020-12-01", "Steps": steps, **more})


def new_name() -> str:
    """Makes a name that was not there before."""
    return f"name-{time.time_ns()}"


def create(sagemaker: Any, role: str, text: str, **more: Any) -> str:
    """Creates a pipeline, and returns its name."""
    name = new_name()
    token = {"ClientRequestToken": new_name().ljust(32, "-")}
    sagemaker.create_pipeline(
        **{"PipelineName": name, "RoleArn": role, "PipelineDefinition": text, **token, **more}
    )
    return name


def start(sagemaker: Any, pipeline: str, **more: Any) -> str:
    """Starts an execution, and returns its ARN."""
    token = {"ClientRequestToken": new_name().ljust(32, "-")}
    answer = sagemaker.start_pipeline_execution(**{"PipelineName": pipeline, **token, **more})
    return str(answer["PipelineExecutionArn"])


def run(account: Account, role: str, *steps: Object, **more: Any) -> Execution:
    """Runs a pipeline to its end."""
    sagemaker = client(account, "sagemaker")
    arn = start(sagemaker, create(sagemaker, role, definition(*steps)), **more)
    execution = account.executions[arn]
    account.wait(lambda: execution.status in ("Failed", "Stopped", "Succeeded"))
    return execution


def run_job(account: Account, kind: str, request: Object) -> Job:
    """Runs a job to its end."""
    job = begin_job(account, kind, request)
    account.wait(lambda: job.ended is not None)
    return job


def begin_job(account: Account, kind: str, request: Object) -> Job:
    """Creates a job."""
    sagemaker, name = client(account, "sagemaker"), new_name()
    getattr(sagemaker, f"create_{kind}_job")(**request, **{f"{kind.title()}JobName": name})
    return next(job for job in account.jobs if job.name == name)


def until_up(account: Account, job: Job) -> None:
    """Waits until a container has printed something, and the account knows that it runs."""
    account.wait(lambda: bool(job.log.read_text()))
    account.wait(lambda: job.container is not None)


def statuses(execution: Execution) -> dict[str, str]:
    """Returns the status of each step that was started."""
    return {step.name: step.status for step in execution.steps}


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    """Returns the code and the message of the error that a request is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# ---- Requests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("TrainingJobName", "no spaces", "regular expression pattern"),
        ("TrainingJobName", "a" * 64, "length less than or equal to 63"),
        ("RoleArn", None, "must not be null"),
        ("Environment", {"A": "x" * 513}, "length less than or equal to 512"),
        ("Environment", {f"V{number}": "" for number in range(101)}, "less than or equal to 100"),
        ("StoppingCondition", {"MaxRuntimeInSeconds": 0}, "greater than or equal to 1"),
        ("ResourceConfig", {"InstanceType": "ml.none"}, "enum value set"),
        ("Tags", [{"Key": "bad$key", "Value": ""}], "regular expression pattern"),
    ],
)
def test_a_request_must_fit_the_model(
    sagemaker: Any, role: str, member: str, value: Any, why: str
) -> None:
    request = {"TrainingJobName": new_name(), **training(role), member: value}
    code, message = refusal(sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert " validation error" in message
    assert f"at '{member[0].lower()}{member[1:]}" in message
    assert why in message


def test_a_tag_may_have_letters_of_any_script(account: Account, role: str) -> None:
    tags = [{"Key": "größe", "Value": "大きい 1"}]
    job = run_job(account, "training", training(role, Tags=tags))
    found = client(account, "sagemaker").list_tags(ResourceArn=job.arn)
    assert found["Tags"] == tags


@pytest.mark.parametrize("wrong", [{"RoleArn": 5}, {"Unknown": "x"}, {"Tags": "x"}])
def test_a_request_of_the_wrong_form_is_not_read(sagemaker: Any, role: str, wrong: Object) -> None:
    request = {"PipelineName": new_name(), "RoleArn": role, "ClientRequestToken": REQUEST}
    request |= {"PipelineDefinition": definition(step("a", training(role)))}

    def replace(params: Object, **_: Any) -> None:
        params["body"] = json.dumps({**request, **wrong}).encode()

    sagemaker.meta.events.register("before-call.sagemaker.CreatePipeline", replace)
    code, _ = refusal(sagemaker.create_pipeline, PipelineName="any")
    sagemaker.meta.events.unregister("before-call.sagemaker.CreatePipeline", replace)
    assert code == "SerializationException"


@pytest.mark.parametrize("service", ["scheduler", "secretsmanager", "sts"])
def test_other_services_check_their_requests_too(account: Account, service: str) -> None:
    calls = {
        "scheduler": lambda it: refusal(it.get_schedule, Name="not allowed"),
        "secretsmanager": lambda it: refusal(it.create_secret, Name="x" * 513),
        "sts": lambda it: refusal(it.assume_role, RoleArn="x", RoleSessionName="session"),
    }
    code, message = calls[service](client(account, service))
    assert code == "ValidationException"
    assert "failed to satisfy constraint" in message


def test_a_role_must_be_of_the_account(sagemaker: Any) -> None:
    foreign = training("arn:aws:iam::999999999999:role/theirs")
    code, message = refusal(sagemaker.create_training_job, TrainingJobName="a", **foreign)
    assert (code, message) == (
        "ValidationException",
        "RoleArn: Cross-account pass role is not allowed.",
    )


# ---- Pipelines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda it: it.update(Version="1"), "version"),
        (lambda it: it.update(Other=1), "unknown fields"),
        (lambda it: it.update(Steps=[]), "at least one step"),
        (lambda it: it["Steps"].append(it["Steps"][0]), "unique"),
        (lambda it: it["Steps"][0].update(Name="not valid"), "Step name"),
        (lambda it: it["Steps"][0].update(Name="a" * 65), "Step name"),
        (lambda it: it["Steps"][0].update(Type="Lambda"), "type"),
        (lambda it: it["Steps"][0].update(DependsOn=["none"]), "unknown steps"),
        (lambda it: it["Steps"][0].update(DependsOn=["two"]), "Cycle"),
        (lambda it: it["Steps"][0].update(Surprise=1), "unknown fields"),
        (lambda it: it["Steps"][0].update(RetryPolicies=[{"ExceptionType": ["X"]}]), "Exception"),
        (lambda it: it["Steps"][0]["Arguments"].pop("RoleArn"), "must not be null"),
        (lambda it: it["Steps"][0]["Arguments"].update(Extra=1), "Unknown members"),
        (lambda it: it["Steps"][0]["Arguments"].update(TrainingJobName="n"), "by the service"),
        (lambda it: environment(it, {"A": "x" * 513}), "less than or equal to 512"),
        (lambda it: environment(it, {"A": get("Parameters.None")}), "unknown"),
        (lambda it: environment(it, {"A": get("Execution.None")}), "unknown"),
        (lambda it: environment(it, {"A": [1]}), "can not be converted"),
    ],
)
def test_a_definition_is_checked_when_it_comes(
    sagemaker: Any, role: str, break_it: Any, why: str
) -> None:
    document = json.loads(
        definition(step("one", training(role)), step("two", training(role), "one"))
    )
    break_it(document)
    token = {"ClientRequestToken": REQUEST}
    request = {"PipelineName": "a", "PipelineDefinition": json.dumps(document), "RoleArn": role}
    code, message = refusal(sagemaker.create_pipeline, **request, **token)
    assert code == "ValidationException"
    assert why in message


def environment(document: Object, variables: Object) -> None:
    """Sets the environment variables of the first step."""
    document["Steps"][0]["Arguments"]["Environment"] = variables


def test_a_definition_that_is_long_comes_from_a_bucket(
    account: Account, sagemaker: Any, role: str
) -> None:
    text = definition(step("a", training(role)), Metadata={"long": "x" * 2**20})
    code, message = refusal(
        sagemaker.create_pipeline, PipelineName="a", PipelineDefinition=text, RoleArn=role
    )
    assert (code, "less than or equal to 1048576" in message) == ("ValidationException", True)
    s3 = client(account, "s3")
    place = {"Bucket": new_name(), "ObjectKey": "definition.json"}
    where = {"LocationConstraint": account.region}
    s3.create_bucket(Bucket=place["Bucket"], CreateBucketConfiguration=where)
    request: Object = {"PipelineName": new_name(), "RoleArn": role}
    request["ClientRequestToken"] = REQUEST * 2
    request |= {"PipelineDefinitionS3Location": place}
    assert refusal(sagemaker.create_pipeline, **request)[0] == "ValidationException"
    s3.put_object(Bucket=place["Bucket"], Key=place["ObjectKey"], Body=text.encode())
    sagemaker.create_pipeline(**request)
    described = sagemaker.describe_pipeline(PipelineName=request["PipelineName"])
    assert described["PipelineDefinition"] == text


def test_names_of_pipelines_are_unique(sagemaker: Any, role: str) -> None:
    text = definition(step("a", training(role)))
    name = create(sagemaker, role, text)
    request = {"PipelineDefinition": text, "RoleArn": role, "ClientRequestToken": "x" * 32}
    code, message = refusal(sagemaker.create_pipeline, PipelineName=name.upper(), **request)
    assert code == "ValidationException"
    assert "already exists" in message


def test_a_token_makes_the_same_request_do_nothing_twice(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.hold = True
    request = {"RoleArn": role, "PipelineDefinition": definition(step("a", training(role)))}
    request |= {"PipelineName": new_name(), "ClientRequestToken": "y" * 32}
    arns = {sagemaker.create_pipeline(**request)["PipelineArn"] for _ in range(2)}
    assert len(arns) == 1
    token = {"ClientRequestToken": "z" * 32}
    first, again = (start(sagemaker, request["PipelineName"], **token) for _ in range(2))
    assert first == again != start(sagemaker, request["PipelineName"])


def test_an_update_makes_a_version_and_executions_use_the_latest(
    account: Account, sagemaker: Any, role: str
) -> None:
    name = create(sagemaker, role, definition(step("old", training(role))))
    text = definition(step("new", training(role)))
    updated = sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=text)
    assert updated["PipelineVersionId"] == 2
    account.hold = True
    latest, first = start(sagemaker, name), start(sagemaker, name, PipelineVersionId=1)
    assert [*statuses(account.executions[latest])] == ["new"]
    assert [*statuses(account.executions[first])] == ["old"]
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=first)
    assert described["PipelineVersionId"] == 1
    request = {"PipelineName": name, "ClientRequestToken": REQUEST, "PipelineVersionId": 3}
    assert refusal(sagemaker.start_pipeline_execution, **request)[0] == "ResourceNotFound"


def test_a_pipeline_takes_its_executions_with_it_but_not_those_that_run(
    account: Account, sagemaker: Any, role: str
) -> None:
    name = create(sagemaker, role, definition(step("a", training(role))))
    account.hold = True
    arn = start(sagemaker, name)
    request = {"PipelineName": name, "ClientRequestToken": REQUEST}
    assert refusal(sagemaker.delete_pipeline, **request)[0] == "ConflictException"
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=REQUEST)
    sagemaker.delete_pipeline(**request)
    find = sagemaker.describe_pipeline_execution
    assert refusal(find, PipelineExecutionArn=arn)[0] == "ResourceNotFound"
    code, message = refusal(sagemaker.describe_pipeline, PipelineName=name)
    assert (code, "does not exist" in message) == ("ResourceNotFound", True)


# ---- Executions ------------------------------------------------------------------------------


def test_variables_have_their_values_in_the_containers(
    account: Account, sagemaker: Any, role: str
) -> None:
    wanted = {
        "ARN": get("Execution.PipelineExecutionArn"),
        "NAME": get("Execution.PipelineName"),
        "OWN": get("Execution.TrainingJobName"),
        "COLOR": get("Parameters.Color"),
        "ALL": join("/", "n", get("Parameters.Number")),
        "ID": get("Execution.PipelineExecutionId"),
    }
    code = f"import os; print([os.environ[name] for name in {[*wanted]}])"
    parameters = [
        {"Name": "Color", "Type": "String", "DefaultValue": "red"},
        {"Name": "Number", "Type": "Integer", "DefaultValue": 1},
    ]
    text = definition(step("a", training(role, code, Environment=wanted)), Parameters=parameters)
    name = f"Named-{new_name()}"
    create(sagemaker, role, text, PipelineName=name)
    arn = start(sagemaker, name, PipelineParameters=[{"Name": "Number", "Value": "7"}])
    execution = account.executions[arn]
    account.wait(lambda: execution.status == "Succeeded")
    (job,) = (found.job for found in execution.steps)
    assert job is not None
    own_id = arn.rpartition("/")[2]
    expected = [arn.lower(), name.lower(), job.name, "red", "n/7", own_id]
    assert job.log.read_text().strip() == str(expected)
    assert (job.step_name, job.execution_arn) == ("a", arn)
    prefix = f"arn:aws:sagemaker:{account.region}:{account.account_id}"
    assert arn == f"{prefix}:pipeline/{name}/execution/{own_id}"
    assert job.name.startswith(f"pipelines-{own_id}-a-")
    tags = sagemaker.list_tags(ResourceArn=job.arn)["Tags"]
    assert {"Key": "sagemaker:pipeline-execution-arn", "Value": arn} in tags


def test_a_resolved_value_can_be_too_long(account: Account, role: str) -> None:
    long = join("x" * 200, "", "", "")
    execution = run(account, role, step("a", processing(role, Environment={"A": long})))
    assert execution.status == "Failed"
    (failed,) = execution.steps
    start = "ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: "
    assert failed.failure_reason.startswith(start)
    assert (failed.job, failed.attempts) == (None, 1)


def test_steps_wait_for_those_they_depend_on_only(
    account: Account, role: str, tmp_path: Path
) -> None:
    # Each of the two in the middle ends only once the other has begun.
    begun = tmp_path / "begun"
    begun.mkdir()
    meet = (
        "import os, tempfile, time\n"
        f"tempfile.mkstemp(dir={str(begun)!r})\n"
        f"while len(os.listdir({str(begun)!r})) < 2: time.sleep(0.01)"
    )
    diamond = [
        step("top", processing(role, "pass")),
        step("left", training(role, stored(tmp_path, meet)), "top"),
        step("right", processing(role, stored(tmp_path, meet)), "top"),
        step("bottom", training(role, "pass"), "left", "right"),
    ]
    execution = run(account, role, *diamond)
    assert execution.status == "Succeeded"
    ended = {step.name: step.ended or 0.0 for step in execution.steps}
    started = {step.name: step.started for step in execution.steps}
    assert min(started["left"], started["right"]) >= ended["top"]
    assert started["right"] < ended["left"]
    assert started["bottom"] >= max(ended["left"], ended["right"])
    # Nobody polls.
    assert started["left"] - ended["top"] < scaled(0.05)


def test_no_more_steps_run_at_a_time_than_are_allowed(account: Account, role: str) -> None:
    steps = [step(f"s{number}", training(role, "pass")) for number in range(5)]
    limit = {"MaxParallelExecutionSteps": 2}
    execution = run(account, role, *steps, ParallelismConfiguration=limit)
    assert len(execution.steps) == 5
    for each in execution.steps:
        at_once = [
            other
            for other in execution.steps
            if other.started <= each.started < (other.ended or 0.0)
        ]
        assert len(at_once) <= 2


def test_a_failed_step_ends_its_branch_and_the_execution_fails_at_the_end(
    account: Account, sagemaker: Any, role: str
) -> None:
    execution = run(
        account,
        role,
        step("bad", training(role, FAILS)),
        step("below", training(role), "bad"),
        step("other", training(role, "import time; time.sleep(0.2)")),
        step("after-other", training(role), "other"),
    )
    succeeded = {"other": "Succeeded", "after-other": "Succeeded"}
    assert statuses(execution) == {"bad": "Failed", **succeeded}
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution.arn)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert described["FailureReason"] == "Step failure: One or multiple steps failed."
    assert execution.steps[0].failure_reason == "ClientError: AlgorithmError: , exit code: 3"


def test_steps_are_listed_in_pages_with_their_jobs(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.hold = True
    steps = [step(f"s{number}", training(role), DisplayName="shown") for number in range(5)]
    arn = start(sagemaker, create(sagemaker, role, definition(*steps)))
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["PipelineExecutionSteps"]))
        found += page["PipelineExecutionSteps"]
    assert sizes == [2, 2, 1]
    assert [each["StepName"] for each in found] == ["s0", "s1", "s2", "s3", "s4"]
    assert [each["Metadata"]["TrainingJob"]["Arn"] for each in found] == [
        job.arn for job in account.jobs if job.execution_arn == arn
    ]
    assert {each["StepStatus"] for each in found} == {"Executing"}
    assert {each["StepDisplayName"] for each in found} == {"shown"}
    first = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    assert first["PipelineExecutionSteps"][0]["StepName"] == "s4"


def test_a_stopped_execution_stops_its_jobs_and_starts_no_more(
    account: Account, sagemaker: Any, role: str
) -> None:
    steps = [step("a", training(role, ENDS_IN_PEACE)), step("b", training(role), "a")]
    arn = start(sagemaker, create(sagemaker, role, definition(*steps)))
    execution = account.executions[arn]
    (job,) = (each.job for each in execution.steps)
    assert job is not None
    until_up(account, job)
    stop = {"PipelineExecutionArn": arn, "ClientRequestToken": REQUEST}
    sagemaker.stop_pipeline_execution(**stop)
    account.wait(lambda: execution.status == "Stopped")
    assert statuses(execution) == {"a": "Stopped"}
    assert job.status == "Stopped"
    sagemaker.stop_pipeline_execution(**stop)  # Again does not matter.


def test_an_execution_that_failed_can_be_retried(
    account: Account, sagemaker: Any, role: str, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    code = f"import sys, pathlib; sys.exit(not pathlib.Path({str(flag)!r}).exists())"
    good, bad = step("good", training(role)), step("bad", training(role, code), "good")
    execution = run(account, role, good, bad)
    assert execution.status == "Failed"
    kept = execution.steps[0].job
    flag.touch()
    request = {"PipelineExecutionArn": execution.arn, "ClientRequestToken": REQUEST}
    sagemaker.retry_pipeline_execution(**request)
    account.wait(lambda: execution.status == "Succeeded")
    assert execution.steps[0].job is kept
    assert refusal(sagemaker.retry_pipeline_execution, **request)[0] == "ConflictException"


def test_a_step_with_a_policy_gets_another_job_after_an_internal_error(
    account: Account, sagemaker: Any, role: str, tmp_path: Path
) -> None:
    policy = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "MaxAttempts": 1}
    # A first attempt waits to be lost.
    code = (
        f"import pathlib, time; flag = pathlib.Path({str(tmp_path / 'flag')!r});"
        "again = flag.exists(); flag.touch(); print('up', flush=True); again or time.sleep(60)"
    )
    retried = step("a", processing(role, code), RetryPolicies=[policy])
    arn = start(sagemaker, create(sagemaker, role, definition(retried)))
    execution = account.executions[arn]
    (first,) = (each.job for each in execution.steps)
    assert first is not None
    until_up(account, first)
    account.crash_host(first)
    account.wait(lambda: execution.status == "Succeeded")
    (only,) = execution.steps
    assert only.attempts == 2
    assert first.status == "Failed"
    assert first.failure_reason.startswith("InternalServerError")
    assert only.job is not first


# ---- Jobs ------------------------------------------------------------------------------------


def test_a_training_container_finds_what_it_is_promised(
    account: Account, role: str, tmp_path: Path
) -> None:
    bucket = new_name()
    s3 = client(account, "s3")
    where = {"LocationConstraint": account.region}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_object(Bucket=bucket, Key="data/part/one.txt", Body=b"input")
    code = (
        "import json, os, pathlib; ml = pathlib.Path('/opt/ml');"
        "config = ml / 'input' / 'config';"
        "seen = [json.loads((config / (name + '.json')).read_text())"
        " for name in ('hyperparameters', 'resourceconfig', 'inputdataconfig')];"
        "seen.append((ml / 'input/data/train/part/one.txt').read_text());"
        "seen += [os.environ['TRAINING_JOB_NAME'], os.environ['TRAINING_JOB_ARN']];"
        "(ml / 'model' / 'weights').write_text('model');"
        "print(json.dumps(seen))"
    )
    job = run_job(
        account,
        "training",
        training(
            role,
            stored(tmp_path, code),
            HyperParameters={"rate": "0.1"},
            InputDataConfig=[channel(f"s3://{bucket}/data/")],
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
        ),
    )
    assert job.status == "Completed", job.log.read_text()
    parameters, resources, channels, data, name, arn = json.loads(job.log.read_text())
    assert parameters == {"rate": "0.1"}
    assert resources["hosts"] == [resources["current_host"]] == ["algo-1"]
    assert channels["train"]["TrainingInputMode"] == "File"
    assert (data, name, arn) == ("input", job.name, job.arn)
    described = client(account, "sagemaker").describe_training_job(TrainingJobName=job.name)
    uri = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{bucket}/out/{job.name}/output/model.tar.gz"
    s3.head_object(Bucket=bucket, Key=uri.removeprefix(f"s3://{bucket}/"))
    seen = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert seen == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_a_processing_container_finds_its_own_arn_in_a_file(
    account: Account, role: str, tmp_path: Path
) -> None:
    bucket = new_name()
    s3 = client(account, "s3")
    where = {"LocationConstraint": account.region}
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_object(Bucket=bucket, Key="in/a.txt", Body=b"input")
    source = {"S3Uri": f"s3://{bucket}/in", "LocalPath": "/opt/ml/processing/in"}
    source["S3DataType"] = "S3Prefix"
    target = {"S3Uri": f"s3://{bucket}/out", "LocalPath": "/opt/ml/processing/out"}
    target["S3UploadMode"] = "EndOfJob"
    outputs = [{"OutputName": "out", "S3Output": target}]
    code = (
        "import pathlib; ml = pathlib.Path('/opt/ml');"
        "text = (ml / 'processing/in/a.txt').read_text();"
        "(ml / 'processing/out/b.txt').write_text(text);"
        "(ml / 'output/message').write_text('all is well');"
        "print((ml / 'config/processingjobconfig.json').read_text())"
    )
    request = processing(
        role,
        stored(tmp_path, code),
        Environment={"A": "1"},
        ProcessingInputs=[{"InputName": "in", "S3Input": source}],
        ProcessingOutputConfig={"Outputs": outputs},
    )
    job = run_job(account, "processing", request)
    assert job.status == "Completed", job.log.read_text()
    config = json.loads(job.log.read_text())
    assert (config["ProcessingJobArn"], config["ProcessingJobName"]) == (job.arn, job.name)
    assert config["Environment"] == {"A": "1"}
    assert s3.get_object(Bucket=bucket, Key="out/b.txt")["Body"].read() == b"input"
    described = client(account, "sagemaker").describe_processing_job(ProcessingJobName=job.name)
    assert described["ExitMessage"] == "all is well"
    assert described["ProcessingJobStatus"] == "Completed"


def test_what_a_container_says_of_its_failure_is_the_reason(account: Account, role: str) -> None:
    code = "open('/opt/ml/output/failure', 'w').write('x' * 2000); raise SystemExit(2)"
    job = run_job(account, "training", training(role, code))
    assert job.failure_reason == f"AlgorithmError: {'x' * 1024}, exit code: 2"[:1024]
    assert job.status == job.secondary_status == "Failed"


def test_a_missing_input_fails_the_job_before_it_runs(account: Account, role: str) -> None:
    channels = [channel("s3://no-such-bucket-here/data/")]
    job = run_job(account, "training", training(role, InputDataConfig=channels))
    assert job.failure_reason.startswith("ClientError: ")
    assert job.pid is None


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_a_container_that_is_killed_has_failed(account: Account, role: str, kind: str) -> None:
    arguments = {"training": training, "processing": processing}[kind](role, WAITS)
    job = begin_job(account, kind, arguments)
    until_up(account, job)
    account.kill(job)
    account.wait(lambda: job.ended is not None)
    assert job.status == "Failed"
    assert ("exit code: 137" in job.failure_reason) == (kind == "training")


def test_a_container_that_does_not_heed_sigterm_is_killed_later(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.stop_seconds = 0.3
    job = begin_job(account, "training", training(role, WAITS))
    until_up(account, job)
    begun = time.monotonic()
    sagemaker.stop_training_job(TrainingJobName=job.name)
    assert job.status == job.secondary_status == "Stopping"
    account.wait(lambda: job.ended is not None)
    assert time.monotonic() - begun > 0.25
    assert job.status == job.secondary_status == "Stopped"
    code, message = refusal(sagemaker.stop_training_job, TrainingJobName=job.name)
    assert code == "ValidationException"
    assert "is in status Stopped" in message


def test_a_job_that_takes_too_long_is_stopped(account: Account, role: str) -> None:
    limit = {"MaxRuntimeInSeconds": 1}
    execution = run(
        account, role, step("a", training(role, ENDS_IN_PEACE, StoppingCondition=limit))
    )
    (job,) = (each.job for each in execution.steps)
    assert job is not None
    assert (job.status, job.secondary_status) == ("Stopped", "MaxRuntimeExceeded")
    assert execution.status == "Failed"


def test_a_training_job_starts_again_on_another_host_under_its_name(
    account: Account, role: str
) -> None:
    request = training(role, WAITS, RetryStrategy={"MaximumRetryAttempts": 1})
    job = begin_job(account, "training", request)
    until_up(account, job)
    first = job.pid
    account.crash_host(job)
    account.wait(lambda: job.pid != first)
    account.wait(lambda: job.log.read_text().count("up") == 2)
    assert job.status == "InProgress"
    account.crash_host(job)
    account.wait(lambda: job.ended is not None)
    assert job.failure_reason.startswith("InternalServerError: ")
    # The end of a program is not an internal error.
    request = training(role, FAILS, RetryStrategy={"MaximumRetryAttempts": 1})
    assert run_job(account, "training", request).transitions[-1]["Status"] == "Failed"


def test_names_of_jobs_are_unique_and_unknown_ones_not_found(
    account: Account, sagemaker: Any, role: str
) -> None:
    job = run_job(account, "training", training(role))
    request = {"TrainingJobName": job.name, **training(role)}
    assert refusal(sagemaker.create_training_job, **request)[0] == "ResourceInUse"
    code, message = refusal(sagemaker.describe_training_job, TrainingJobName="none")
    assert (code, message) == ("ValidationException", "Requested resource not found.")
    listed = sagemaker.list_training_jobs(NameContains=job.name)["TrainingJobSummaries"]
    assert [each["TrainingJobStatus"] for each in listed] == ["Completed"]


def test_a_container_uses_the_account_as_its_role_may(
    account: Account, role: str, tmp_path: Path
) -> None:
    account.denied.add("sagemaker:StopTrainingJob")
    code = (
        "import boto3, os, botocore.exceptions as e\n"
        # SageMaker says the region in a variable that boto3 does not read.
        "c = boto3.client('sagemaker', region_name=os.environ['AWS_REGION'])\n"
        "print(len(c.list_training_jobs()['TrainingJobSummaries']) > 0)\n"
        "try: c.stop_training_job(TrainingJobName='x')\n"
        "except e.ClientError as error: print(error.response['Error']['Code'])"
    )
    job = run_job(account, "training", training(role, stored(tmp_path, code)))
    assert job.log.read_text().split() == ["True", "AccessDeniedException"]
    assert {call.caller for call in account.calls} >= {"user", "container"}
    # The user is not meant.
    user = client(account, "sagemaker")
    assert refusal(user.stop_training_job, TrainingJobName="x")[0] == "ValidationException"


def test_each_job_has_a_home_of_its_own(account: Account, role: str) -> None:
    code = "import pathlib; print(pathlib.Path.home())"
    requests = {"training": training(role, code), "processing": processing(role, code)}
    jobs = [run_job(account, kind, request) for kind, request in [*requests.items()] * 2]
    assert len({job.log.read_text() for job in jobs}) == 4


def test_another_container_of_a_job_sees_what_the_first_did(account: Account, role: str) -> None:
    job = run_job(account, "training", training(role, Environment={"A": "1"}))
    code = "import os; print(os.environ['A'], os.path.isdir('/opt/ml/model')); raise SystemExit(4)"
    assert account.run_again(job, ["python", "-c", code]) == (4, "1 True\n")


def test_a_dry_run_leaves_nothing(account: Account, sagemaker: Any, role: str) -> None:
    account.hold = True
    before = len(account.jobs)
    arn = start(sagemaker, create(sagemaker, role, definition(step("a", training(role)))))
    job = account.jobs[-1]
    assert (job.status, job.secondary_status, job.pid) == ("InProgress", "Starting", None)
    account.discard(arn)
    lone = begin_job(account, "processing", processing(role))
    account.discard(lone.arn)
    assert len(account.jobs) == before
    assert arn not in account.executions


# ---- Schedules -------------------------------------------------------------------------------


def schedule(account: Account, role: str, pipeline: str, **more: Any) -> str:
    """Schedules a pipeline, and returns the schedule's name."""
    arn = f"arn:aws:sagemaker:{account.region}:{account.account_id}:pipeline/{pipeline}"
    name = new_name()
    client(account, "scheduler").create_schedule(
        **{
            "Name": name,
            "ScheduleExpression": "rate(5 minutes)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": arn, "RoleArn": role},
            **more,
        }
    )
    return name


def test_a_schedule_starts_the_latest_version_each_time(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.hold = True
    pipeline = create(sagemaker, role, definition(step("a", training(role))))
    name = schedule(account, role, pipeline)
    text = definition(step("b", training(role)))
    sagemaker.update_pipeline(PipelineName=pipeline, PipelineDefinition=text)
    first, second = account.fire(name), account.fire(name)
    assert first != second
    assert {account.executions[arn].version for arn in (first, second)} == {2}


def test_a_schedule_that_is_disabled_starts_nothing(
    account: Account, sagemaker: Any, role: str
) -> None:
    pipeline = create(sagemaker, role, definition(step("a", training(role))))
    name = schedule(account, role, pipeline, State="DISABLED")
    with pytest.raises(RuntimeError, match="DISABLED"):
        account.fire(name)


def test_a_schedule_for_once_can_delete_itself(account: Account, sagemaker: Any, role: str) -> None:
    account.hold = True
    pipeline = create(sagemaker, role, definition(step("a", training(role))))
    once = {"ScheduleExpression": "at(2099-01-01T00:00:00)", "ActionAfterCompletion": "DELETE"}
    name = schedule(account, role, pipeline, **once)
    account.fire(name)
    code, _ = refusal(client(account, "scheduler").get_schedule, Name=name)
    assert code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("expression", "valid"),
    [
        ("rate(1 minute)", True),
        ("rate(0 minutes)", False),
        ("rate(30 seconds)", False),
        ("at(2030-01-31T10:00:00)", True),
        ("at(2030-02-31T10:00:00)", False),
        ("at(2030-01-31T10:00:00Z)", False),
        ("cron(0 3 * * ? *)", True),
        ("cron(0/15 9-17 ? JAN,MAR MON-FRI 2026)", True),
        ("cron(0 3 L * ? *)", True),
        ("cron(0 3 ? * FRI#2 *)", True),
        ("cron(0 3 * * * *)", False),
        ("cron(0 3 * * *)", False),
        ("cron(60 3 * * ? *)", False),
        ("cron(0 3 ? * 0 *)", False),
        ("cron(0 3 ? * MON-FRI/2 *)", False),
        ("0 3 * * ?", False),
    ],
)
def test_schedule_expressions_have_forms_of_their_own(expression: str, valid: bool) -> None:
    assert is_valid(expression) is valid


def test_a_schedule_with_a_bad_expression_is_refused(account: Account, role: str) -> None:
    with pytest.raises(ClientError, match="Invalid Schedule Expression"):
        schedule(account, role, "any", ScheduleExpression="cron(0 3 * * *)")


# ---- Faults and credentials ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("throttling", 400, "ThrottlingException"),
        ("500", 500, "InternalFailure"),
        ("503", 503, "ServiceUnavailable"),
    ],
)
def test_requests_can_fail_for_no_reason(
    account: Account, sagemaker: Any, kind: str, status: int, code: str
) -> None:
    account.faults.rate, account.faults.kinds = 1.0, [kind]
    assert refusal(sagemaker.list_pipelines)[0] == code
    call = account.calls[-1]
    assert (call.operation, call.status, call.error) == ("ListPipelines", status, code)


def test_connections_break_before_or_after_the_request_was_carried_out(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.hold = True
    pipeline = create(sagemaker, role, definition(step("a", training(role))))
    before = len(account.executions)
    account.faults.rate, account.faults.kinds, account.faults.seed = 1.0, ["reset"], 1
    for _ in range(20):
        with pytest.raises(ConnectionClosedError):
            start(sagemaker, pipeline)
        assert account.calls[-1].status == 0
    assert 0 < len(account.executions) - before < 20


def test_a_client_that_retries_gets_through_and_does_nothing_twice(
    account: Account, sagemaker: Any, role: str
) -> None:
    account.hold = True
    pipeline = create(sagemaker, role, definition(step("a", training(role))))
    before, asked = len(account.executions), len(account.calls)
    account.faults.rate, account.faults.seed = 0.5, 2
    for number in range(10):
        for _ in range(30):
            try:
                start(sagemaker, pipeline, ClientRequestToken=f"{number:032}")
                break
            except (ClientError, ConnectionClosedError):
                continue
    assert len(account.executions) - before == 10
    failed = {call.status for call in account.calls[asked:]}
    assert failed == {0, 200, 400, 500, 503}


def test_s3_fails_like_the_others(account: Account) -> None:
    account.faults.rate, account.faults.kinds = 1.0, ["throttling"]
    assert refusal(client(account, "s3").list_buckets)[0] == "SlowDown"


def test_credentials_of_a_session_expire(account: Account, role: str) -> None:
    answer = client(account, "sts").assume_role(RoleArn=role, RoleSessionName="tests")
    credentials = answer["Credentials"]
    session = client(
        account,
        "sagemaker",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    session.list_pipelines()
    assert account.calls[-1].caller == "session"
    account.expire()
    assert refusal(session.list_pipelines)[0] == "ExpiredTokenException"
    client(account, "sagemaker").list_pipelines()


def test_credentials_of_anybody_expire_once(account: Account, sagemaker: Any) -> None:
    account.expire_once()
    assert refusal(sagemaker.list_pipelines)[0] == "ExpiredTokenException"
    sagemaker.list_pipelines()


def test_strangers_are_not_let_in(account: Account) -> None:
    stranger = client(
        account, "sagemaker", aws_access_key_id="AKIASTRANGER", aws_secret_access_key=REQUEST
    )
    assert refusal(stranger.list_pipelines)[0] == "UnrecognizedClientException"


# ---- The emulator itself ---------------------------------------------------------------------


def test_what_moto_does_is_left_to_it(account: Account) -> None:
    secrets_manager = client(account, "secretsmanager")
    arn = secrets_manager.create_secret(Name=new_name(), SecretString="s3cret")["ARN"]
    assert secrets_manager.get_secret_value(SecretId=arn)["SecretString"] == "s3cret"
    assert f":{account.region}:{account.account_id}:" in arn
    assert client(account, "sts").get_caller_identity()["Account"] == account.account_id
    assert client(account, "sagemaker").list_domains()["Domains"] == []


def test_its_own_answers_fit_the_model_too() -> None:
    shape = service_model("sagemaker").shape_for("DescribePipelineExecutionResponse")
    with pytest.raises(ApiError, match="enum value set"):
        check(shape, {"PipelineExecutionStatus": "Running"})


def test_two_accounts_share_nothing(account: Account, role: str) -> None:
    run_job(account, "training", training(role))
    with (
        tempfile.TemporaryDirectory() as folder,
        Account(Path(folder), image={"PATH": os.environ["PATH"]}) as other,
    ):
        assert client(other, "sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
        assert other.account_id != account.account_id
