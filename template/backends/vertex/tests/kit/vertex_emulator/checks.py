# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What the service refuses, as the reference of its messages says.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform_v1.types import AcceleratorType, Scheduling
from .api import ApiError, refuse_if

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_NAME = 128
# https://cloud.google.com/resource-manager/docs/labels-overview#requirements
MAX_LABELS, MAX_LABEL = 64, 63
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
NETWORK = re.compile(r"projects/\d+/global/networks/[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
ATTACHMENT = re.compile(r"(projects/[^/]+/regions/[^/]+/networkAttachments/)?[a-z][-a-z0-9]{0,62}")
KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
# Such as `n1-standard-4`, `e2-highmem-2`, `a2-ultragpu-1g`, `ct5lp-hightpu-4t`.
# https://cloud.google.com/vertex-ai/docs/training/configure-compute#machine-types
FAMILIES = "a2|a3|a4|a4x|c2|c2d|c3|c3d|c4|cloud-tpu|ct5lp|ct6e|e2|g2|g4|m1|n1|n2|n2d"
MACHINE = re.compile(rf"({FAMILIES})(-[a-z0-9]+)+")
GCS = re.compile(r"gs://([a-z0-9][-_.a-z0-9]{1,220}[a-z0-9])(/.*)?", re.DOTALL)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_VARIABLES = 100
PERSISTENT = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
WEEK = 7 * 24 * 3600


class Checks:
    """The checks that need to know the project."""

    def __init__(
        self, project_id: str, number: str, region: str, has_bucket: Callable[[str], bool]
    ) -> None:
        """Takes what requests are held against.

        Args:
            project_id: The project's ID.
            number: Its number.
            region: The region that everything is in.
            has_bucket: Tells whether there is a bucket of a name.
        """
        self._ids, self._region, self._has_bucket = (project_id, number), region, has_bucket
        self.parent = f"projects/{number}/locations/{region}"

    def place(self, name: str) -> str:
        """Checks where something is, or is to be.

        Args:
            name: A resource name, with the project's ID or number.

        Returns:
            The name with the number, as the service has it.

        Raises:
            ApiError: It is not here.
        """
        parts = name.split("/")
        refuse_if(parts[0::2][:1] != ["projects"] or len(parts) < 2, f"Invalid name: {name}")
        if parts[1] not in self._ids:
            text = f"Permission denied on resource project {parts[1]}."
            raise ApiError("PERMISSION_DENIED", text)
        if parts[2:3] == ["locations"]:
            # https://cloud.google.com/vertex-ai/docs/general/locations
            text = "The provided location ID doesn't match the endpoint."
            refuse_if(parts[3:4] != [self._region], f"{text} {name}")
        return "/".join(["projects", self._ids[1], *parts[2:]])

    def gcs(self, uri: str, field: str) -> None:
        """Checks a path in a bucket, which must exist."""
        found = GCS.fullmatch(uri)
        refuse_if(found is None, f"Invalid {field}: {uri!r}. It must begin with gs://<bucket>")
        assert found is not None
        exists = self._has_bucket(found[1])
        refuse_if(not exists, f"{field}: the bucket {found[1]} does not exist")

    def encryption(self, message: Any) -> None:
        """Checks which key a resource is encrypted with."""
        name = message.encryption_spec.kms_key_name
        refuse_if(name and KEY.fullmatch(name) is None, f"Invalid kms_key_name: {name!r}")
        here = f"/locations/{self._region}/"
        # https://cloud.google.com/vertex-ai/docs/general/cmek#resource-list
        refuse_if(name and here not in name, f"The key must be in {self._region}: {name}")

    def custom_job(self, job: Any) -> None:
        """Checks a CustomJob.

        Args:
            job: The message.

        Raises:
            ApiError: The service would refuse it.
        """
        check_display_name(job.display_name)
        check_labels(job.labels)
        self.encryption(job)
        spec = job.job_spec
        check_workload(spec)
        pools = spec.worker_pool_specs
        refuse_if(not pools, "job_spec.worker_pool_specs must not be empty")
        refuse_if(len(pools) != 1, "The emulator runs one worker pool of each job")
        check_pool(pools[0], persistent=bool(spec.persistent_resource_id))
        check_scheduling(spec.scheduling)
        resource = spec.persistent_resource_id
        wrong = resource and PERSISTENT.fullmatch(resource) is None
        refuse_if(wrong, f"Invalid persistent_resource_id: {resource!r}")
        if spec.base_output_directory.output_uri_prefix:
            self.gcs(spec.base_output_directory.output_uri_prefix, "base_output_directory")


def check_display_name(name: str) -> None:
    """Checks a name that is shown."""
    refuse_if(not name, "Required field is not set.", "display_name")
    text = f"It has {len(name)} characters, {MAX_NAME} at most are allowed."
    refuse_if(len(name) > MAX_NAME, text, "display_name")


def check_labels(labels: Mapping[str, str]) -> None:
    """Checks the labels of a resource."""
    refuse_if(len(labels) > MAX_LABELS, f"There can be at most {MAX_LABELS} labels")
    for key, value in labels.items():
        # "Keys must start with a lowercase letter or international character."
        begins_well = key[:1].isalpha()
        refuse_if(not begins_well or not is_label(key), f"Invalid label key: {key!r}")
        refuse_if(not is_label(value), f"Invalid value of label {key}: {value!r}")


def is_label(text: str) -> bool:
    """Tells whether a text could be the value of a label."""
    return len(text) <= MAX_LABEL and all(
        letter in "-_"
        # Letters that are not capitals, and digits. The marks belong to letters.
        or unicodedata.category(letter) in ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")
        for letter in text
    )


def check_workload(message: Any) -> None:
    """Checks what pipeline jobs and custom jobs have in common."""
    account, network = message.service_account, message.network
    wrong = account and EMAIL.fullmatch(account) is None
    refuse_if(wrong, f"Invalid service_account: {account!r} is not an e-mail address")
    wrong = network and NETWORK.fullmatch(network) is None
    expected = "projects/<project number>/global/networks/<name>"
    refuse_if(wrong, f"Invalid network: {network!r}. It must look like {expected}")
    attachment = message.psc_interface_config.network_attachment
    text = f"Invalid network_attachment: {attachment!r}"
    refuse_if(attachment and ATTACHMENT.fullmatch(attachment) is None, text)
    text = "network and psc_interface_config cannot be set at the same time"
    refuse_if(network and message.HasField("psc_interface_config"), text)


def check_pool(pool: Any, *, persistent: bool) -> None:
    """Checks a worker pool.

    Args:
        pool: The message.
        persistent: Whether the job runs on machines that it does not make.
    """
    refuse_if(pool.HasField("python_package_spec"), "The emulator runs containers only")
    refuse_if(not pool.container_spec.image_uri, "container_spec.image_uri is required")
    machine = pool.machine_spec
    kind = machine.machine_type
    refuse_if(not kind and not persistent, "machine_spec.machine_type is required")
    wrong = kind and MACHINE.fullmatch(kind) is None
    refuse_if(wrong, f"Machine type {kind!r} is not supported.")
    with_type = machine.accelerator_type != AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
    text = "accelerator_type and accelerator_count must be set together"
    refuse_if(with_type != (machine.accelerator_count > 0), text)
    refuse_if(pool.replica_count != 1, "The first worker pool must have replica_count 1")
    check_variables(pool.container_spec.env)


def check_variables(variables: Any) -> None:
    """Checks the environment of a container."""
    path = "job_spec.worker_pool_specs[0].container_spec.env"
    text = f"There are {len(variables)} variables, {MAX_VARIABLES} at most are allowed."
    refuse_if(len(variables) > MAX_VARIABLES, text, path)
    for number, each in enumerate(variables):
        wrong = VARIABLE.fullmatch(each.name) is None
        refuse_if(wrong, f"{each.name!r} is not a C identifier.", f"{path}[{number}].name")
        # https://github.com/kubeflow/pipelines/issues/10111
        refuse_if(not each.value, "Required field is not set.", f"{path}[{number}].value")


def check_scheduling(scheduling: Any) -> None:
    """Checks how a custom job is scheduled."""
    if scheduling.HasField("timeout"):
        seconds = scheduling.timeout.ToTimedelta().total_seconds()
        refuse_if(not 0 < seconds <= WEEK, f"timeout must be from 0 to 7 days, not {seconds} s")
    flexible = scheduling.strategy == Scheduling.Strategy.FLEX_START
    # So the launcher of pipeline components says.
    text = "max_wait_duration is acceptable only when strategy is FLEX_START"
    refuse_if(scheduling.HasField("max_wait_duration") and not flexible, text)
