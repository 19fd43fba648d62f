# YOURS: how the engine's jobs look in Vertex AI
"""Pipeline jobs and custom jobs.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zenml.enums import ExecutionMode

from ..engine.protocols import Role
from ..engine.services.requests import merge
from ..parameters import CustomJobParameters
from ..resources import limits, machine_spec
from ..run_id import RunId, placeholder
from .environment import MOST_IN_TASK, MOST_VARIABLES, fit
from .messages import to_snake_case
from .names import JOB_VARIABLE, REGION_VARIABLE, display_name
from .pipeline_spec import LAUNCHED, Task, container, launcher, pipeline_spec, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Config, Settings
    from ..engine.protocols import JobSpec
    from ..engine.services.protocols import PipelineSpec
    from .google_cloud import Object

# What a task knows its run by, and the job that it belongs to. Vertex AI replaces it.
TOLD = {
    RunId.variable: placeholder(RunId.placeholder),
    JOB_VARIABLE: placeholder("pipeline_job_resource_name"),
}


def pipeline_job(spec: PipelineSpec, config: Config, parent: str, root: str) -> Object:
    """Makes the pipeline job of a pipeline.

    Args:
        spec: The pipeline.
        config: The orchestrator's config.
        parent: The region, `projects/<project>/locations/<region>`.
        root: Where in Cloud Storage its files go.

    Raises:
        ValueError: If a step asks for what there is not, or its environment does not fit.
    """
    policy = "SLOW" if spec.mode is ExecutionMode.CONTINUE_ON_FAILURE else "FAST"
    made: Object = {
        "displayName": display_name(spec.name),
        "pipelineSpec": pipeline_spec(
            spec.name, [task(spec, step, config, parent) for step in spec.steps]
        ),
        "labels": dict(cast("Settings", spec.settings).labels),
        "runtimeConfig": {
            "gcsOutputDirectory": root,
            "failurePolicy": f"PIPELINE_FAILURE_POLICY_FAIL_{policy}",
        },
        **network(config),
        **encryption(config),
    }
    if config.workload_service_account is not None:
        made["serviceAccount"] = config.workload_service_account
    return made


def task(spec: PipelineSpec, step: JobSpec, config: Config, parent: str) -> Task:
    """Makes the task of a step: a container, or one that starts a custom job."""
    settings = cast("Settings", step.settings)
    told = {**step.environment, **step.secrets, **TOLD}
    outputs: list[str] = []
    try:
        if settings.custom_job_parameters is not None:
            what, outputs = launcher(custom_job(step, config, told, {}), parent), [LAUNCHED]
        else:
            what = container(
                str(step.image),
                step.command,
                fit(told, MOST_IN_TASK, restored=is_ours(step)),
                limits(step.resources, settings.accelerator_type, config),
            )
    except ValueError as error:
        raise ValueError(f"Step `{step.name}`: {error}") from error
    return Task(step.name, spec.upstream[step.name], what, outputs)


def single_job(job: JobSpec, config: Config, parent: str, labels: Mapping[str, str]) -> Object:
    """Makes the custom job of a function or an isolated step.

    Args:
        job: What it is to do.
        config: The orchestrator's config.
        parent: The region.
        labels: What it is found by.

    Raises:
        ValueError: If there is no such machine, the environment does not fit, or `job_arguments`
            have something that such a job does not have.
    """
    known = {JOB_VARIABLE: str(job.parent)}
    if job.role is Role.FUNCTION or job.parent is None:
        known = {REGION_VARIABLE: parent}
    return custom_job(job, config, {**job.environment, **job.secrets, **known}, labels)


def custom_job(
    job: JobSpec, config: Config, environment: Mapping[str, str], labels: Mapping[str, str]
) -> Object:
    """Makes a custom job with an environment and labels. See `single_job`."""
    settings = cast("Settings", job.settings)
    parameters = settings.custom_job_parameters or CustomJobParameters()
    pool = {
        "machineSpec": machine_spec(job.resources, settings.accelerator_type, parameters, config),
        "replicaCount": 1,
        "diskSpec": {
            "bootDiskType": parameters.boot_disk_type,
            "bootDiskSizeGb": parameters.boot_disk_size_gb,
        },
        "containerSpec": {
            "imageUri": job.image,
            "command": list(job.command),
            "env": variables(fit(environment, MOST_VARIABLES, restored=is_ours(job))),
        },
    }
    # A dynamic pipeline's function is started again when its machine fails: the job keeps its
    # number, and so the run ID. A step is not: it has begun for ZenML, which would refuse it or run
    # it twice.
    # https://cloud.google.com/vertex-ai/docs/training/understanding-training-service
    again = job.role is Role.FUNCTION
    spec: Object = {
        "workerPoolSpecs": [pool],
        "scheduling": {"restartJobOnWorkerRestart" if again else "disableRetries": True},
        **network(config),
    }
    account = parameters.service_account or config.workload_service_account
    if account is not None:
        spec["serviceAccount"] = account
    if parameters.persistent_resource_id:
        if account is None:
            raise ValueError(
                "`custom_job_parameters` name a persistent resource, which needs a service "
                "account: set their `service_account`, or the `workload_service_account`."
            )
        spec["persistentResourceId"] = parameters.persistent_resource_id
    made: Object = {
        "displayName": display_name(job.name),
        "labels": {**settings.labels, **labels},
        "jobSpec": spec,
        **encryption(config),
    }
    if parameters.job_arguments:
        merge(made, parameters.job_arguments)
        to_snake_case("CustomJob", made)  # It says now what Vertex AI would not take.
    return made


def is_ours(job: JobSpec) -> bool:
    """Tells whether a job begins with our container's module, which restores the environment."""
    package = __package__.rpartition(".")[0]
    return list(job.command[1:3]) == ["-m", f"{package}.container"]


def network(config: Config) -> Object:
    """Returns the fields that say how a job reaches a private network."""
    found: Object = {}
    if config.network is not None:
        found["network"] = config.network
    if attachment := config.private_service_connect:
        found["pscInterfaceConfig"] = {"networkAttachment": attachment}
    return found


def encryption(config: Config) -> Object:
    """Returns the field that says which key encrypts a job."""
    key = {"kmsKeyName": config.encryption_spec_key_name}
    return {"encryptionSpec": key} if config.encryption_spec_key_name else {}
