# YOURS: what differs inside SageMaker's containers
"""The first process of each container: it completes the environment, and minds ZenML's."""

from __future__ import annotations

import json
import os
import sys

from . import environment
from .engine.services.secrets import SECRET_VARIABLE
from .engine.services.supervisor import supervise
from .job_files import write_failure


class SageMakerContainer:
    """What SageMaker's containers have of their own (`ContainerContract`)."""

    def restore_environment(self) -> None:
        """Puts packed variables together, and fetches the secret.

        Raises:
            ClientError: If the job's role may not read the secret.
        """
        environment.unpack(os.environ)
        if arn := os.environ.get(SECRET_VARIABLE):
            import boto3  # Most jobs do not need it before ZenML does.

            region = arn.split(":")[3]  # boto3 does not read the variable that has it in a job
            client = boto3.client("secretsmanager", region_name=region)
            os.environ.update(json.loads(client.get_secret_value(SecretId=arn)["SecretString"]))

    def report_failure(self, reason: str, exit_code: int) -> int:
        """Writes why the job fails where SageMaker reads it."""
        write_failure(reason)
        return exit_code

    def will_restart(self) -> bool:
        """Tells that SageMaker gives no notice of a restart: who is told to end has to end."""
        return False


if __name__ == "__main__":
    sys.exit(supervise(SageMakerContainer()))
