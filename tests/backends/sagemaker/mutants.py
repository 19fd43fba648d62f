"""The mutants of `sagemaker`. It is not on the engine yet: they are changes to its text."""

from __future__ import annotations

from mutants.flat import (
    ANOTHER_VARIABLE,
    EACH_FIRING,
    EVERY_PROCESS,
    LEFT_OPEN,
    LENGTH,
    LOST_ANSWER,
    MISSING,
    NEW_UUID,
    SAME_SNAPSHOT,
    SAME_STEPS,
    changed,
)

EXECUTION_ARN = '{"Get": "Execution.PipelineExecutionArn"}'
EXECUTION_ID = '{"Get": "Execution.PipelineExecutionId"}'
ID_OF_ARN = {
    "execution_arn": "    return arn\n",
    "execution_id": '    return arn.rpartition("/")[2]\n',
}

RESOURCES_TEST = "test_resources.py::test_a_step_gets_the_cheapest_type_that_has_what_it_asks_for"


def resolved(value: str, of_arn: str, strategy: str = "execution_arn") -> dict[str, dict[str, str]]:
    """Lets SageMaker put something else into the variable than the strategy says.

    Args:
        value: What the definition has in place of the ID.
        of_arn: The same for whoever knows the execution's ARN, as an expression with `arn`.
        strategy: The strategy that is changed.
    """
    usual = EXECUTION_ARN if strategy == "execution_arn" else EXECUTION_ID
    return {
        "run_id.py": {
            f"        RUN_ID_VARIABLE: {usual},\n": f"        RUN_ID_VARIABLE: {value},\n",
            ID_OF_ARN[strategy]: f"    return {of_arn}\n",
        }
    }


def read_as(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a job some other way, given `name`, the variable's."""
    return {"variables.py": {"    value = os.environ.get(name)\n": f"    value = {expression}\n"}}


def short_of(wanted: str) -> dict[str, dict[str, str]]:
    """Does not look whether a type has enough of something.

    Args:
        wanted: The line of `choice.py` that does.
    """
    return {"choice.py": {f"        {wanted},\n": ""}}


MUTANTS = [
    changed("A constant ID", resolved('"my-run"', '"my-run"'), SAME_SNAPSHOT),
    changed(
        "The pipeline's ARN, and not the execution's",
        resolved('{"Get": "Execution.PipelineArn"}', 'arn.partition("/execution/")[0]'),
        SAME_SNAPSHOT,
    ),
    changed(
        "The pipeline's name",
        resolved('{"Get": "Execution.PipelineName"}', 'arn.split("/")[1]', "execution_id"),
        SAME_SNAPSHOT,
        "execution_id",
    ),
    changed(
        "The snapshot's ID",
        {
            "orchestrator.py": {
                "   run_ids.pipeline_variables(),\n": (
                    "   {run_ids.RUN_ID_VARIABLE: str(snapshot.id)},\n"
                ),
                "run_id = run_ids.of(arn.text)": "run_id = str(snapshot.id)",
            }
        },
        SAME_SNAPSHOT,
    ),
    changed(
        "An ID made at submission, which each firing of a schedule repeats",
        {
            "orchestrator.py": {
                "secret = self._secret_for(snapshot)\n            definition = pipeline(\n": (
                    "secret = self._secret_for(snapshot)\n"
                    "            self._made = str(uuid4())\n"
                    "            definition = pipeline(\n"
                ),
                "   run_ids.pipeline_variables(),\n": (
                    "   {run_ids.RUN_ID_VARIABLE: self._made},\n"
                ),
                "run_id = run_ids.of(arn.text)": "run_id = self._made",
            }
        },
        EACH_FIRING,
    ),
    changed(
        "Each job's own ARN",
        {
            "run_id.py": {
                "    if FUNCTION_VARIABLE in os.environ and RUN_ID_VARIABLE not in os.environ:\n": (
                    "    if True:\n"
                )
            }
        },
        SAME_STEPS,
    ),
    changed(
        "Each job's name",
        {
            "run_id.py": {
                f"RUN_ID_VARIABLE: {EXECUTION_ID}": (
                    'RUN_ID_VARIABLE: {"Get": "Execution.TrainingJobName"}'
                )
            }
        },
        SAME_STEPS,
        "execution_id",
    ),
    changed("A new UUID in each step", read_as(NEW_UUID), SAME_STEPS),
    changed(
        "A UUID made up when the variable is missing",
        read_as(f"os.environ.get(name) or {NEW_UUID}"),
        MISSING,
    ),
    changed(
        "The variable is never set in steps",
        {"run_id.py": {f"        RUN_ID_VARIABLE: {EXECUTION_ARN},\n": ""}},
        EVERY_PROCESS,
    ),
    changed(
        "The variable is not set in isolated steps",
        {"orchestrator.py": {"program, run_ids.step_variables())": "program, {})"}},
        "test_run_id.py::test_is_the_same_in_every_step_of_a_dynamic_run",
    ),
    changed(
        "A dynamic pipeline's function does not know that its job is the run",
        {"run_id.py": {'{FUNCTION_VARIABLE: "yes", ': "{"}},
        EVERY_PROCESS,
    ),
    changed("CPUs ignored", short_of("(wanted.cpu_count or 0, offered.vcpus)"), RESOURCES_TEST),
    changed("Memory ignored", short_of("(gib(wanted), offered.memory_gib)"), RESOURCES_TEST),
    changed("GPUs ignored", short_of("(wanted.gpu_count or 0, offered.gpus)"), RESOURCES_TEST),
    changed(
        "Resources of processing jobs ignored",
        {"resources.py": {"if not asks_for": "if not training or not asks_for"}},
        RESOURCES_TEST,
    ),
    changed(
        "A dynamic pipeline's own resources ignored",
        {
            "programs.py": {
                "wanted = snapshot.pipeline_configuration.resource_settings": (
                    "wanted = ResourceSettings()"
                )
            }
        },
        "test_resources.py::test_what_a_dynamic_pipeline_asks_for_its_function_gets",
    ),
    changed(
        "Resources of isolated steps ignored",
        {"programs.py": {" step_run_info.config.resource_settings,\n": " ResourceSettings(),\n"}},
        "test_resources.py::test_what_an_isolated_step_asks_for_it_gets",
    ),
    changed(
        "A pipeline's name as long as SageMaker takes it",
        {"names.py": {"LONGEST_PIPELINE_NAME = 128": "LONGEST_PIPELINE_NAME = 256"}},
        LENGTH,
    ),
    changed(
        "Pipelines whose names look alike share one",
        {"names.py": {"unique.encode()": "slug(unique).encode()"}},
        "test_definition.py::test_pipelines_whose_names_look_alike_have_sagemaker_pipelines_of_their_own",
    ),
    changed(
        "Whatever version of the pipeline is the latest",
        {"service.py": {"            **version_of(found),\n": ""}},
        "test_definition.py::test_submissions_that_meet_run_each_its_own_snapshot",
    ),
    changed(
        "A request for each step",
        {
            "orchestrator.py": {
                "        image = self.get_image(snapshot, step_name=name)\n": (
                    "        image = self.get_image(snapshot, step_name=name)\n"
                    '        self.aws.call("sagemaker", "list_pipelines")\n'
                )
            }
        },
        "test_definition.py::test_two_hundred_steps_are_as_many_requests_as_ten",
    ),
    changed(
        "Long variables as they are",
        {"jobs.py": {"environment = environments.pack(environment, longest)": "pass"}},
        "test_environment.py::test_jobs_are_within_the_limits_as_sagemaker_gets_them",
    ),
    changed(
        "The token in the definition, though there is a secret",
        {
            "hiding.py": {
                "    public = {key: value for key, value in environment.items() "
                "if not key.startswith(CONNECTION)}\n": "    public = dict(environment)\n"
            }
        },
        "test_secrets.py::test_no_part_of_the_token_is_where_others_can_read_it",
    ),
    changed(
        "A secret that stays",
        {
            "orchestrator.py": {
                "            if secret is not None:\n                secret.delete(self.aws)\n": (
                    "            return\n"
                )
            }
        },
        "test_secrets.py::test_the_secret_is_gone_after_the_run",
    ),
    changed(
        "Failed requests are not tried again",
        {"aws.py": {'"total_max_attempts": 10': '"total_max_attempts": 1'}},
        LOST_ANSWER,
    ),
    changed(
        "A request that is repeated starts a second execution",
        {
            "aws.py": {
                "import ClientError\n": "import ClientError, ConnectionClosedError\n",
                '"total_max_attempts": 10': '"total_max_attempts": 1',
                "        answer: dict[str, Any] = getattr(self._clients[service], operation)"
                "(**arguments)\n        return answer\n": (
                    "        while True:\n"
                    "            try:\n"
                    "                make = getattr(self._clients[service], operation)\n"
                    "                return make(**arguments)\n"
                    "            except ConnectionClosedError:\n"
                    "                pass\n"
                ),
            },
            "service.py": {"            ClientRequestToken=str(uuid4()),\n": ""},
        },
        LOST_ANSWER,
    ),
    changed(
        "A job that is not recognised when its request is repeated",
        {"service.py": {"        if code_of(error) != NAME_IS_TAKEN:\n": "        if True:\n"}},
        LOST_ANSWER,
    ),
    changed(
        "A login that is not renewed",
        {"aws.py": {"            if code_of(error) not in EXPIRED:\n": "            if True:\n"}},
        "test_settings.py::test_an_assumed_role_does_all_and_is_assumed_again_when_it_has_expired",
    ),
    changed(
        "A failure without its reason",
        {"conclusion.py": {"name, False, step.cause)": 'name, False, "")'}},
        "test_causes.py::test_the_user_and_zenml_are_told_the_cause",
    ),
    changed(
        "A failing step reported as success",
        {
            "supervisor.py": {
                "return SIGNALLED - code if code < 0 else code\n": "return 0\n",
            }
        },
        "test_failures.py::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
    ),
    changed(
        "A killed step that stays running",
        LEFT_OPEN,
        "test_failures.py::test_a_killed_step_fails_the_run_and_the_signal_is_named",
    ),
    changed(
        "Retries ignored",
        {"programs.py": {"    if retry := step.config.retry:\n": "    if (retry := None):\n"}},
        "test_failures.py::test_a_killed_step_is_retried_in_the_same_run",
    ),
    changed(
        "A failure that lets the other steps go on, though the mode is to fail fast",
        {"aftermath.py": {"    if fail_fast and not stopped:\n": "    if False:\n"}},
        "test_failures.py::test_execution_modes",
    ),
    changed(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if graceful and in_progress:\n": "        if in_progress:\n"
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    changed(
        "A changed schedule that forgets the rest",
        {
            "service.py": {
                '"ScheduleExpressionTimezone", "StartDate", "EndDate", "State",': "",
            }
        },
        "test_schedules.py::test_a_schedule_can_be_changed_paused_and_resumed_and_keeps_the_rest",
    ),
    changed(
        "A schedule that starts what was submitted last",
        {
            "orchestrator.py": {
                "        target = self._pipeline(name)\n": (
                    "        text = snapshot.pipeline_configuration.name\n"
                    '        unique = f"{self.id}/{snapshot.project_id}/{text}"\n'
                    "        target = self._pipeline("
                    "unique_name(text, unique, LONGEST_PIPELINE_NAME))\n"
                )
            }
        },
        "test_schedules.py::test_what_fires_is_what_was_scheduled_whatever_is_submitted_afterwards",
    ),
]

EQUIVALENT = [
    changed("Another variable", ANOTHER_VARIABLE, "test_run_id.py"),
    changed(
        "The pipeline's name and the execution's ID",
        resolved(
            '{"Std:Join": {"On": "_", "Values": [{"Get": "Execution.PipelineName"}, '
            f"{EXECUTION_ID}]}}}}",
            '"_".join(arn.split("/")[1::2])',
            "execution_id",
        ),
        "test_run_id.py",
        "execution_id",
    ),
    changed(
        "Processing jobs unless a step wants another",
        {
            "config.py": {
                "    use_training_step: bool = Field(\n        default=True,": (
                    "    use_training_step: bool = Field(\n        default=False,"
                )
            }
        },
        "test_failures.py",
    ),
]
