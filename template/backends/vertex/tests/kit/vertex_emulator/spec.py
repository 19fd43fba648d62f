# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The spec of a pipeline: which tasks there are, and what each runs.

https://cloud.google.com/vertex-ai/docs/pipelines/build-pipeline
https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto

Only tasks that are containers, all on the root's level, are known here. What they read of each
other, conditions, loops, importers and caches are refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from google.cloud.aiplatform_v1.types import AcceleratorType
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from .api import ApiError, refuse_if

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Object = dict[str, Any]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
SCHEMAS = ("2.0.0", "2.1.0")
# "Number of pipeline tasks per job: 10,000". No limit is documented for the size of a spec.
# https://cloud.google.com/vertex-ai/docs/quotas#pipelines
MAX_TASKS = 10_000
# https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
MAX_CPUS, MAX_MEMORY = 96, 624
CPU = re.compile(r"(\d+(?:\.\d+)?)(m?)")
MEMORY = re.compile(r"(\d+(?:\.\d+)?)(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki)?")
GIGABYTES = {
    unit + binary: base**power / 10**9
    for power, unit in enumerate("KMGTPE", start=1)
    for binary, base in (("", 1000), ("i", 1024))
}
EMPTY: Object = {"LIST": [], "STRUCT": Object()}
KINDS = pipeline_spec_pb2.ParameterType.ParameterTypeEnum
PLACEHOLDER = re.compile(r"\{\{\$\.([a-z_]+)\}\}")
PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
# What the launcher of pipeline components is: the service carries it out by itself.
# https://github.com/kubeflow/pipelines/tree/master/components/google-cloud
LAUNCHER_IMAGE = "gcr.io/ml-pipeline/google-cloud-pipeline-components:"
LAUNCHER_MODULE = "google_cloud_pipeline_components.container.v1.custom_job.launcher"


@dataclass(frozen=True)
class Task:
    """A task of a pipeline.

    Attributes:
        name: Its name.
        after: The names of the tasks that come before it.
        container: What it runs, a `PipelineContainerSpec`.
        retry: How often it is tried again, a `RetryPolicy`.
        inputs: The values of its parameters, with placeholders in them.
    """

    name: str
    after: list[str]
    container: Any
    retry: Any
    inputs: Object

    def resolved(self, placeholders: Mapping[str, str]) -> Object:
        """Returns the container's image, command, arguments, environment and resources.

        Args:
            placeholders: The values that the service puts in, by name.
        """

        def resolve(text: str) -> str:
            given = PARAMETER.sub(self._parameter, text)
            return PLACEHOLDER.sub(lambda found: placeholders.get(found[1], found[0]), given)

        container = self.container
        return {
            "image": resolve(container.image),
            "command": [resolve(each) for each in container.command],
            "args": [resolve(each) for each in container.args],
            "env": {each.name: resolve(each.value) for each in container.env},
            "resources": json_format.MessageToDict(
                container.resources, preserving_proto_field_name=True
            ),
        }

    def _parameter(self, found: re.Match[str]) -> str:
        if found[1] not in self.inputs:
            return found[0]
        value = with_integers(self.inputs[found[1]])
        return value if isinstance(value, str) else json.dumps(value)


def with_integers(value: Any) -> Any:
    """Returns a value whose whole numbers are integers. A `Struct` knows only floats."""
    if isinstance(value, dict):
        return {name: with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def launched(container: Object) -> Object | None:
    """Returns the custom job that a container's launcher would create; None if it is no launcher.

    Args:
        container: The container, resolved.

    Raises:
        ApiError: The launcher would fail.
    """
    if not container["image"].startswith(LAUNCHER_IMAGE):
        return None
    known = container["command"] == ["python3", "-u", "-m", LAUNCHER_MODULE]
    refuse_if(not known, f"The emulator knows no other component than {LAUNCHER_MODULE}")
    arguments = container["args"]
    options = dict(zip(arguments[0::2], arguments[1::2], strict=False))
    needed = {"--type", "--payload", "--project", "--location", "--gcp_resources"}
    refuse_if(needed - options.keys(), f"The launcher needs {', '.join(sorted(needed))}")
    refuse_if(options["--type"] != "CustomJob", "The launcher is for custom jobs")
    try:
        payload: Object = without_empty(json.loads(options["--payload"], strict=False)) or {}
    except ValueError as error:
        raise ApiError("INVALID_ARGUMENT", f"The payload is not JSON: {error}") from error
    scheduling = payload.get("job_spec", {}).get("scheduling", {})
    # It is the default of a parameter there, and the service would refuse it.
    if scheduling.get("strategy") != "FLEX_START":
        scheduling.pop("max_wait_duration", None)
    parent = f"projects/{options['--project']}/locations/{options['--location']}"
    return {"parent": parent, "job": payload}


def without_empty(value: Any) -> Any:
    """Returns a value without what is empty in it, as the launcher does; None if all of it is."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := without_empty(item))} or None
    if isinstance(value, list):
        return [without_empty(item) for item in value] or None
    return value or None


@dataclass(frozen=True)
class Spec:
    """A spec that has been checked.

    Attributes:
        name: The pipeline's name.
        content: The spec, as it was submitted.
        tasks: The tasks by name, in an order that they could run in.
    """

    name: str
    content: Object
    tasks: dict[str, Task]


def parse(content: Object, given: Object) -> Spec:
    """Reads and checks a spec.

    Args:
        content: The spec.
        given: The values of the pipeline's parameters.

    Raises:
        ApiError: It is not valid.
    """
    spec = parsed(content, pipeline_spec_pb2.PipelineSpec())
    version = spec.schema_version
    refuse_if(version not in SCHEMAS, f"Unsupported schema_version: {version!r}")
    name = spec.pipeline_info.name
    refuse_if(NAME.fullmatch(name) is None, f"Invalid pipeline_info.name: {name!r}")
    count = len(spec.root.dag.tasks)
    text = f"root.dag.tasks has {count} tasks, from 1 to {MAX_TASKS} are allowed"
    refuse_if(not 0 < count <= MAX_TASKS, text)
    # It holds messages of another type.
    config = parsed(content.get("deploymentSpec", {}), pipeline_spec_pb2.PipelineDeploymentConfig())
    values = input_values(spec.root.input_definitions, given, "The pipeline")
    tasks: dict[str, Task] = {}
    for key, task in spec.root.dag.tasks.items():
        refuse_if(not task.task_info.name, f"Task {key}: task_info.name is missing")
        tasks[key] = parse_task(key, task, spec, config, values)
    order: TopologicalSorter[str] = TopologicalSorter()
    for each in tasks.values():
        unknown = [name for name in each.after if name not in tasks]
        refuse_if(unknown, f"Task {each.name} depends on unknown tasks: {', '.join(unknown)}")
        order.add(each.name, *each.after)
    try:
        return Spec(name, content, {key: tasks[key] for key in order.static_order()})
    except CycleError as error:
        text = f"The tasks form a cycle: {' -> '.join(error.args[1])}"
        raise ApiError("INVALID_ARGUMENT", text) from error


def parsed(content: Object, message: Any) -> Any:
    """Reads a message. A field that it does not have is refused."""
    try:
        return json_format.ParseDict(content, message)
    except json_format.ParseError as error:
        raise ApiError("INVALID_ARGUMENT", f"Failed to parse the pipeline spec: {error}") from error


def parse_task(key: str, task: Any, spec: Any, config: Any, values: Object) -> Task:
    """Reads and checks a task.

    Args:
        key: Its name.
        task: The message.
        spec: The whole spec.
        config: What its `deployment_spec` holds.
        values: The values of the pipeline's parameters.
    """
    for field in ("trigger_policy", "artifact_iterator", "parameter_iterator"):
        refuse_if(task.HasField(field), f"Task {key}: {field} is not known to this emulator")
    text = f"Task {key}: caching is not known to this emulator"
    refuse_if(task.caching_options.enable_cache, text)
    label = task.component_ref.name
    refuse_if(label not in spec.components, f"Task {key}: there is no component {label!r}")
    component = spec.components[label]
    executor = component.executor_label
    refuse_if(executor not in config.executors, f"Task {key}: there is no executor {executor!r}")
    refuse_if(not config.executors[executor].HasField("container"), f"Task {key} has no container")
    container = config.executors[executor].container
    refuse_if(not container.image, f"Task {key}: container.image is missing")
    check_resources(key, container.resources)
    check_retry(key, task.retry_policy)
    given: Object = {}
    refuse_if(task.inputs.artifacts, f"Task {key}: artifacts are not known to this emulator")
    for name, source in task.inputs.parameters.items():
        if source.HasField("component_input_parameter"):
            outer = source.component_input_parameter
            refuse_if(outer not in values, f"Task {key}: there is no parameter {outer!r}")
            given[name] = values[outer]
        else:
            known = source.HasField("runtime_value")
            refuse_if(not known, f"Task {key}: input {name} is not known to this emulator")
            given[name] = json_format.MessageToDict(source.runtime_value.constant)
    inputs = input_values(component.input_definitions, given, f"Task {key}")
    return Task(key, [*task.dependent_tasks], container, task.retry_policy, inputs)


def input_values(definitions: Any, given: Object, whose: str) -> Object:
    """Returns the values of parameters.

    Args:
        definitions: Which there are, a `ComponentInputsSpec`.
        given: Those that are given.
        whose: For messages.

    Raises:
        ApiError: One is unknown, has no value or one of another type.
    """
    unknown = sorted(given.keys() - definitions.parameters.keys())
    refuse_if(unknown, f"{whose} has no parameters {', '.join(unknown)}")
    values: Object = {}
    for name, definition in definitions.parameters.items():
        kind = KINDS.Name(definition.parameter_type)
        if name in given:
            value = given[name]
            is_placeholder = isinstance(value, str) and PLACEHOLDER.fullmatch(value)
            fits = is_placeholder or TYPES.get(kind, lambda _: True)(value)
            refuse_if(not fits, f"{whose}: parameter {name} must be of type {kind}")
            values[name] = value
        elif definition.HasField("default_value"):
            values[name] = json_format.MessageToDict(definition.default_value)
        else:
            refuse_if(not definition.is_optional, f"{whose}: parameter {name} has no value")
            # What compilers leave out if it is a default. Components count on it in their JSON.
            if kind in EMPTY:
                values[name] = EMPTY[kind]
    return values


def is_number(value: Any) -> bool:
    """Tells numbers from the rest."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TYPES: dict[str, Callable[[Any], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "LIST": lambda value: isinstance(value, list),
    "STRUCT": lambda value: isinstance(value, dict),
    "NUMBER_INTEGER": lambda value: is_number(value) and value == int(value),
    "NUMBER_DOUBLE": is_number,
}


def check_resources(key: str, resources: Any) -> None:
    """Checks what a task's container asks for. The older fields hold numbers, the newer text.

    https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
    """
    for part in ("limit", "request"):
        cpu = getattr(resources, f"cpu_{part}")
        text = getattr(resources, f"resource_cpu_{part}")
        if text:
            found = CPU.fullmatch(text)
            refuse_if(found is None, f"Task {key}: invalid cpu {part}: {text!r}")
            assert found is not None
            cpu = float(found[1]) / (1000 if found[2] else 1)
        refuse_if(not 0 <= cpu <= MAX_CPUS, f"Task {key}: cpu {part} {cpu} exceeds {MAX_CPUS}")
        memory = getattr(resources, f"memory_{part}")
        text = getattr(resources, f"resource_memory_{part}")
        if text:
            found = MEMORY.fullmatch(text)
            refuse_if(found is None, f"Task {key}: invalid memory {part}: {text!r}")
            assert found is not None
            memory = float(found[1]) * (GIGABYTES[found[2]] if found[2] else 1e-9)
        beyond = f"Task {key}: memory {part} {memory} exceeds {MAX_MEMORY} GB"
        refuse_if(not 0 <= memory <= MAX_MEMORY, beyond)
    accelerator = resources.accelerator
    kind = accelerator.resource_type or accelerator.type
    count = accelerator.resource_count or str(accelerator.count or "")
    text = f"Task {key}: an accelerator has both a type and a count: {kind!r}, {count!r}"
    refuse_if(bool(kind) != bool(count), text)
    refuse_if(count and not count.isdecimal(), f"Task {key}: invalid accelerator count {count!r}")
    unknown = kind and kind not in AcceleratorType.__members__
    refuse_if(unknown, f"Task {key}: unknown accelerator type {kind!r}")


def check_retry(key: str, retry: Any) -> None:
    """Checks how a task is tried again."""
    refuse_if(retry.max_retry_count < 0, f"Task {key}: max_retry_count must not be negative")
    refuse_if(retry.backoff_factor < 0, f"Task {key}: backoff_factor must not be negative")
    for field in ("backoff_duration", "backoff_max_duration"):
        wrong = getattr(retry, field).ToTimedelta().total_seconds() < 0
        refuse_if(wrong, f"Task {key}: {field} must not be negative")
