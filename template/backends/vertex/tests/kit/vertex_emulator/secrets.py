# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Secret Manager.

https://cloud.google.com/secret-manager/docs/reference/rest
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import google_crc32c
from google.cloud import secretmanager_v1
from google.protobuf import empty_pb2
from .api import ApiError, refuse_if
from .checks import check_labels
from .resources import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .checks import Checks

ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
# https://cloud.google.com/secret-manager/quotas#content_limits
MAX_BYTES = 64 * 1024


class Secrets:
    """The secrets of a project, and the methods for them."""

    def __init__(self, checks: Checks) -> None:
        """Starts with none.

        Args:
            checks: What requests are held against.
        """
        self._checks = checks
        self._secrets: dict[str, Any] = {}
        self._versions: dict[str, list[bytes]] = {}

    def functions(self) -> dict[str, Callable[[Any], Any]]:
        """Returns what carries out the methods, by their names."""
        return {
            "CreateSecret": self._create,
            "GetSecret": lambda request: self._find(request.name),
            "DeleteSecret": self._delete,
            "AddSecretVersion": self._add,
            "AccessSecretVersion": self._access,
        }

    def _find(self, name: str) -> Any:
        name = self._checks.place(name)
        secret = self._secrets.get(name)
        # "the secret is deleted automatically" when it expires.
        # https://cloud.google.com/secret-manager/docs/secret-expiration
        if secret is None or has_expired(secret):
            raise ApiError("NOT_FOUND", f"Secret [{name}] not found.")
        return secret

    def _create(self, request: Any) -> Any:
        parent = self._checks.place(request.parent)
        name = f"{parent}/secrets/{request.secret_id}"
        refuse_if(ID.fullmatch(request.secret_id) is None, f"Invalid ID: {request.secret_id!r}")
        asked = request.secret
        check_labels(asked.labels)
        refuse_if(not asked.HasField("replication"), "Secret.replication is required")
        secret = secretmanager_v1.Secret.pb()()
        secret.CopyFrom(asked)
        secret.name = name
        secret.create_time.CopyFrom(timestamp(time.time()))
        if asked.HasField("ttl"):  # Input only.
            seconds = asked.ttl.ToTimedelta().total_seconds()
            secret.expire_time.CopyFrom(timestamp(time.time() + seconds))
        if secret.HasField("expire_time"):
            refuse_if(has_expired(secret), "Secret.expire_time must be in the future")
        if name in self._secrets:
            raise ApiError("ALREADY_EXISTS", f"Secret [{name}] already exists.")
        self._secrets[name], self._versions[name] = secret, []
        return secret

    def _delete(self, request: Any) -> Any:
        name = self._find(request.name).name
        del self._secrets[name], self._versions[name]
        return empty_pb2.Empty()

    def _add(self, request: Any) -> Any:
        name, data = self._find(request.parent).name, request.payload.data
        refuse_if(not data or len(data) > MAX_BYTES, "A version has 1 byte to 64 KiB")
        checksum = request.payload.data_crc32c
        wrong = request.payload.HasField("data_crc32c") and checksum != google_crc32c.value(data)
        refuse_if(wrong, "The data and data_crc32c do not match")
        self._versions[name].append(data)
        version = secretmanager_v1.SecretVersion.pb()()
        version.name = f"{name}/versions/{len(self._versions[name])}"
        version.state = int(secretmanager_v1.SecretVersion.State.ENABLED)
        version.create_time.CopyFrom(timestamp(time.time()))
        return version

    def _access(self, request: Any) -> Any:
        name, _, number = request.name.partition("/versions/")
        secret = self._find(name)
        versions = self._versions[secret.name]
        index = len(versions) if number == "latest" else int(number) if number.isdecimal() else 0
        if not 0 < index <= len(versions):
            raise ApiError("NOT_FOUND", f"Secret Version [{request.name}] not found.")
        answer = secretmanager_v1.AccessSecretVersionResponse.pb()()
        answer.name = f"{secret.name}/versions/{index}"
        answer.payload.data = versions[index - 1]
        answer.payload.data_crc32c = google_crc32c.value(versions[index - 1])
        return answer


def has_expired(secret: Any) -> bool:
    """Tells whether a secret's time is over."""
    if not secret.HasField("expire_time"):
        return False
    return bool(secret.expire_time.ToMicroseconds() <= time.time() * 1e6)
