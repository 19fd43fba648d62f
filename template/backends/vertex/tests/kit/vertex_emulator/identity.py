# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Who calls: a service account with a key, and the containers, which ask a metadata server.

https://cloud.google.com/docs/authentication/application-default-credentials
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
https://cloud.google.com/compute/docs/metadata/overview
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt
from .api import Answer, ApiError

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]

decode: Any = jwt.decode  # It has no types.

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# A client that has a key can do without the token endpoint, and sign for a service itself.
# https://google.aip.dev/auth/4111
AUDIENCES = ("https://aiplatform.googleapis.com/", "https://secretmanager.googleapis.com/")
# The one token endpoint, which keys are meant for. Only here it is somewhere else.
TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - not a secret
METADATA = "/computeMetadata/v1/"
FLAVOR = {"Metadata-Flavor": "Google"}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Identity:
    """The identities of a project, and their tokens."""

    def __init__(self, project_id: str, number: str, region: str) -> None:
        """Makes a key. Nobody has a token yet.

        Args:
            project_id: The project's ID.
            number: Its number.
            region: Where containers run.
        """
        self.token_seconds = 3600.0
        self.user = f"user@{project_id}.iam.gserviceaccount.com"
        self.container = f"{number}-compute@developer.gserviceaccount.com"
        self._project_id, self._region = project_id, region
        # Containers run in a project of Google's, and their metadata server says so.
        # https://cloud.google.com/vertex-ai/docs/training/code-requirements#project-number
        self._tenant = f"{secrets.token_hex(8)}p-tp"
        self._tokens: dict[str, tuple[str, float]] = {}  # Who has it, and until when.
        self._signed: set[str] = set()  # Tokens of clients' own making.
        self._expired: set[str] = set()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def write_key(self, path: Path, token_uri: str) -> None:
        """Writes the file of the user's key.

        Args:
            path: The file.
            token_uri: Where a token is to be had for it.
        """
        private = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        content = {
            "type": "service_account",
            "project_id": self._project_id,
            "private_key_id": secrets.token_hex(20),
            "private_key": private.decode(),
            "client_email": self.user,
            "client_id": "1" + "0" * 20,
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }
        path.write_text(json.dumps(content))
        path.chmod(0o600)

    def authenticate(self, authorization: str) -> str:
        """Finds out who calls.

        Args:
            authorization: The header.

        Returns:
            `user` or `container`.

        Raises:
            ApiError: Nobody we know.
        """
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            text = "Request is missing required authentication credential."
            raise ApiError("UNAUTHENTICATED", text)
        who, until = self._tokens.get(token, ("", 0.0))
        if token.count(".") == 2 and not who:
            who, until = "user", self._check_signed(token)
        if time.time() >= until or token in self._expired:
            text = "Request had invalid authentication credentials."
            raise ApiError("UNAUTHENTICATED", text)
        return who

    def _check_signed(self, token: str) -> float:
        try:
            claims = decode(token, certs=self._public)
        except (ValueError, exceptions.GoogleAuthError):
            return 0.0
        if claims.get("iss") != self.user or claims.get("sub") != self.user:
            return 0.0
        if SCOPE not in claims.get("scope", "").split() and claims.get("aud") not in AUDIENCES:
            return 0.0
        self._signed.add(token)
        return float(claims["exp"])

    def expire(self) -> None:
        """Lets all tokens expire that are known so far."""
        self._expired |= {*self._tokens, *self._signed}
        if self._signed:
            # What a client signs in the same second again is the same token.
            time.sleep(1 - time.time() % 1)

    def _hand_out(self, who: str) -> Object:
        """Returns a token, with the seconds that it is valid."""
        token = f"ya29.{secrets.token_urlsafe(40)}"
        self._tokens[token] = who, time.time() + self.token_seconds
        return self._as_answer(token)

    def _as_answer(self, token: str) -> Object:
        left = int(self._tokens[token][1] - time.time())
        return {"access_token": token, "expires_in": left, "token_type": "Bearer"}

    def answer(self, verb: str, path: str, body: bytes, headers: Any) -> Answer | None:
        """Answers requests to the token endpoint and to the metadata server.

        Args:
            verb: The HTTP method.
            path: The path and the query.
            body: What was sent.
            headers: The headers.

        Returns:
            The answer; None if this is neither.
        """
        url = urlsplit(path)
        if (verb, url.path) == ("POST", "/token"):
            return self._answer_key(body)
        if verb == "GET" and (url.path == "/" or url.path.startswith(METADATA)):
            if headers.get("Metadata-Flavor") != "Google":
                return Answer(403, {}, FLAVOR)
            name = url.path.removeprefix(METADATA).strip("/")
            return self._answer_metadata(name, parse_qs(url.query))
        return None

    def _answer_key(self, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        try:
            if form.get("grant_type") != GRANT:
                return Answer(400, {"error": "unsupported_grant_type"})
            claims = decode(form["assertion"], certs=self._public, audience=TOKEN)
        except (KeyError, ValueError, exceptions.GoogleAuthError) as error:
            return Answer(400, {"error": "invalid_grant", "error_description": str(error)})
        if claims.get("iss") != self.user:
            text = "Invalid grant: account not found"
            return Answer(400, {"error": "invalid_grant", "error_description": text})
        if not claims.get("scope"):
            text = "Empty or missing scope not allowed."
            return Answer(400, {"error": "invalid_scope", "error_description": text})
        return Answer(200, self._hand_out("user"))

    def _answer_metadata(self, name: str, query: dict[str, list[str]]) -> Answer:
        account = {"aliases": ["default"], "email": self.container, "scopes": [SCOPE]}
        texts = {
            "": "instance/\nproject/",
            "project/project-id": self._tenant,
            "project/numeric-project-id": "1" * 12,
            "instance/region": f"projects/{'1' * 12}/regions/{self._region}",
            "instance/zone": f"projects/{'1' * 12}/zones/{self._region}-b",
            "universe/universe-domain": "googleapis.com",
        }
        accounts = "instance/service-accounts"
        for each in ("default", self.container):
            texts[f"{accounts}/{each}/email"] = self.container
            texts[f"{accounts}/{each}/scopes"] = SCOPE
            if name == f"{accounts}/{each}/token":
                return Answer(200, self._container_token(), FLAVOR)
            if name == f"{accounts}/{each}" and query.get("recursive") == ["true"]:
                return Answer(200, account, FLAVOR)
        if name in texts:
            headers = {**FLAVOR, "Content-Type": "application/text"}
            return Answer(200, None, headers, texts[name])
        return Answer(404, {}, FLAVOR)

    def _container_token(self) -> Object:
        """Returns the containers' token, which stays the same until it is about to expire.

        https://cloud.google.com/compute/docs/access/authenticate-workloads#applications
        """
        for token, (who, until) in [*self._tokens.items()]:
            fresh = until - time.time() > min(300, self.token_seconds / 2)
            if who == "container" and fresh and token not in self._expired:
                return self._as_answer(token)
        return self._hand_out("container")
