"""The mutants of `kubernetes`."""

from __future__ import annotations

from mutants.contract import (
    CONSTANT_ID,
    EVERY_PROCESS_OF_DYNAMIC,
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    KILLED,
    NO_STOP,
    RESOURCES_IGNORED,
    RESTART,
    RUN_ID,
    SAME_STEPS,
    STAYS_RUNNING,
    STEPS_WITHOUT_ID,
    read,
    set_if,
)
from mutants.mutant import Mutant

REQUESTED = "test_resources.py::test_what_a_step_asks_for_is_requested_and_the_limit"


def without(resource: str) -> dict[str, str]:
    """Leaves a resource out of what a container asks for, by an expression with `gpu_resource`."""
    return {
        "resources.py": f"""
_quantities = quantities


def quantities(settings, gpu_resource):
    found = _quantities(settings, gpu_resource)
    found.pop({resource}, None)
    return found
"""
    }


MUTANTS = [
    CONSTANT_ID,
    Mutant(
        "The pod's name as ID",
        RESTART,
        {"run_id.py": 'CONTROLLER_FIELDS[RunId.variable] = "metadata.name"'},
    ),
    Mutant(
        "An ID made at submission, which each firing of a schedule repeats",
        "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own",
        {
            "platform/schedules.py": """
import uuid

from ..run_id import RunId

_cron_job_manifest = cron_job_manifest


def cron_job_manifest(controller, job, cron):
    manifest = _cron_job_manifest(controller, job, cron)
    (only,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    others = [each for each in only["env"] if each["name"] != RunId.variable]
    only["env"] = [*others, {"name": RunId.variable, "value": str(uuid.uuid4())}]
    return manifest
"""
        },
    ),
    Mutant(
        "A new UUID in each step",
        SAME_STEPS,
        {
            "run_id.py": """
import os
import uuid

_read = RunId.read


def _make_up_in_steps(self, connect):
    in_step = f"{self.variable}_POD" not in os.environ
    return str(uuid.uuid4()) if in_step else _read(self, connect)


RunId.read = _make_up_in_steps
"""
        },
    ),
    ID_MADE_UP,
    STEPS_WITHOUT_ID,
    Mutant(
        "The variable is not set in isolated steps",
        EVERY_PROCESS_OF_DYNAMIC,
        set_if("'step_run_id' not in job.labels"),
    ),
    Mutant(
        "The pod's name instead of its Job's UID",
        RESTART,
        read("os.environ.get(self.variable) or os.environ[f'{self.variable}_POD']"),
        strategy="parent_job",
    ),
    Mutant("CPUs ignored", REQUESTED, without("'cpu'")),
    Mutant("Memory ignored", REQUESTED, without("'memory'")),
    Mutant("GPUs ignored", REQUESTED, without("gpu_resource")),
    Mutant(
        "Requests without limits",
        REQUESTED,
        {
            "resources.py": """
_container_resources = container_resources


def container_resources(wanted, explicit):
    return {"requests": _container_resources(wanted, explicit)["requests"]}
"""
        },
    ),
    RESOURCES_IGNORED,
    Mutant(
        "A dynamic pipeline's own resources ignored",
        "test_resources.py::test_what_a_dynamic_pipeline_and_its_isolated_step_ask_for_they_get",
        {
            "engine/job_specs.py": """
_own_job = JobSpecs.own_job


def _own_job_without_resources(self):
    return replace(_own_job(self), resources=ResourceSettings())


JobSpecs.own_job = _own_job_without_resources
"""
        },
    ),
    Mutant(
        "The token in clear in the manifest",
        "test_secrets.py::test_the_token_is_in_a_secret_and_in_no_other_object_nor_in_any_log",
        {"engine/job_specs.py": "split_secrets = lambda environment: (dict(environment), {})"},
    ),
    Mutant(
        "A Secret that belongs to nobody",
        "test_secrets.py::test_the_secret_and_the_steps_go_with_the_orchestrator_s_job",
        {
            "platform/manifests.py": """
_secret_manifest = secret_manifest


def secret_manifest(values, owner):
    return {**_secret_manifest(values, owner), "metadata": {"name": owner["name"]}}
"""
        },
    ),
    Mutant(
        "Jobs with random names",
        "test_pods.py::test_the_same_key_gives_the_same_name_and_another_gives_another",
        {
            "engine/slugs.py": """
import os

_unique_name = unique_name


def unique_name(*parts, unique, max_length):
    return _unique_name(*parts, unique=os.urandom(8).hex(), max_length=max_length)
"""
        },
    ),
    Mutant(
        "A restarted controller that begins anew",
        "test_survival.py::test_a_step_whose_job_was_deleted_while_nobody_looked_is_not_run_again",
        {"engine/controller.py": "Controller._recover = lambda self: True"},
    ),
    Mutant(
        "Failed requests are not tried again",
        "test_survival.py::test_a_run_completes_though_one_in_five_requests_fails",
        {
            "platform/client.py": """
_client = client


def client(configuration, retries):
    return _client(configuration, 0)
""",
            "platform/jobs.py": "KubernetesPlatform.transient = ()",
        },
    ),
    Mutant(
        "A watch that gives up when it has expired",
        "test_survival.py::test_a_run_completes_though_watches_break_off_and_expire",
        {
            "platform/watching.py": """
def watch(self, version, watch=Listing.watch):
    import os
    from .manifests import POD_VARIABLE
    try:
        yield from watch(self, version)
    except ExpiredVersionError:
        if POD_VARIABLE in os.environ:
            os._exit(1)
        raise
Listing.watch = watch
"""
        },
    ),
    FAILURE_AS_SUCCESS,
    STAYS_RUNNING,
    Mutant(
        "A failed Job taken for a finished one",
        KILLED,
        {
            "platform/job_status.py": """
def why_failed(failed, pod):
    return JobStatus(Phase.SUCCEEDED, exit_code=0)
"""
        },
    ),
    NO_STOP,
    Mutant(
        "Variables that Kubernetes expands",
        "test_pods.py::test_a_literal_survives_what_kubernetes_expands",
        {"platform/manifests.py": "def literal(text):\n    return text"},
    ),
    Mutant(
        "A token for the cluster in every pod",
        "test_pods.py::test_only_the_orchestrator_s_pod_can_talk_to_kubernetes",
        {
            "platform/manifests.py": """
_pod_template = pod_template


def pod_template(*arguments):
    template = _pod_template(*arguments)
    template["spec"]["automountServiceAccountToken"] = True
    return template
"""
        },
    ),
    Mutant(
        "Containers that may do all they like",
        "test_pods.py::test_pods_may_do_no_more_than_they_need",
        {"platform/manifests.py": "RESTRICTED = {}"},
    ),
    Mutant(
        "Labels as the user writes them",
        "test_pods.py::test_every_text_gives_names_and_labels_that_kubernetes_takes",
        {"engine/slugs.py": "def label_value(text, max_length):\n    return text"},
    ),
    Mutant(
        "Steps whose names look alike share a Job",
        "test_pods.py::test_steps_whose_names_look_alike_have_jobs_of_their_own",
        {
            "platform/manifests.py": """
def job_name(job):
    key = str(job.key).replace("_", "-")
    return unique_name("", job.name, unique=key, max_length=LONGEST_NAME)
"""
        },
    ),
]

EQUIVALENT = [
    Mutant(
        "Another variable",
        RUN_ID,
        text={"run_id.py": {'variable = "MUTANT_RUN_ID"': 'variable = "EXECUTION"'}},
    ),
    Mutant(
        "The Job's name and its UID",
        RUN_ID,
        {
            "run_id.py": """
import os

CONTROLLER_FIELDS.clear()

_read = RunId.read


def _of_job(self, platform, handle):
    return f"{handle}_{platform.uid_of(handle)}"


def _ask(self, connect):
    if os.environ.get(self.variable) or f"{self.variable}_POD" not in os.environ:
        return _read(self, connect)
    platform = connect()
    return self.of_job(platform, platform.current_job())


RunId.of_job = _of_job
RunId.read = _ask
"""
        },
    ),
]
