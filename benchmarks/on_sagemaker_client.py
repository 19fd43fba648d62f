"""What `on_sagemaker.py` measures on: the stand-in, a ZenML server, and processes that submit.

Those are new ones, of one stack each, and do nothing else: their CPU seconds are those of the
submissions. The stand-in counts their requests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import zenml_server
from standin import Account
from zenml.client import Client
from zenml.enums import StackComponentType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from multiprocessing.connection import Connection

BUCKET = "benchmarks"
REGION = "eu-central-1"

SUBMITTER = Path(__file__).with_name("on_sagemaker_submitter.py")


def register(home: Path, account: Account, flavors: Mapping[str, str]) -> None:
    """Registers stacks with the defaults of their orchestrators, but for waiting.

    Args:
        home: A folder.
        account: The stand-in.
        flavors: The flavor of each stack's orchestrator, by the stack's name.
    """
    client = Client()
    artifacts = home / "artifacts"
    artifacts.mkdir()
    others: dict[StackComponentType, tuple[str, dict[str, Any]]] = {
        StackComponentType.ARTIFACT_STORE: ("local", {"path": str(artifacts)}),
        StackComponentType.CONTAINER_REGISTRY: ("default", {"uri": "registry.invalid/tests"}),
        StackComponentType.IMAGE_BUILDER: ("local", {}),
    }
    configuration = {
        "execution_role": f"arn:aws:iam::{account.account_id}:role/benchmarks",
        "bucket": BUCKET,
        "synchronous": False,
    }
    for stack, flavor in flavors.items():
        wanted = {StackComponentType.ORCHESTRATOR: (flavor, configuration), **others}
        components = {
            kind: client.create_stack_component(stack, flavor_name, kind, settings).id
            for kind, (flavor_name, settings) in wanted.items()
        }
        client.create_stack(stack, components)


@contextmanager
def submitter(stack: str) -> Iterator[Connection]:
    """Starts a process that submits what it is asked for, and lets it end."""
    here, there = Pipe()
    command = [sys.executable, str(SUBMITTER), stack, str(there.fileno())]
    with subprocess.Popen(command, pass_fds=[there.fileno()]), here:
        there.close()
        yield here


def submission(
    account: Account, process: Connection, pipeline: str, steps: int
) -> tuple[float, int]:
    """Lets a process submit a chain of steps, none of which ever runs.

    Args:
        account: The stand-in.
        process: The process.
        pipeline: The pipeline's name.
        steps: How many steps it has.

    Returns:
        The CPU seconds of the submission, and the number of its requests to AWS.

    Raises:
        EOFError: If the process has failed. It has printed why.
    """
    began = len(account.calls)
    process.send((pipeline, steps))
    seconds: float = process.recv()
    calls = len(account.calls) - began
    (execution,) = account.executions.values()
    assert len(execution.definition["Steps"]) == steps
    account.discard(execution.arn)
    return seconds, calls


def measure(
    account: Account, stacks: Collection[str], rounds: int, submissions: Mapping[str, int]
) -> dict[str, Any]:
    """Measures the stacks in turns. One more round comes first and does not count.

    Args:
        account: The stand-in.
        stacks: Their names.
        rounds: How many processes to start for each.
        submissions: What each process submits: what to call it here, and the number of steps.
    """
    found: dict[str, Any] = {
        what: {name: {stack: [] for stack in stacks} for name in submissions}
        for what in ("seconds", "calls")
    }
    for number in range(rounds + 1):
        for stack in stacks:
            with submitter(stack) as process:
                for position, (name, steps) in enumerate(submissions.items()):
                    # The first one in a process is of a pipeline that is new to AWS as well.
                    pipeline = f"chain{steps}" if position else f"first{number}"
                    seconds, calls = submission(account, process, pipeline, steps)
                    if number > 0:
                        found["seconds"][name][stack].append(seconds)
                        found["calls"][name][stack].append(calls)
    return found


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `home`, a folder; `flavor`, ours; `rounds` and `submissions`, see `measure`;
            `found`, the file.
    """
    home = Path(arguments["home"])
    with ExitStack() as started:
        os.environ.update(started.enter_context(zenml_server.running(home / "server")))
        account = started.enter_context(Account(home / "aws", region=REGION, image={}))
        account.hold = True
        os.environ.update(account.environment())
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        ours = Client().create_flavor(arguments["flavor"], StackComponentType.ORCHESTRATOR).name
        flavors = {"ours": ours, "zenml": "sagemaker"}
        register(home, account, flavors)
        found = measure(account, flavors, arguments["rounds"], arguments["submissions"])
    Path(arguments["found"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
