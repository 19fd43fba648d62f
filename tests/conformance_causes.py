"""Why ZenML's own orchestrators do not keep a promise: what a person has read in its source."""

from __future__ import annotations

from typing import NamedTuple


class Cause(NamedTuple):
    """Why a promise is not kept.

    Attributes:
        text: The cause, in a sentence or two.
        file: Where it is, below `src/zenml`.
        line: A part of the first line of that place.
        claimed: Whether ZenML says that it does this. If not, it is not held against it.
    """

    text: str
    file: str
    line: str
    claimed: bool = True


LOCAL = "orchestrators/local/local_orchestrator.py"
KUBERNETES = "integrations/kubernetes/orchestrators/kubernetes_orchestrator.py"
SAGEMAKER = "integrations/aws/orchestrators/sagemaker_orchestrator.py"
VERTEX = "integrations/gcp/orchestrators/vertex_orchestrator.py"

DYNAMIC_ID = "is_the_same_in_every_step_of_a_dynamic_run"
MISSING_ID = "a_missing_id_is_an_error_that_names_the_variable"
RESOURCES = "what_a_step_asks_for_is_submitted"
ISOLATED_RESOURCES = "what_an_isolated_step_asks_for_is_submitted"
LONGEST = "has_1_to_255_characters_with_the_longest_names"
KILLED = "a_killed_step_fails_the_run_and_the_signal_is_named"
DEAD = "a_step_that_dies_before_zenml_is_up_is_reported_too"
METADATA = "the_metadata_of_a_run_say_where_to_find_it"
GRACEFUL = "a_graceful_stop_lets_the_step_finish"
BASE = "orchestrators/base_orchestrator.py"

NO_STEPS = (
    "Who asks is told that the run has failed. Of its steps nothing is asked, as the function "
    "says: a killed one stays `running`, and one that died before ZenML was up is not there."
)
HEARTBEAT = (
    "A graceful stop is left to the heartbeats of steps, as the line says: the next one interrupts "
    "the step."
)
NO_RESOURCES = Cause(
    "The instance of a step is that of its settings, `instance_type`. `ResourceSettings` "
    "are not read, and there is no warning. That instance "
    "happens to have what was asked for here.",
    SAGEMAKER,
    "def _create_job_or_step",
)
NO_METADATA = Cause(
    "The orchestrator does not override `get_pipeline_run_metadata`: a run of this process has "
    "no place to be found at. The run itself has its ID.",
    LOCAL,
    "class LocalOrchestrator(BaseOrchestrator)",
    claimed=False,
)

CAUSES: dict[tuple[str, str], Cause] = {
    ("local", MISSING_ID): Cause(
        "There is no variable: all steps run in the process that submits, and the ID is an "
        "attribute of the orchestrator there. Only a run that completes takes it back, so that "
        "after one that failed, its ID is still there.",
        LOCAL,
        "self._orchestrator_run_id = None",
        claimed=False,
    ),
    ("local", "can_be_found_in_the_metadata_of_the_run"): NO_METADATA,
    ("local", METADATA): NO_METADATA,
    ("local", RESOURCES): Cause(
        "The orchestrator says so itself, in a warning: it has one process for all steps, so it"
        " ignores what a step asks for.",
        LOCAL,
        '"Specifying step resources is not supported for the local "',
        claimed=False,
    ),
    ("local", KILLED): Cause(
        "Steps run in the process that submits. The signal ends that too, and nobody is left to"
        " say that the run has failed: for ZenML it stays `running`.",
        LOCAL,
        "self.run_step(step=step)",
        claimed=False,
    ),
    ("local", "looking_at_a_run_that_has_ended_does_not_change_it"): Cause(
        "The orchestrator does not override `fetch_status`, so that to refresh a run is an "
        "error. The run stays as it is.",
        BASE,
        "def fetch_status",
        claimed=False,
    ),
    ("kubernetes", DYNAMIC_ID): Cause(
        "The ID is the name of the Job of the pod that asks: in the pod of an isolated step, of"
        " the step's own Job. ZenML does not ask there, since the step knows its run: only code"
        " of yours sees another ID.",
        KUBERNETES,
        "def get_orchestrator_run_id",
    ),
    ("kubernetes", MISSING_ID): Cause(
        "Without the variable, the ID is the name of the pod's Job, since that is how a dynamic"
        " pipeline gets it; and the name of the host, if there is none.",
        KUBERNETES,
        "return orchestrator_run_id or pod_name",
    ),
    ("kubernetes", RESOURCES): Cause(
        "The orchestrator says so itself, in a warning: a static step's `ResourceSettings` are "
        "ignored. `KubernetesPodSettings` are what it takes.",
        KUBERNETES,
        '"Specifying step resources is not yet supported for "',
        claimed=False,
    ),
    ("kubernetes", ISOLATED_RESOURCES): Cause(
        "The pod gets what its settings say, and what a resource pool has allocated. "
        "`ResourceSettings` alone are not read, and there is no warning for isolated steps.",
        KUBERNETES,
        "def submit_isolated_step_with_allocation",
    ),
    ("kubernetes", METADATA): Cause(
        "Of a static run, its first step publishes them. In a dynamic run no step does, and the "
        "submission returns none: those of `sagemaker` and `vertex` do.",
        KUBERNETES,
        "wait_for_completion=_wait_for_run_to_finish",
    ),
    ("kubernetes", GRACEFUL): Cause(
        "The orchestrator lets steps finish, as `_stop_run` says. But the next heartbeat of a step "
        "whose run is stopping interrupts it.",
        "steps/heartbeat.py",
        "_thread.interrupt_main()",
    ),
    ("sagemaker", DYNAMIC_ID): Cause(
        "Without the variable of static pipelines, the ID is the ARN of the job that asks: in "
        "an isolated step, of the step's own job. ZenML does not ask there, since the step "
        "knows its run: only code of yours sees another ID.",
        SAGEMAKER,
        'for env in [ENV_ZENML_SAGEMAKER_RUN_ID, "TRAINING_JOB_ARN"]',
    ),
    ("sagemaker", MISSING_ID): Cause(
        "It is an error, which does not say which variable was looked for.",
        SAGEMAKER,
        '"Unable to read run id from environment."',
    ),
    ("sagemaker", RESOURCES): NO_RESOURCES,
    ("sagemaker", LONGEST): Cause(
        "The pipeline at SageMaker is named after ZenML's, with 33 characters more. SageMaker "
        "takes names of 256.",
        SAGEMAKER,
        "unsanitized_orchestrator_run_name = get_orchestrator_run_name(",
    ),
    ("sagemaker", ISOLATED_RESOURCES): NO_RESOURCES,
    ("vertex", DYNAMIC_ID): Cause(
        "Without the variable of static pipelines, the ID is the number of the custom job that "
        "asks: in an isolated step, of the step's own job. ZenML does not ask there, since the "
        "step knows its run: only code of yours sees another ID.",
        VERTEX,
        'for env in [ENV_ZENML_VERTEX_RUN_ID, "CLOUD_ML_JOB_ID"]',
    ),
    ("vertex", MISSING_ID): Cause(
        "It is an error, which does not say which variable was looked for.",
        VERTEX,
        '"Unable to get orchestrator run id from environment."',
    ),
    ("vertex", ISOLATED_RESOURCES): Cause(
        "The machine of a custom job is that of its settings, `machine_type`. Of "
        "`ResourceSettings`, `gpu_count` alone is read, and there is no warning. That machine "
        "happens to have what was asked for here.",
        "integrations/gcp/utils.py",
        "def build_job_request",
    ),
    ("vertex", LONGEST): Cause(
        "The compiled pipeline goes into a file that is named after the pipeline and more: with "
        "a name of 255 characters, no file system takes it.",
        VERTEX,
        "pipeline_file_path = os.path.join(",
    ),
    ("vertex", KILLED): Cause(NO_STEPS, VERTEX, "def fetch_status", claimed=False),
    ("vertex", DEAD): Cause(NO_STEPS, VERTEX, "def fetch_status", claimed=False),
    ("vertex", GRACEFUL): Cause(
        HEARTBEAT, BASE, "work out of the box for HeartBeat", claimed=False
    ),
    ("sagemaker", KILLED): Cause(NO_STEPS, SAGEMAKER, "def fetch_status", claimed=False),
    ("sagemaker", DEAD): Cause(NO_STEPS, SAGEMAKER, "def fetch_status", claimed=False),
    ("sagemaker", GRACEFUL): Cause(
        HEARTBEAT, BASE, "work out of the box for HeartBeat", claimed=False
    ),
}
