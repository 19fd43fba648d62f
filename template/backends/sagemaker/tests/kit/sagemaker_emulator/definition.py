# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The definition of a pipeline: a JSON document, which the service checks when it gets it.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-overview.html and, for the document's
form, https://github.com/aws-sagemaker-mlops/sagemaker-model-building-pipeline-definition-JSON-schema

Only steps that are training and processing jobs are known here, and only variables of the
execution and parameters. A reference to another step's properties is refused.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from .model import ApiError, check, compiled, service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

VERSION = "2020-12-01"
MEMBERS = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "Steps"}
STEP_MEMBERS = {
    "Name", "Type", "Arguments", "DependsOn", "RetryPolicies", "CacheConfig", "DisplayName",
    "Description",
}  # fmt: skip
PARAMETER_TYPES: dict[str, type | tuple[type, ...]] = {
    "Boolean": bool,
    "Float": (int, float),
    "Integer": int,
    "String": str,
}
# https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html
VARIABLES = {
    f"Execution.{name}"
    for name in (
        "CurrentDateTime", "PipelineArn", "PipelineExecutionArn", "PipelineExecutionId",
        "PipelineName", "ProcessingJobName", "StartDateTime", "TrainingJobName",
    )
}  # fmt: skip
# https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
RETRIED = {
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
}  # fmt: skip
INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"


@dataclass(frozen=True)
class Step:
    """A step of a definition.

    Attributes:
        name: Its name.
        kind: `training` or `processing`.
        arguments: The request for its job, with variables in it.
        depends_on: The names of the steps that come before it.
        retries: Its retry policies.
        shown: Its display name and description, as the API returns them.
    """

    name: str
    kind: str
    arguments: Object
    depends_on: list[str]
    retries: list[Object]
    shown: Object


@dataclass(frozen=True)
class Definition:
    """A definition that has been checked.

    Attributes:
        text: As it was submitted.
        document: The same, read.
        steps: Its steps by name.
        defaults: Its parameters, and their default values. Those without one are not here.
    """

    text: str
    document: Object
    steps: dict[str, Step]
    defaults: dict[str, Any]

    def parameters(self, given: list[Object]) -> dict[str, Any]:
        """Returns the values of all parameters of an execution.

        Args:
            given: Names and values as a request has them: all values are text.

        Raises:
            ApiError: One of them is unknown or has no value.
        """
        types = {each["Name"]: each["Type"] for each in self.document.get("Parameters", [])}
        values = dict(self.defaults)
        for parameter in given:
            name, value = parameter["Name"], parameter["Value"]
            if name not in types:
                raise refused(f"Unknown parameters: [{name}]")
            try:
                values[name] = value if types[name] == "String" else json.loads(value)
            except ValueError:
                raise refused(f"Parameter {name} is not of type {types[name]}") from None
        if missing := sorted(types.keys() - values.keys()):
            raise refused(f"Parameters [{', '.join(missing)}] have neither value nor default")
        return values


def refused(message: str) -> ApiError:
    """Makes the error that a bad definition is answered with."""
    return ApiError("ValidationException", message)


def request_shape(kind: str) -> Any:
    """Returns the shape of the request that creates a job.

    Args:
        kind: `training` or `processing`.
    """
    return service_model("sagemaker").shape_for(f"Create{kind.title()}JobRequest")


def parse(text: str) -> Definition:
    """Reads and checks a definition.

    Raises:
        ApiError: It is not valid.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise refused(f"Unable to parse pipeline definition. {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Steps"), list):
        raise refused("Unable to parse pipeline definition. An object with Steps is expected.")
    known("Pipeline definition", document, MEMBERS)
    if document.get("Version") != VERSION:
        raise refused(f"Unsupported version of the pipeline definition: {document.get('Version')}")
    if not document["Steps"]:
        raise refused("Pipeline definition must have at least one step")
    defaults = parameters_of(document)
    names = VARIABLES | {f"Parameters.{each['Name']}" for each in document.get("Parameters", [])}
    for variable in variables_in([document["Steps"], document.get("PipelineExperimentConfig")]):
        if variable not in names:
            raise refused(f"Cannot assign property reference [{variable}]: it is unknown")
    steps: dict[str, Step] = {}
    for raw in document["Steps"]:
        step = parse_step(raw)
        if step.name in steps:
            raise refused(f"Step names must be unique within a pipeline: {step.name}")
        steps[step.name] = step
    check_order(steps)
    return Definition(text, document, steps, defaults)


def known(what: str, value: Object, names: set[str]) -> None:
    """Checks that an object has no members but these."""
    if unknown := sorted(value.keys() - names):
        raise refused(f"{what}: unknown fields {', '.join(unknown)}")


def parameters_of(document: Object) -> dict[str, Any]:
    """Checks the parameters of a definition, and returns their default values."""
    defaults: dict[str, Any] = {}
    names = set()
    shape = service_model("sagemaker").shape_for("PipelineParameterName")
    for parameter in document.get("Parameters", []):
        known("Parameter", parameter, {"Name", "Type", "DefaultValue", "EnumValues"})
        name, kind = parameter.get("Name"), parameter.get("Type")
        check(shape, name)
        if kind not in PARAMETER_TYPES:
            raise refused(f"Parameter {name} has unknown type {kind}")
        if name in names:
            raise refused(f"Parameter names must be unique within a pipeline: {name}")
        names.add(name)
        if "DefaultValue" in parameter:
            defaults[name] = value = parameter["DefaultValue"]
            if not isinstance(value, PARAMETER_TYPES[kind]):
                raise refused(f"The default value of parameter {name} is not of type {kind}")
    return defaults


def parse_step(raw: Object) -> Step:
    """Reads and checks a step."""
    known("Step", raw, STEP_MEMBERS)
    name, kind = raw.get("Name"), raw.get("Type")
    pattern = service_model("sagemaker").shape_for("StepName").metadata
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= pattern["max"]
        or not compiled(pattern["pattern"]).fullmatch(name)
    ):
        raise refused(f"Step name {name!r} must satisfy {pattern['pattern']}, 1 to 64 characters")
    if kind not in ("Training", "Processing"):
        raise refused(f"Step {name}: type {kind} is not known to this emulator")
    kind = kind.lower()
    arguments = raw.get("Arguments")
    if not isinstance(arguments, dict):
        raise refused(f"Step {name} has no arguments")
    job_name = f"{kind.title()}JobName"
    if job_name in arguments:
        raise refused(f"Step {name}: {job_name} is made by the service")
    try:
        # Variables have a length only when they have a value.
        check(request_shape(kind), {**arguments, job_name: "later"}, is_variable=is_variable)
    except ApiError as error:
        raise refused(f"Step {name}: {error.message}") from error
    for policy in raw.get("RetryPolicies", []):
        check_retry_policy(name, policy)
    return Step(
        name=name,
        kind=kind,
        arguments=arguments,
        depends_on=raw.get("DependsOn", []),
        retries=raw.get("RetryPolicies", []),
        shown={
            f"Step{member}": raw[member]
            for member in ("DisplayName", "Description")
            if member in raw
        },
    )


def check_retry_policy(step: str, policy: Object) -> None:
    """Checks a retry policy of a step.

    https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
    """
    names = {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"}
    known(f"Step {step}: retry policy", policy, names)
    types = policy.get("ExceptionType")
    if not isinstance(types, list) or not types or not RETRIED.issuperset(types):
        raise refused(f"Step {step}: ExceptionType must be among {', '.join(sorted(RETRIED))}")
    if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
        raise refused(f"Step {step}: either MaxAttempts or ExpireAfterMin must be given")
    for name, least, most in (
        ("IntervalSeconds", 1, math.inf),
        ("BackoffRate", 1, math.inf),
        ("MaxAttempts", 1, 20),
        ("ExpireAfterMin", 1, 14400),
    ):
        if name in policy and not least <= policy[name] <= most:
            raise refused(f"Step {step}: {name} must be from {least} to {most}")


def check_order(steps: Mapping[str, Step]) -> None:
    """Checks that steps depend on steps that exist, and not on themselves."""
    for step in steps.values():
        if unknown := [name for name in step.depends_on if name not in steps]:
            raise refused(f"Step {step.name} depends on unknown steps: {', '.join(unknown)}")
    try:
        TopologicalSorter({step.name: step.depends_on for step in steps.values()}).prepare()
    except CycleError as error:
        raise refused(f"Cycle detected in the steps: {' -> '.join(error.args[1])}") from error


def is_variable(value: Any) -> bool:
    """Tells an object that stands for a value which the service puts in.

    https://docs.aws.amazon.com/sagemaker/latest/dg/build-and-manage-properties.html
    """
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, content),) = value.items()
    if name == "Get":
        return isinstance(content, str)
    return (
        name == "Std:Join"
        and isinstance(content, dict)
        and content.keys() == {"On", "Values"}
        and isinstance(content["On"], str)
        and isinstance(content["Values"], list)
        and all(is_variable(part) or is_plain(part) for part in content["Values"])
    )


def is_plain(value: Any) -> bool:
    """Tells text, numbers and booleans from the rest."""
    return isinstance(value, (str, int, float))


def variables_in(value: Any) -> set[str]:
    """Returns the names of all variables in a value."""
    if isinstance(value, dict):
        if is_variable(value) and "Get" in value:
            return {value["Get"]}
        return variables_in(list(value.values()))
    if isinstance(value, list):
        return set().union(*map(variables_in, value))
    return set()


def resolve(value: Any, variables: Mapping[str, Any]) -> Any:
    """Returns a value with all variables in it replaced.

    Args:
        value: Part of a definition.
        variables: What `Get` gets, by name.
    """
    if is_variable(value):
        if "Get" in value:
            return variables[value["Get"]]
        join = value["Std:Join"]
        return join["On"].join(as_text(resolve(part, variables)) for part in join["Values"])
    if isinstance(value, dict):
        return {name: resolve(item, variables) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, variables) for item in value]
    return value


def as_text(value: Any) -> str:
    """Returns a value as text, as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value)
