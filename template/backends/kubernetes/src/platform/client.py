# YOURS: the connection to the Kubernetes API, and its requests
"""The Kubernetes API: the connection, and requests as plain JSON.

Requests are tried again by urllib3 when they are answered with 429 or 5xx, or not at all. One that
creates something may so reach the server twice; since the server never makes up names, the second
is refused with 409, which means that it is there.
"""

from __future__ import annotations

import copy
import json
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from kubernetes import config as kubernetes_config
from kubernetes.client import ApiClient, ApiException, Configuration
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from ..engine.protocols import JobRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import HTTPResponse
    from zenml.service_connectors.service_connector import ServiceConnector

    from ..config import Config

# An object of the Kubernetes API.
Object = dict[str, Any]

METHODS = {"create": "POST", "get": "GET", "patch": "PATCH", "delete": "DELETE"}
OVERLOADED = (429, 500, 502, 503, 504)
NOT_FOUND, CONFLICT, GONE = 404, 409, 410

REMEDY = (
    "Link the orchestrator to a Kubernetes service connector (`zenml orchestrator connect`), set "
    "`kubernetes_context` to a context that `kubectl config get-contexts` lists, or, to submit "
    "from inside the cluster, set `incluster`."
)


class NoAnswerError(Exception):
    """The API does not answer for now."""


# What is worth another try.
TRANSIENT = (NoAnswerError, HTTPError, ConnectionError, TimeoutError)


class RefusedError(JobRefused):
    """Kubernetes has refused a request: `status` is HTTP's, `reason` its own word for it."""

    def __init__(self, error: ApiException) -> None:
        """Reads the answer."""
        try:
            body = json.loads(error.body)
        except (TypeError, ValueError):  # from a proxy
            body = {"message": error.body}
        super().__init__(f"{error.reason} ({error.status}): {body.get('message')}")
        self.status, self.reason = error.status, body.get("reason")


class Cluster:
    """One namespace of a cluster. Its functions may be called from several threads."""

    def __init__(
        self,
        config: Config,
        connector: Callable[[], ServiceConnector | None],
        is_expired: Callable[[], bool],
    ) -> None:
        """Prepares to connect; asks nobody.

        The functions return the service connector, if there is one, and whether its token has
        expired.
        """
        self.namespace = config.kubernetes_namespace
        self._config, self._connector, self._is_expired = config, connector, is_expired
        self._lock = threading.Lock()
        self._clients: dict[bool, ApiClient] = {}
        self._date = (time.time(), time.monotonic())

    def now(self) -> float:
        """Returns the server's time, in seconds since the epoch: ours may be wrong."""
        date, then = self._date
        return date + time.monotonic() - then

    def request(
        self, verb: str, kind: str, name: str = "", body: Object | None = None, **query: Any
    ) -> Object:
        """Makes a request: create, get (without a name: list), patch or delete.

        The server's version is got as the kind `version`.

        Returns:
            The answer. Empty if what is to be created is there, or what is asked for is not.

        Raises:
            RefusedError: If Kubernetes refuses; also a field that it does not know. See `TRANSIENT`
                for what may pass.
        """
        if body is not None:
            query["fieldValidation"] = "Strict"
        try:
            return cast("Object", json.loads(self.open(verb, kind, name, body, **query).data))
        except RefusedError as error:
            is_missing = error.status == NOT_FOUND and verb in ("get", "delete")
            if is_missing or error.reason == "AlreadyExists":
                return {}
            if error.status == CONFLICT:  # Somebody has changed the quota at the same time.
                raise NoAnswerError(str(error)) from error
            raise

    def open(  # noqa: PLR0913 - most have names
        self,
        verb: str,
        kind: str,
        path: str = "",
        body: Object | None = None,
        *,
        timeout: Any = None,
        patient: bool = True,
        **query: Any,
    ) -> HTTPResponse:
        """Makes a request whose answer is read later, line by line perhaps.

        Beside those of `request`, the arguments are how long it may take (in seconds: in all, or to
        connect and to read), and whether to try again as often as the config says.
        """
        group = "apis/batch/v1" if kind in ("Job", "CronJob") else "api/v1"
        url = f"/{group}/namespaces/{self.namespace}/{kind.lower()}s/{path}".rstrip("/")
        if kind == "version":
            url = "/version"
        content = "application/merge-patch+json" if verb == "patch" else "application/json"
        try:
            response: HTTPResponse = self._client(patient).call_api(
                url,
                METHODS[verb],
                query_params=[*query.items()],
                header_params={"Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=timeout or self._config.api_request_timeout,
            )
        except ApiException as error:
            if not error.status or error.status in OVERLOADED:
                raise NoAnswerError(f"{error.reason} ({error.status})") from error
            raise RefusedError(error) from error
        if date := response.headers.get("Date"):
            self._date = (parsedate_to_datetime(date).timestamp(), time.monotonic())
        return response

    def _client(self, patient: bool) -> ApiClient:
        with self._lock:
            if not self._clients or self._is_expired():
                found = login(self._config, self._connector())
                tries = {True: self._config.max_api_retries, False: 2}
                self._clients = {kind: client(found, total) for kind, total in tries.items()}
            return self._clients[patient]


def client(configuration: Configuration, retries: int) -> ApiClient:
    """Makes a client that tries failed requests again, so many times."""
    configuration = copy.deepcopy(configuration)
    configuration.retries = Retry(
        total=retries,
        backoff_factor=0.2,
        backoff_max=10,
        backoff_jitter=0.5,
        status_forcelist=OVERLOADED,
        allowed_methods=None,  # all of them: see above
        raise_on_status=False,
    )
    return ApiClient(configuration)


def login(config: Config, connector: ServiceConnector | None) -> Configuration:
    """Finds the cluster by the service connector, the context, or from inside.

    Raises:
        RuntimeError: If none of the three is there, or it does not work.
    """
    if connector is not None:
        return connector.connect().configuration
    found = Configuration()
    context = config.kubernetes_context
    try:
        if context:
            kubernetes_config.load_kube_config(context=context, client_configuration=found)
        else:
            kubernetes_config.load_incluster_config(client_configuration=found)
    except kubernetes_config.ConfigException as error:
        raise RuntimeError(f"No way to the Kubernetes cluster: {error} {REMEDY}") from error
    return found


def login_problem(config: Config) -> str | None:
    """Says why no cluster can be found without a service connector; None if nothing is wrong."""
    context = config.kubernetes_context
    if context is None:
        return None if config.incluster else f"it is not known which cluster to use. {REMEDY}"
    wrong = f"`kubernetes_context` is `{context}`, but the kubeconfig"
    try:
        names = [each["name"] for each in kubernetes_config.list_kube_config_contexts()[0]]
    except kubernetes_config.ConfigException as error:
        return f"{wrong} cannot be read: {error}"
    known = ", ".join(f"`{name}`" for name in names) or "none"
    return None if context in names else f"{wrong} has no such context. It has {known}."
