# YOURS: the login to Google Cloud, and its requests
"""Google Cloud: how to log in, and requests to its REST API.

Google's clients for the API take more than a second to import, and are not needed: requests and
answers are the JSON that https://cloud.google.com/vertex-ai/docs/reference/rest describes. Google's
login library is imported with the first request.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.protocols import JobRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession
    from zenml.service_connectors.service_connector import ServiceConnector

    from ..config import Config

# JSON as the API has it.
Object = dict[str, Any]

# What a login is for: https://developers.google.com/identity/protocols/oauth2/scopes
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]

# How long one request may take, in seconds.
TIMEOUT = 60.0

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, CONFLICT = 400, 401, 404, 409
# Errors on Google's side, quotas of requests per minute, and what came too late.
OVERLOADED = (408, 429, 499, 500, 502, 503, 504)
# What a service says of a quota that does not fill up again by the minute: of GPUs, say.
# https://github.com/google-deepmind/xmanager/issues/29
USED_UP = "exceed quota limits"


class NoAnswerError(Exception):
    """Google Cloud does not answer for now. It is worth another try."""


class RefusedError(JobRefused):
    """Google Cloud has refused a request: `status` is HTTP's, the text its own words."""

    def __init__(self, status: int, text: str) -> None:
        """Notes both."""
        super().__init__(text)
        self.status = status


class Login:
    """A login: credentials, and the ID of their project if they have one."""

    def __init__(self, credentials: Credentials, project: str | None) -> None:
        """Prepares requests; makes none."""
        from google.auth.transport.requests import AuthorizedSession

        self.project = project
        if hasattr(credentials, "with_always_use_jwt_access"):
            # Of a key. It signs its tokens by itself then, and asks nobody for one, as in Google's
            # clients: https://google.aip.dev/auth/4111
            credentials = credentials.with_always_use_jwt_access(True)
        # It renews credentials that can renew themselves.
        self.session: AuthorizedSession = AuthorizedSession(credentials)


class GoogleCloud:
    """One login, which is renewed when it has expired. Several threads may use it at a time."""

    def __init__(
        self, log_in: Callable[[], Login], has_expired: Callable[[], bool] = lambda: False
    ) -> None:
        """Does not log in yet.

        Args:
            log_in: Logs in anew.
            has_expired: Tells whether it is time to. The credentials of a service connector cannot
                renew themselves, and no request is made with them then that could be refused.
        """
        self._log_in = log_in
        self._has_expired = has_expired
        self._lock = threading.Lock()
        self._login: Login | None = None

    @property
    def project(self) -> str | None:
        """The ID of the login's project, if it has one."""
        return self._current().project

    def request(self, method: str, url: str, body: Object | None = None, **query: Any) -> Object:
        """Makes a request.

        Args:
            method: Of HTTP.
            url: The address of what it is about.
            body: What is sent.
            query: The parameters.

        Raises:
            NoAnswerError: If it may succeed if it is made again.
            RefusedError: If Google Cloud refuses, or nobody is logged in.
        """
        login = self._current()
        try:
            return send(login, method, url, body, query)
        except RefusedError as error:
            if error.status != UNAUTHORIZED:
                raise
        return send(self._current(instead_of=login), method, url, body, query)

    def pages(self, url: str, key: str, **query: Any) -> Iterator[Object]:
        """Makes a request whose answer is a list, and goes through all its pages.

        Args:
            url: The address of the list.
            key: Where the answer has the list.
            query: The parameters.
        """
        token = ""
        while True:
            page = self.request("GET", url, **query, pageToken=token)
            yield from page.get(key, [])
            if not (token := page.get("nextPageToken", "")):
                return

    def _current(self, instead_of: Login | None = None) -> Login:
        """Returns the login, or another one if it has expired or was refused."""
        with self._lock:
            login = self._login
            if login is None or login is instead_of or self._has_expired():
                try:
                    login = self._log_in()
                except Exception as error:
                    raise refusal_of_login(error) from error
                self._login = login
            return login


def send(login: Login, method: str, url: str, body: Object | None, query: Object) -> Object:
    """Makes a request once. See `GoogleCloud.request`."""
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        answer = login.session.request(method, url, json=body, params=query, timeout=TIMEOUT)
    except RequestException as error:
        raise NoAnswerError(f"Google Cloud does not answer: {error}") from error
    except GoogleAuthError as error:
        raise refusal_of_login(error) from error
    if answer.ok:
        found: Object = answer.json()
        return found
    try:
        problem = answer.json()["error"]
        text, word = str(problem["message"]), str(problem.get("status"))
    except (ValueError, LookupError, TypeError):  # from a proxy
        text, word = answer.text, ""
    may_pass = answer.status_code in OVERLOADED and USED_UP not in text
    if may_pass or word == "ABORTED":
        raise NoAnswerError(text)
    raise RefusedError(answer.status_code, text)


def refusal_of_login(error: Exception) -> Exception:
    """Returns what to raise if a login has failed."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError):
        return NoAnswerError(f"Google's login does not answer: {error}")
    if isinstance(error, GoogleAuthError):
        return RefusedError(UNAUTHORIZED, f"The login to Google Cloud has failed: {error}")
    return error


def log_in(config: Config, connector: ServiceConnector | None) -> Login:
    """Logs in: through the service connector, or else as the config says.

    Args:
        config: The orchestrator's config. What it does not say comes from where Google's libraries
            look: https://cloud.google.com/docs/authentication/application-default-credentials
        connector: The linked service connector, if there is one.

    Raises:
        RuntimeError: If the connector is not one for Google Cloud.
        GoogleAuthError: If there are no credentials.
        OSError: If there is no key file.
        ValueError: If the key file is none.
    """
    from google.auth.credentials import Credentials

    if connector is not None:
        credentials = connector.connect()
        if not isinstance(credentials, Credentials):
            raise RuntimeError(
                f"The service connector gives a {type(credentials).__name__}, and no credentials "
                "of Google Cloud. Link one of the type `gcp` with the resource type `gcp-generic`."
            )
        return Login(credentials, getattr(connector.config, "gcp_project_id", None))
    if config.service_account_path:
        from google.oauth2 import service_account

        key = str(Path(config.service_account_path).expanduser())
        account = service_account.Credentials.from_service_account_file(key, scopes=SCOPES)
        return Login(account, account.project_id)
    return log_in_here()


def log_in_here() -> Login:
    """Logs in as the machine or its user; in a job, that is the job's service account.

    Raises:
        GoogleAuthError: If there are no credentials.
    """
    import google.auth

    return Login(*google.auth.default(scopes=SCOPES))
