# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a job's container finds in `/opt/ml`, and what becomes of what it leaves there.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
https://docs.aws.amazon.com/sagemaker/latest/dg/byoc-input-and-output.html
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]

ML = "/opt/ml"


class TransferError(RuntimeError):
    """Something could not be copied from or to S3."""


def lay_out(ml: Path, kind: str, arn: str, request: Object) -> None:
    """Makes the folders that a container finds, and the files that tell it about its job.

    Args:
        ml: What the container sees as `/opt/ml`.
        kind: `training` or `processing`.
        arn: The job's ARN.
        request: The request for the job.
    """
    hosts: Object = {"current_host": "algo-1", "hosts": ["algo-1"]}
    if kind == "processing":
        config = {"ProcessingJobArn": arn, "ProcessingInputs": [], "Environment": {}, **request}
        config.setdefault("ProcessingOutputConfig", {"Outputs": []})
        # The service names the same members in this file as in its API, but no tags.
        config.pop("Tags", None)
        write(ml / "config" / "processingjobconfig.json", config)
        write(ml / "config" / "resourceconfig.json", hosts)
        folders = ["processing", "output"]
        outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
        folders += [inside(output["S3Output"]["LocalPath"]) for output in outputs]
    else:
        config_folder = ml / "input" / "config"
        resources = request["ResourceConfig"]
        instance = {"current_instance_type": resources["InstanceType"]}
        network = {"network_interface_name": "eth0"}
        write(config_folder / "resourceconfig.json", {**hosts, **instance, **network})
        write(config_folder / "hyperparameters.json", request.get("HyperParameters", {}))
        mode = request["AlgorithmSpecification"]["TrainingInputMode"]
        channels = {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", mode),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            for channel in request.get("InputDataConfig", [])
        }
        write(config_folder / "inputdataconfig.json", channels)
        folders = ["input/data", "model", "output/data"]
    for folder in folders:
        (ml / folder).mkdir(parents=True, exist_ok=True)


def write(path: Path, content: Object) -> None:
    """Writes a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def inside(path: str) -> str:
    """Returns a path below `/opt/ml`, from there."""
    return str(PurePosixPath(path).relative_to(ML))


class Storage:
    """Copies between S3 and the folders of containers."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """Takes what makes a client for S3.

        Args:
            client: Returns a boto3 client.
        """
        self._client = client

    def inputs(self, request: Object) -> list[tuple[str, str]]:
        """Returns what a job wants from S3, and where below `/opt/ml` it wants it."""
        training = [
            (source["S3Uri"], f"input/data/{channel['ChannelName']}")
            for channel in request.get("InputDataConfig", [])
            if (source := channel["DataSource"].get("S3DataSource"))
        ]
        processing = [
            (source["S3Uri"], inside(source["LocalPath"]))
            for each in request.get("ProcessingInputs", [])
            if (source := each.get("S3Input"))
        ]
        return training + processing

    def download(self, uri: str, folder: Path) -> None:
        """Copies all objects whose keys begin with a prefix.

        Args:
            uri: Bucket and prefix.
            folder: Where they go, named by the rest of their keys.

        Raises:
            TransferError: There are none, or no such bucket.
        """
        bucket, prefix = parts(uri)
        client = self._client()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
            if not keys:
                raise TransferError(f"No S3 objects found under S3 URL {uri}.")
            for key in keys:
                rest = key.removeprefix(prefix).lstrip("/") or PurePosixPath(key).name
                if not key.endswith("/"):
                    (folder / rest).parent.mkdir(parents=True, exist_ok=True)
                    body = client.get_object(Bucket=bucket, Key=key)["Body"]
                    (folder / rest).write_bytes(body.read())
        except ClientError as error:
            raise TransferError(f"Data download failed: {error}") from error

    def upload(self, request: Object, ml: Path, output_uri: str) -> None:
        """Copies what a container has left.

        Args:
            request: The request for the job.
            ml: What the container saw as `/opt/ml`.
            output_uri: Where a training job's archives go.

        Raises:
            TransferError: There is no such bucket.
        """
        try:
            if output_uri:
                self._pack(ml / "model", f"{output_uri}/model.tar.gz")
                self._pack(ml / "output" / "data", f"{output_uri}/output.tar.gz")
            for output in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
                place = output["S3Output"]
                self._copy(ml / inside(place["LocalPath"]), place["S3Uri"])
        except ClientError as error:
            raise TransferError(f"Data upload failed: {error}") from error

    def _pack(self, folder: Path, uri: str) -> None:
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        bucket, key = parts(uri)
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w:gz") as archive:
                for path in folder.iterdir():
                    archive.add(path, path.name)
            file.seek(0)
            self._client().put_object(Bucket=bucket, Key=key, Body=file)

    def _copy(self, folder: Path, uri: str) -> None:
        bucket, prefix = parts(uri)
        for path in folder.rglob("*"):
            # "Symbolic links (symlinks) can not be used to upload output data."
            if path.is_file() and not path.is_symlink():
                key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
                body = path.read_bytes()
                self._client().put_object(Bucket=bucket, Key=key.lstrip("/"), Body=body)


def parts(uri: str) -> tuple[str, str]:
    """Takes `s3://bucket/key` apart."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
