# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator for an AWS account, on loopback, for boto3.

moto plays S3, STS, IAM, Secrets Manager and EventBridge Scheduler, and holds their state. What
SageMaker does with pipelines and jobs is ours: they run, each container as a process.

What it lacks: policies of IAM beside `denied`, signatures, networks, quotas, instances, images,
other steps than training and processing, and whatever moto lacks. It starts nothing by the clock:
see `fire`.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import secrets
import threading
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from ..containers import Containers
from ..emulated_service import EmulatedService, Faults
from .definition import refused
from .front import Call, Front, Handler, Keys
from .jobs import Job, Jobs, JobsApi, Machines
from .pipelines import Execution, Pipelines, StepExecution
from .schedules import Schedules, check_schedule
from .storage import Storage
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Account", "Call", "Execution", "Faults", "Job", "StepExecution"]

HOST = "127.0.0.1"


class Account(EmulatedService):
    """The emulator: a context manager that starts and stops the server.

    moto keeps its state in its modules. As each has an account ID of its own, two of them in a
    process have nothing in common but the names of buckets, which are unique in the world.
    """

    def __init__(
        self,
        folder: Path,
        *,
        region: str = "eu-central-1",
        preload: Sequence[str] = (),
        image: Mapping[str, str],
    ) -> None:
        """Prepares an account with nothing in it.

        Args:
            folder: Where jobs, and the files of clients, go.
            region: The region that everything is in.
            preload: Modules that most containers import.
            image: Variables that images would bring, such as PATH.
        """
        self.region, self.account_id = region, str(10**11 + secrets.randbelow(9 * 10**11))
        self._folder, self._preload, self._image = folder, preload, image
        self._lock = threading.RLock()
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
        moto = DomainDispatcherApplication(create_backend_app)
        self._front = Front(moto, self.account_id, self._operations)
        self.calls: list[Call] = self._front.calls
        """Every request so far."""
        self.faults: Faults = self._front.faults
        self.denied: set[str] = self._front.denied
        """Operations that containers may not use, such as `sagemaker:StopPipelineExecution`."""

    def __enter__(self) -> Self:
        """Starts the server."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in ("config", "credentials"):
            (self._folder / name).touch()
        self._server = make_server(HOST, 0, self._front, threaded=True, request_handler=Handler)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        self.url = f"http://{HOST}:{self._server.server_port}"
        variables = {**self._image, **self._environment(self._front.container)}
        variables["AWS_REGION"] = self.region
        self._containers = Containers(self._folder, preload=self._preload, environment=variables)
        arn_prefix = f"arn:aws:sagemaker:{self.region}:{self.account_id}"
        storage = Storage(lambda: self._s3)
        machines = Machines(self._containers, self._folder, variables)
        self._jobs = Jobs(self._lock, machines, storage, arn_prefix)
        self._pipelines = Pipelines(self._lock, self._jobs, self._read, arn_prefix)
        ours = {
            **JobsApi(self._jobs).operations(),
            **self._pipelines.operations(),
            "AddTags": self._add_tags,
            "DeleteTags": self._delete_tags,
            "ListTags": self._list_tags,
        }
        self._operations |= {f"sagemaker:{name}": answer for name, answer in ours.items()}
        schedules = Schedules(f"arn:aws:scheduler:{self.region}:{self.account_id}:schedule/")
        self._operations["scheduler:CreateSchedule"] = schedules.create
        self._operations["scheduler:UpdateSchedule"] = check_schedule
        self.jobs: list[Job] = self._jobs.all
        self.executions: dict[str, Execution] = self._pipelines.executions
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the server and all containers."""
        self._server.shutdown()
        self._server.server_close()
        self._jobs.closed = True
        self._containers.close()

    def environment(self) -> dict[str, str]:
        """Returns the variables of a client. It reads none of the user's own files."""
        return {**self._environment(self._front.user), "AWS_DEFAULT_REGION": self.region}

    def _environment(self, keys: Keys) -> dict[str, str]:
        variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self._folder / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self._folder / "credentials"),
        }
        return variables | ({"AWS_SESSION_TOKEN": keys.token} if keys.token else {})

    # ---- What tests do to it -----------------------------------------------------------------

    def discard(self, execution_or_job_arn: str) -> None:
        """Ends an execution or a job at once, and forgets it.

        Raises:
            ApiError: There is no such execution.
        """
        for job in self.jobs:
            if job.arn == execution_or_job_arn:
                return self._jobs.forget(job)
        return self._pipelines.forget(self._pipelines.find(execution_or_job_arn))

    def fire(self, schedule_name: str) -> str:
        """Does what EventBridge Scheduler does when a schedule is due.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html

        Args:
            schedule_name: A schedule, whose target is a pipeline.

        Returns:
            The ARN of the execution, which is of the pipeline's latest version.

        Raises:
            RuntimeError: It is disabled.
            ApiError: There is no such pipeline.
        """
        schedule = self._scheduler.get_schedule(Name=schedule_name)
        if schedule["State"] != "ENABLED":
            raise RuntimeError(f"Schedule {schedule_name} is {schedule['State']}")
        target = schedule["Target"]
        given = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
        request = {
            "PipelineName": target["Arn"],
            "ClientRequestToken": str(uuid.uuid4()),
            "PipelineParameters": given,
        }
        execution = self._pipelines.start(request)
        once = schedule["ScheduleExpression"].startswith("at(")
        if once and schedule.get("ActionAfterCompletion") == "DELETE":
            self._scheduler.delete_schedule(Name=schedule_name)
        return execution.arn

    def kill(self, job: Job) -> None:
        """Kills the first process of a job's container, as when memory runs out."""
        self._jobs.kill(job)

    def crash_host(self, job: Job) -> None:
        """Lets the machine of a job's container go down: an internal error of the service."""
        self._jobs.crash_host(job)

    def expire(self) -> None:
        """Lets all credentials expire that STS has handed out so far."""
        self._front.expire()

    def expire_once(self) -> None:
        """Lets the credentials of the next call be expired, whoever makes it."""
        self._front.expire_once()

    # ---- What it needs of itself -------------------------------------------------------------

    def _client(self, service: str) -> Any:
        keys = self._front.own
        session = boto3.Session(keys.access_key, keys.secret_key, region_name=self.region)
        return session.client(service, endpoint_url=self.url)

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def _scheduler(self) -> Any:
        return self._client("scheduler")

    def _read(self, bucket: str, key: str) -> str:
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
        except self._s3.exceptions.ClientError as error:
            raise refused(f"Unable to read s3://{bucket}/{key}: {error}") from error
        return str(body.read().decode())

    def _add_tags(self, request: dict[str, Any]) -> dict[str, Any] | None:
        tags = self._pipelines.tags_of(request["ResourceArn"])
        if tags is None:
            return None
        tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return {"Tags": as_list(tags)}

    def _delete_tags(self, request: dict[str, Any]) -> dict[str, Any] | None:
        tags = self._pipelines.tags_of(request["ResourceArn"])
        if tags is None:
            return None
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _list_tags(self, request: dict[str, Any]) -> dict[str, Any] | None:
        tags = self._pipelines.tags_of(request["ResourceArn"])
        return None if tags is None else {"Tags": as_list(tags)}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns tags as the API has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
