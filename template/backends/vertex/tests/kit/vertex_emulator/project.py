# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator for a Google Cloud project, on loopback, for Google's own client libraries.

gcp-storage-emulator plays Cloud Storage. What Vertex AI does with pipelines, custom jobs and
schedules is ours, as are Secret Manager and the places where tokens come from: pipelines run,
each container as a process.

What it lacks: IAM beside `denied`, networks, keys, quotas, machines, images, artifacts, caches,
persistent resources, buckets in `/gcs`, the time a schedule is due next, and other tasks than
containers. It starts nothing by the clock: see `fire`.
https://cloud.google.com/vertex-ai/docs/reference/rest
"""

from __future__ import annotations

import functools
import secrets
import threading
from typing import TYPE_CHECKING

import trustme
from gcp_storage_emulator.server import create_server
from .api import Call, Front, serve_grpc, serve_rest
from .checks import Checks
from ..containers import Containers
from ..emulated_service import EmulatedService, Faults
from .identity import Identity
from .jobs import Job, Jobs, Machines
from .pipelines import PipelineRun, Pipelines, TaskRun
from .resources import Operations
from .schedules import Schedules
from .secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["Call", "Faults", "Job", "PipelineRun", "Project", "TaskRun"]

HOST = "127.0.0.1"


@functools.cache
def authority() -> trustme.CA:
    """Returns who signs certificates. A gRPC client reads once in a process whom it trusts."""
    return trustme.CA()


class Project(EmulatedService):
    """The emulator: a context manager that starts and stops the servers."""

    def __init__(
        self,
        folder: Path,
        *,
        region: str = "europe-west4",
        preload: Sequence[str] = (),
        image: Mapping[str, str],
    ) -> None:
        """Prepares a project with nothing in it but a bucket.

        Args:
            folder: Where jobs, and the files of clients, go.
            region: The region that everything is in.
            preload: Modules that most containers import.
            image: Variables that images would bring, such as PATH.
        """
        self.id, self.region = "orch-tests", region
        self.number = str(10**11 + secrets.randbelow(9 * 10**11))
        self.bucket = f"{self.id}-{secrets.token_hex(4)}"
        self.key_file = folder / "key.json"
        self._folder, self._preload, self._image = folder, preload, image
        self._identity = Identity(self.id, self.number, region)
        self._checks = Checks(self.id, self.number, region, self._has_bucket)
        self._front = Front(self._identity.authenticate, {})
        self.calls: list[Call] = self._front.calls
        """Every call so far."""
        self.faults: Faults = self._front.faults
        self.denied: set[str] = self._front.denied
        """Methods that containers may not use, such as `CancelPipelineJob`."""

    def __enter__(self) -> Self:
        """Starts the servers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "gcloud").mkdir(exist_ok=True)
        self._storage = create_server(
            HOST, 0, in_memory=True, default_bucket=self.bucket, project_number=self.number
        )
        self._storage.start()
        authority().cert_pem.write_to_path(str(self._folder / "roots.pem"))
        # The region's own address too: whoever is led here by a proxy asks for it.
        region = f"{self.region}-aiplatform.googleapis.com"
        server = authority().issue_cert("localhost", region)
        certificates = b"".join(each.bytes() for each in server.cert_chain_pems)
        keys = (server.private_key_pem.bytes(), certificates)
        self._grpc, port = serve_grpc(self._front, keys)
        self.grpc = f"localhost:{port}"
        self._rest = serve_rest(self._front, self._identity.answer)
        self.url = f"http://{HOST}:{self._rest.server_port}"
        self._identity.write_key(self.key_file, f"{self.url}/token")
        variables = {**self._image, **self._environment()}
        metadata = self.url.removeprefix("http://")
        variables |= {"GCE_METADATA_HOST": metadata, "GCE_METADATA_IP": metadata}
        self._containers = Containers(self._folder, preload=self._preload, environment=variables)
        machines = Machines(self._containers, self._folder, variables, self.number)
        lock, operations = threading.RLock(), Operations(self._checks.parent)
        self._jobs = Jobs(lock, self._checks, machines, operations)
        self._pipelines = Pipelines(lock, self._checks, self._jobs, operations, self.id)
        self._schedules = Schedules(lock, self._checks, self._pipelines, operations)
        for part in (self._jobs, self._pipelines, self._schedules, operations):
            self._front.functions |= part.functions()
        self._front.functions |= Secrets(self._checks).functions()
        self.jobs: list[Job] = self._jobs.all
        self.pipeline_jobs: dict[str, PipelineRun] = self._pipelines.runs
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the servers and all containers."""
        self._grpc.stop(None)
        self._rest.shutdown()
        self._rest.server_close()
        self._jobs.closed = True
        self._containers.close()
        self._storage.stop()

    def environment(self) -> dict[str, str]:
        """Returns the variables of a client. It reads none of the user's own files."""
        return {
            **self._environment(),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file),
            "GOOGLE_CLOUD_PROJECT": self.id,
            "NO_GCE_CHECK": "true",
        }

    def _environment(self) -> dict[str, str]:
        return {
            "STORAGE_EMULATOR_HOST": self._storage_url,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self._folder / "roots.pem"),
            "CLOUDSDK_CONFIG": str(self._folder / "gcloud"),
            # Nothing leaves this machine: google-auth would ask iamcredentials.googleapis.com
            # where a service account may be used, with the token that it has from here.
            "HTTPS_PROXY": self.url,
            "NO_PROXY": f"localhost,{HOST}",
        }

    @property
    def _storage_url(self) -> str:
        # It does not say otherwise which port it has got.
        port = self._storage._api._httpd.server_port  # noqa: SLF001
        return f"http://{HOST}:{port}"

    def _has_bucket(self, name: str) -> bool:
        return self._storage._storage.get_bucket(name) is not None  # noqa: SLF001

    # ---- What tests do to it -----------------------------------------------------------------

    @property
    def token_seconds(self) -> float:
        """How long access tokens are valid that are handed out from now on."""
        return self._identity.token_seconds

    @token_seconds.setter
    def token_seconds(self, value: float) -> None:
        self._identity.token_seconds = value

    def discard(self, name: str) -> None:
        """Ends a pipeline job or a custom job at once, and forgets it.

        Raises:
            ApiError: There is no such job.
        """
        if "/customJobs/" in name:
            return self._jobs.forget(self._jobs.find(name))
        return self._pipelines.forget(self._pipelines.find(name))

    def fire(self, schedule_name: str) -> str:
        """Does what the service does when a schedule is due.

        Args:
            schedule_name: The schedule's resource name.

        Returns:
            The resource name of the pipeline job that it has created.

        Raises:
            RuntimeError: The schedule is paused or completed.
            ApiError: There is no such schedule.
        """
        return self._schedules.fire(schedule_name)

    def kill(self, job: Job) -> None:
        """Kills the first process of a job's container, as when memory runs out."""
        self._jobs.run_out_of_memory(job)

    def crash_host(self, job: Job) -> None:
        """Lets the machine of a job's container go down: an internal error of the service.

        It starts the job again, twice at most, unless the job has `disable_retries`, as the
        tasks of pipelines have. Then the job fails.
        """
        self._jobs.crash_host(job)

    def expire(self) -> None:
        """Lets all tokens expire that were handed out so far."""
        self._identity.expire()
