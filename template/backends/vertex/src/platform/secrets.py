# YOURS: how jobs get ZenML's token
"""How jobs reach ZenML: in their environment, or by a secret in Secret Manager.

A job's environment can be read by everybody who may look at it, with
`aiplatform.pipelineJobs.get` or `aiplatform.customJobs.get`, which `roles/aiplatform.viewer` has:
https://cloud.google.com/vertex-ai/docs/general/iam-permissions
This module is imported at the start of each job, and so imports little.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine.services.secrets import SECRET_VARIABLE
from .apart import apart

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from ..config import Config
    from .google_cloud import GoogleCloud

# https://cloud.google.com/secret-manager/docs/reference/rest
ENDPOINT = "https://secretmanager.googleapis.com"

# After this the secret of a run is deleted by Google, if nobody did it before. A task may take
# seven days, and a pipeline has several: https://cloud.google.com/vertex-ai/docs/quotas
LIFETIME = "2592000s"  # 30 days

# What the first version of a secret is called; there is no other.
VERSION = "versions/1"

# How long a job tries to read its secret, in seconds.
PATIENCE = 300.0


class Secrets:
    """The secrets of a project. A reference is the address of a secret's only version."""

    def __init__(self, cloud: GoogleCloud, config: Config, project: str) -> None:
        """Asks nobody yet."""
        endpoint = config.secret_manager_endpoint or ENDPOINT
        if "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        self._url = f"{endpoint}/v1/projects/{project}/secrets"
        self._cloud, self._config = cloud, config

    def reference(self, name: str) -> str:
        """Returns where a job reads a secret."""
        return f"{self._url}/{name}/{VERSION}"

    def store(self, name: str, values: Mapping[str, str], *, for_good: bool) -> str:
        """Keeps variables. If they are not to be kept for good, they end after 30 days."""
        from .google_cloud import CONFLICT, RefusedError

        replica: dict[str, Any] = {"location": self._config.location}
        if key := self._config.encryption_spec_key_name:
            replica["customerManagedEncryption"] = {"kmsKeyName": key}
        secret: dict[str, Any] = {"replication": {"userManaged": {"replicas": [replica]}}}
        if not for_good:
            secret["ttl"] = LIFETIME
        try:
            self._cloud.request("POST", self._url, secret, secretId=name)
        except RefusedError as error:
            if error.status != CONFLICT:  # A request that was repeated, since its answer was lost.
                raise
        data = base64.b64encode(json.dumps(dict(values)).encode()).decode()
        url = f"{self._url}/{name}:addVersion"
        self._cloud.request("POST", url, {"payload": {"data": data}})
        return self.reference(name)

    def delete(self, reference: str) -> None:
        """Deletes a secret, if it is there."""
        from .google_cloud import NOT_FOUND, RefusedError

        try:
            self._cloud.request("DELETE", reference.removesuffix(f"/{VERSION}"))
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise


def fetch(environment: MutableMapping[str, str]) -> None:
    """Fetches the secret of this job, if it has one, into its environment.

    Raises:
        RuntimeError: If the job's service account may not read it.
    """
    if url := environment.get(SECRET_VARIABLE):
        # A login starts a thread, which asks where its requests may go. This process is forked.
        environment.update(apart(partial(read, url)))


def read(url: str) -> dict[str, str]:
    """Returns what is in a secret, which is read with this job's own login.

    Args:
        url: The address of the secret's version.
    """
    from ..engine.clock import call_with_retries
    from .google_cloud import GoogleCloud, NoAnswerError, log_in_here

    cloud = GoogleCloud(log_in_here)
    answer = call_with_retries(
        lambda: cloud.request("GET", f"{url}:access"), (NoAnswerError,), seconds=PATIENCE
    )
    found: dict[str, str] = json.loads(base64.b64decode(answer["payload"]["data"]))
    return found
