"""What `benchmark.py` measures on: the emulator, a ZenML server, and processes that submit."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from emulator_programs import register
from kit.sagemaker_emulator import Account
from kit.zenml_server import starting
from submissions import measure
from zenml.client import Client
from zenml.enums import StackComponentType

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "benchmarks"
REGION = "eu-central-1"

SUBMITTER = Path(__file__).with_name("benchmark_submitter.py")


@dataclass(frozen=True)
class Aws:
    """The emulator, with jobs that never start."""

    account: Account

    def requests(self) -> int:
        """Returns how many requests there were so far."""
        return len(self.account.calls)

    def forget(self) -> int:
        """Forgets the one execution, and returns how many steps it has."""
        (execution,) = self.account.executions.values()
        self.account.discard(execution.arn)
        return len(execution.definition["Steps"])


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `home`, a folder; `flavor`, ours; `rounds` and `submissions`, see `measure`;
            `found`, the file.
    """
    home = Path(arguments["home"])
    with ExitStack() as started:
        server = started.enter_context(starting(home / "server"))
        account = started.enter_context(Account(home / "aws", region=REGION, image={}))
        account.hold = True
        os.environ.update(account.environment())
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        server.wait_until_up()
        os.environ.update(server.environment)
        ours = Client().create_flavor(arguments["flavor"], StackComponentType.ORCHESTRATOR).name
        # The defaults, but for waiting.
        configuration = {
            "execution_role": f"arn:aws:iam::{account.account_id}:role/benchmarks",
            "bucket": BUCKET,
            "synchronous": False,
        }
        orchestrators = {"ours": (ours, configuration), "zenml": ("sagemaker", configuration)}
        register(home, orchestrators)
        found = measure(Aws(account), SUBMITTER, [], arguments["rounds"], arguments["submissions"])
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
