# YOURS: AWS Secrets Manager
"""The secrets of jobs: those of AWS Secrets Manager. A reference is an ARN."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine.protocols import JobRefused
from .aws import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .aws import Aws


class Secrets:
    """The secrets of an account, and of the region of its jobs."""

    def __init__(self, aws: Aws, role: str) -> None:
        """Asks nobody yet.

        Args:
            aws: The login.
            role: ARN of the IAM role that reads them. They are in its account.
        """
        self._aws, self._role = aws, role

    def reference(self, name: str) -> str:
        """Returns the ARN of a secret, without what AWS adds to it at random."""
        role = self._role.split(":")
        return f"arn:{role[1]}:secretsmanager:{self._aws.region}:{role[4]}:secret:{name}"

    def store(self, name: str, values: Mapping[str, str], *, for_good: bool) -> str:
        """Keeps variables. Secrets Manager deletes none by itself."""
        text = json.dumps(dict(values))
        try:
            self._aws.call("secretsmanager", "create_secret", Name=name, SecretString=text)
        except RefusedError as refused:
            # The name is this key's alone: it is a request that was repeated.
            if refused.code != "ResourceExistsException":
                raise
        return self.reference(name)

    def delete(self, reference: str) -> None:
        """Deletes a secret at once. Its token is of no use any more: a refusal does no harm."""
        at_once = {"SecretId": reference, "ForceDeleteWithoutRecovery": True}
        with suppress(JobRefused):
            self._aws.call("secretsmanager", "delete_secret", **at_once)
