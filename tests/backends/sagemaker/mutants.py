"""The mutants of `sagemaker`."""

from __future__ import annotations

from mutants.contract import (
    EVERY_PROCESS,
    EVERY_PROCESS_OF_DYNAMIC,
    FAILING,
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    LENGTH,
    NO_STOP,
    RESOURCES_IGNORED,
    RUN_ID,
    SAME_SNAPSHOT,
    SAME_STEPS,
    STAYS_RUNNING,
    TOKEN_BESIDE_THE_SECRET,
    set_if,
)
from mutants.mutant import Mutant

EACH_FIRING = "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own"
LOST_ANSWER = "test_survival.py::test_an_answer_that_is_lost_starts_nothing_twice"
CHEAPEST = "test_resources.py::test_a_step_gets_the_cheapest_type_that_has_what_it_asks_for"


def resolved(mistake: str, name: str, of_arn: str, strategy: str = "execution_arn") -> Mutant:
    """Lets SageMaker put something else into the variable than the strategy says.

    Args:
        mistake: What is wrong.
        name: What the definition names in place of the ID.
        of_arn: The same for whoever knows the execution's ARN, as an expression with `arn`.
        strategy: The strategy that is changed.
    """
    source = f"""
RunId.property = "{name}"
RunId.of_job = lambda self, platform, arn: {of_arn}
"""
    return Mutant(mistake, SAME_SNAPSHOT, {"run_id.py": source}, strategy=strategy)


def of_job(expression: str) -> dict[str, str]:
    """Gives every job a run ID that is made of the job's own key, an expression with `key`."""
    return {
        "platform/service.py": f"""
_task_of = SageMakerService._task


def _task(self, job, *, in_pipeline=False):
    from dataclasses import replace

    task, key = _task_of(self, job, in_pipeline=in_pipeline), job.key
    return replace(task, told={{**task.told, RunId.variable: {expression}}})


SageMakerService._task = _task
"""
    }


def read_as(expression: str) -> dict[str, str]:
    """Reads the ID in a job some other way, by an expression with `self`."""
    return {"run_id.py": f"import uuid\n\nRunId.read = lambda self, connect: {expression}"}


def without(name: str, value: str) -> dict[str, str]:
    """Lets the choice of a machine ignore one of the resources that are asked for."""
    return {
        "engine/services/machine_choice.py": f"""
_missing = missing


def missing(wanted, offered):
    return _missing(wanted.model_copy(update={{"{name}": {value}}}), offered)
"""
    }


MUTANTS = [
    FAILURE_AS_SUCCESS,
    ID_MADE_UP,
    NO_STOP,
    RESOURCES_IGNORED,
    STAYS_RUNNING,
    resolved(
        "The pipeline's ARN, and not the execution's",
        "Execution.PipelineArn",
        'arn.partition("/execution/")[0]',
    ),
    resolved(
        "The pipeline's name",
        "Execution.PipelineName",
        'arn.split("/")[1]',
        "execution_id",
    ),
    Mutant(
        "An ID made at submission, which each firing of a schedule repeats",
        EACH_FIRING,
        {
            **of_job("key.run"),
            "run_id.py": """
RunId.of_job = lambda self, platform, handle: handle.rpartition("/")[2]
""",
        },
    ),
    Mutant("A new UUID in each step", SAME_STEPS, read_as("str(uuid.uuid4())")),
    Mutant("The key of each job", SAME_STEPS, of_job("str(key)")),
    Mutant(
        "The variable is never set in steps",
        EVERY_PROCESS,
        text={
            "platform/service.py": {
                '            told[RunId.variable] = {"Get": RunId.property}\n': ""
            }
        },
    ),
    Mutant(
        "The variable is not set in isolated steps",
        f"{RUN_ID}::test_is_the_same_in_every_step_of_a_dynamic_run",
        set_if("job.role is not Role.STEP"),
    ),
    Mutant(
        "A dynamic pipeline's function does not know that its job is the run",
        EVERY_PROCESS_OF_DYNAMIC,
        {"run_id.py": "RunId.read = RunIdStrategy.read"},
    ),
    Mutant("CPUs ignored", CHEAPEST, without("cpu_count", "None")),
    Mutant("Memory ignored", CHEAPEST, without("memory", "None")),
    Mutant("GPUs ignored", CHEAPEST, without("gpu_count", "0")),
    Mutant(
        "Resources of processing jobs ignored",
        CHEAPEST,
        {
            "platform/requests.py": """
_chosen = instance_type


def instance_type(wanted, explicit, config, kind):
    return _chosen(wanted, explicit if kind == "Training" else "ml.t3.medium", config, kind)
"""
        },
    ),
    Mutant(
        "A pipeline's name as long as SageMaker takes it",
        LENGTH,
        {"platform/service.py": "LONGEST_PIPELINE_NAME = 256"},
    ),
    Mutant(
        "Pipelines whose names look alike share one",
        "test_definition.py::test_pipelines_whose_names_look_alike_have_sagemaker_pipelines_of_their_own",
        {
            "platform/service.py": """
_unique_name = unique_name


def unique_name(*texts, unique, max_length):
    return _unique_name(*texts, unique="", max_length=max_length)
"""
        },
    ),
    Mutant(
        "Whatever version of the pipeline is the latest",
        "test_definition.py::test_submissions_that_meet_run_each_its_own_snapshot",
        {
            "platform/pipelines.py": """
_start = Pipeline.start


def start(self, found, *more):
    return _start(self, {}, *more)


Pipeline.start = start
"""
        },
    ),
    Mutant(
        "A request for each step",
        "test_definition.py::test_two_hundred_steps_are_as_many_requests_as_ten",
        {
            "platform/service.py": """
_task_of = SageMakerService._task


def _task(self, *arguments, **more):
    self.aws.call("sagemaker", "list_pipelines")
    return _task_of(self, *arguments, **more)


SageMakerService._task = _task
"""
        },
    ),
    Mutant(
        "Long variables as they are",
        "test_environment.py::test_jobs_are_within_the_limits_as_sagemaker_gets_them",
        {"environment.py": "def pack(environment, longest, **_):\n    return dict(environment)"},
    ),
    Mutant(
        "The token in the definition, though there is a secret",
        "test_secrets.py::test_no_part_of_the_token_is_where_others_can_read_it",
        text=TOKEN_BESIDE_THE_SECRET,
    ),
    Mutant(
        "A secret that stays",
        "test_secrets.py::test_the_secret_is_gone_after_the_run",
        {"platform/secrets.py": "Secrets.delete = lambda *_: None"},
    ),
    Mutant(
        "A secret that stays if nobody waits for the run",
        "test_secrets.py::test_the_secret_of_a_run_that_nobody_waits_for_or_looks_at_is_gone_after_it",
        {"engine/services/end_report.py": "def clean_up(arguments):\n    pass"},
    ),
    Mutant(
        "A secret that stays if the run's job cannot delete it",
        "test_secrets.py::test_a_job_that_may_not_read_its_secret_fails_and_says_so",
        {"platform/service.py": "SageMakerService.clean_up = lambda *_: None"},
    ),
    Mutant(
        "Failed requests are not tried again",
        "test_survival.py::test_a_submission_goes_on_though_each_request_fails_at_first",
        {
            "platform/aws.py": """
CLIENT_CONFIG = ClientConfig(retries={"total_max_attempts": 1})
""",
            "platform/service.py": """
SageMakerService.transient = ()
""",
        },
    ),
    Mutant(
        "A request that is repeated starts a second execution",
        LOST_ANSWER,
        {
            "platform/aws.py": """
CLIENT_CONFIG = ClientConfig(retries={"total_max_attempts": 1})
"""
        },
        {"platform/pipelines.py": {"            ClientRequestToken=token,\n": ""}},
    ),
    Mutant(
        "A job that is not recognised when its request is repeated",
        LOST_ANSWER,
        {"platform/service.py": 'NAME_IS_TAKEN = "nothing"'},
    ),
    Mutant(
        "A login that is not renewed",
        "test_survival.py::test_a_login_that_has_expired_is_renewed_by_the_request_that_finds_out",
        {"platform/aws.py": "EXPIRED = set()"},
    ),
    Mutant(
        "A status that is new is taken for an end",
        "test_settings.py::test_a_status_with_a_word_that_is_new_is_not_over",
        {
            "platform/job_status.py": """
def phase_of(word):
    return PHASES.get(word, Phase.FAILED)
"""
        },
    ),
    Mutant(
        "A failure without its reason",
        "test_causes.py::test_the_user_and_zenml_are_told_the_cause",
        {
            "platform/service.py": """
_status_of_step = status_of_step


def status_of_step(aws, step):
    from dataclasses import replace

    return replace(_status_of_step(aws, step), reason="")
"""
        },
    ),
    Mutant(
        "A step that has failed ends as if it had succeeded",
        FAILING,
        {
            "engine/services/supervisor.py": """
_run = Supervisor.run


def run(self):
    _run(self)
    return 0


Supervisor.run = run
"""
        },
    ),
    Mutant(
        "Retries ignored",
        "test_contract.py::TestFailure::test_a_killed_step_is_retried_in_the_same_run",
        {"engine/services/supervisor.py": "def retry_delay(retry, failures):\n    return None"},
    ),
    Mutant(
        "A changed schedule that forgets the rest",
        "test_schedules.py::test_a_schedule_can_be_changed_paused_and_resumed_and_keeps_the_rest",
        text={
            "platform/service.py": {
                'model_of("scheduler").operation_model("UpdateSchedule").input_shape.members': (
                    '["Name", "ScheduleExpression", "State", "FlexibleTimeWindow", "Target"]'
                )
            }
        },
    ),
    Mutant(
        "A schedule that starts what was submitted last",
        "test_schedules.py::test_what_fires_is_what_was_scheduled_whatever_is_submitted_afterwards",
        text={
            "platform/service.py": {
                "        pipeline = Pipeline(self.aws, name, self._config.execution_role)\n"
                "        try:\n": "        pipeline = self._pipeline_of(job)\n        try:\n"
            }
        },
    ),
]

EQUIVALENT = [
    Mutant(
        "Another variable",
        RUN_ID,
        text={"run_id.py": {'variable = "MUTANT_RUN_ID"': 'variable = "EXECUTION"'}},
    ),
]
