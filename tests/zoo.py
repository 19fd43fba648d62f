"""Broken orchestrators, each with the generated test that must notice.

A creature is a change to a freshly generated project: the mistake, and what the code looks
like that makes it. README.md shows them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Creature:
    """A broken implementation.

    Attributes:
        mistake: What is wrong, in words.
        changes: For each module, pieces of its text and what replaces them.
        caught_by: The generated test that must fail, as `file::name`.
        backend: Which backend's project is changed.
        strategy: Its run ID strategy.
    """

    mistake: str
    changes: dict[str, dict[str, str]]
    caught_by: str
    backend: str = "local"
    strategy: str = "submission_uuid"

    @property
    def name(self) -> str:
        """The mistake as an identifier."""
        return "".join(c if c.isalnum() else "_" for c in self.mistake.lower()).strip("_")


MINT = "    return str(uuid.uuid4())\n"
READ = "    run_id = os.environ.get(RUN_ID_VARIABLE)\n"
SET = "    return {RUN_ID_VARIABLE: run_id}\n"
CHECK = "        if not 1 <= len(new_id) <= MAX_RUN_ID_LENGTH:\n"


def minted(expression: str) -> dict[str, dict[str, str]]:
    """Makes the ID of an execution some other way, and drops the check of its length."""
    return {
        "run_id.py": {MINT: f"    return {expression}\n"},
        "orchestrator.py": {CHECK: "        if False:\n"},
    }


def read(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a process some other way."""
    return {"run_id.py": {READ: f"    run_id = {expression}\n"}}


def module(name: str) -> str:
    """Names a module in an expression."""
    return f"__import__({name!r})"


LEFT_OPEN = {
    "outcome.py": {
        "    publish_step_run_status_update(\n": "    (lambda *_, **__: None)(\n",
    }
}

# ---- Processes on this machine

IGNORED_CPU = {"resources.py": {"            cpus=settings.cpu_count or 0.0,\n": ""}}
IGNORED_MEMORY = {"resources.py": {"            memory=in_bytes(settings),\n": ""}}
IGNORED_GPU = {"resources.py": {"            gpus=settings.gpu_count,\n": ""}}

ANOTHER_VARIABLE = {
    "run_id.py": {'RUN_ID_VARIABLE = "ZOO_RUN_ID"': 'RUN_ID_VARIABLE = "EXECUTION"'}
}

SAME_SNAPSHOT = "test_run_id.py::test_is_new_for_each_execution_of_the_same_snapshot"
SAME_STEPS = "test_run_id.py::test_is_the_same_in_every_step_of_a_run"
WITHIN_A_SECOND = "test_run_id.py::test_is_new_even_within_a_second_and_as_mysql_compares"
MISSING = "test_run_id.py::test_a_missing_id_is_an_error_that_names_the_variable"
EVERY_PROCESS = "test_run_id.py::test_reaches_every_process_that_is_submitted"
RESTART = "test_run_id.py::test_survives_a_restart_of_the_process"
LENGTH = "test_run_id.py::test_has_1_to_255_characters_with_the_longest_names"
SUBMITTED = "test_resources.py::test_what_a_step_asks_for_is_submitted"

ZOO = [
    Creature("A constant ID", minted("'my-run'"), SAME_SNAPSHOT),
    Creature(
        "A timestamp in seconds",
        minted(f"{module('time')}.strftime('%Y%m%d-%H%M%S')"),
        WITHIN_A_SECOND,
    ),
    Creature(
        "The snapshot's ID",
        {
            "orchestrator.py": {
                "        refuse_schedule(snapshot)\n        new_id = self._new_run_id(": (
                    "        refuse_schedule(snapshot)\n        new_id = str(snapshot.id or "
                )
            }
        },
        SAME_SNAPSHOT,
    ),
    Creature("The host's name", minted(f"{module('platform')}.node()"), SAME_SNAPSHOT),
    Creature("A new UUID in each step", read("str(uuid.uuid4())"), SAME_STEPS),
    Creature("The process ID of the step", read("str(os.getpid())"), SAME_STEPS),
    Creature(
        "A UUID made up when the variable is missing",
        read("os.environ.get(RUN_ID_VARIABLE) or str(uuid.uuid4())"),
        MISSING,
    ),
    Creature("The variable is never set", {"run_id.py": {SET: "    return {}\n"}}, EVERY_PROCESS),
    Creature(
        "The variable is set in one step only",
        {
            "orchestrator.py": {
                "        self._refuse_impossible({name: job.resources": (
                    "        for job in list(jobs.values())[1:]:\n"
                    "            job.environment.pop(run_id.RUN_ID_VARIABLE)\n"
                    "        self._refuse_impossible({name: job.resources"
                )
            }
        },
        EVERY_PROCESS,
    ),
    Creature(
        "An ID inherited from the submitting process",
        minted("os.environ.get(RUN_ID_VARIABLE) or str(uuid.uuid4())"),
        "test_run_id.py::test_is_not_inherited_from_the_submitting_process",
    ),
    Creature("An empty ID", minted("''"), LENGTH),
    Creature("An ID of 256 characters", minted("str(uuid.uuid4()) + 220 * 'x'"), LENGTH),
    Creature(
        "An ID that grows with the pipeline's name",
        minted("f'{run.pipeline.name}-{uuid.uuid4()}'"),
        LENGTH,
    ),
    Creature(
        "IDs that differ in case only",
        minted(
            "''.join(c.upper() if uuid.uuid4().int % 2 else c for c in 'abcdefghijklmnopqrstuvw')"
        ),
        WITHIN_A_SECOND,
    ),
    Creature(
        "An ID lost when a process is started again",
        read(
            "os.environ.get(RUN_ID_VARIABLE); "
            f"mark = {module('tempfile')}.gettempdir() + f'/seen-{{run_id}}'; "
            "run_id = run_id if not os.path.exists(mark) else run_id + '-again'; "
            "open(mark, 'w').close()"
        ),
        RESTART,
    ),
    Creature("CPUs ignored", IGNORED_CPU, SUBMITTED),
    Creature("Memory ignored", IGNORED_MEMORY, SUBMITTED),
    Creature("GPUs ignored", IGNORED_GPU, SUBMITTED),
    Creature(
        "Reservations that hold nobody back",
        {"ledger.py": {"            if not fits:\n": "            if False:\n"}},
        "test_resources.py::test_steps_that_do_not_fit_side_by_side_run_one_after_the_other",
    ),
    Creature(
        "A failing step reported as success",
        {
            "processes.py": {
                "        code = process.wait()\n": "        code = process.wait() * 0\n"
            }
        },
        "test_failures.py::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
    ),
    Creature(
        "A killed step that stays running",
        LEFT_OPEN,
        "test_failures.py::test_a_killed_step_fails_the_run_and_the_signal_is_named",
    ),
    Creature(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if not graceful:\n            publish_pipeline": (
                    "        if False:\n            publish_pipeline"
                )
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    Creature(
        "A schedule ignored",
        {"orchestrator.py": {"    if snapshot.schedule:\n": "    if False:\n"}},
        "test_settings.py::test_a_schedule_is_refused_in_words",
    ),
]

# Unusual, but right: the generated tests must stay green.
RIGHT = [
    Creature(
        "Another variable",
        ANOTHER_VARIABLE,
        "test_run_id.py",
    ),
    Creature(
        "Another format",
        minted("'arn:partition:run/' + uuid.uuid4().hex.upper()"),
        "test_run_id.py",
    ),
]


# ---- Kubernetes

UID = (
    """field_variable(RUN_ID_VARIABLE, "metadata.labels['batch.kubernetes.io/controller-uid']"),"""
)
OWN_UID = UID.replace("RUN_ID_VARIABLE", '"JOB_UID"')
STEP_READ = f"{READ.rstrip()} if in_orchestrator_pod() else "
NEW_UUID = f"str({module('uuid')}.uuid4())"

FAULTS = "test_survival.py::test_a_run_completes_though_one_in_five_requests_fails"
REQUESTED = "test_resources.py::test_what_a_step_asks_for_is_requested_and_the_limit"


def on_kubernetes(
    mistake: str, changes: dict[str, dict[str, str]], caught_by: str, strategy: str = "env_var"
) -> Creature:
    """Breeds a creature that runs steps on Kubernetes."""
    return Creature(mistake, changes, caught_by, "kubernetes", strategy)


def apart_from_the_owner(known: str = "None") -> dict[str, dict[str, str]]:
    """Lets the ID be another than the UID of the Job that owns those of the steps.

    Args:
        known: The ID at the time of submission; None if only the orchestrator's pod knows it.
    """
    return {
        "controller.py": {
            "run.name, self._owner.uid)": "run.name, orchestrator.get_orchestrator_run_id())"
        },
        "orchestrator.py": {
            "Update(orchestrator_run_id=uid)": f"Update(orchestrator_run_id={known})"
        },
    }


def given(variable: str, known: str = "None") -> dict[str, dict[str, str]]:
    """Gives the orchestrator's pod another ID.

    Args:
        variable: What its container's `env` has for it, after `JOB_UID`.
        known: The ID at the time of submission, if it is known then.
    """
    return {
        "run_id.py": {
            UID: f"{OWN_UID}\n        {variable},",
            "uid=read_run_id(connect)": 'uid=os.environ["JOB_UID"]',
        },
        **apart_from_the_owner(known),
    }


KUBERNETES_ZOO = [
    on_kubernetes(
        "A constant ID",
        given('dict(name=RUN_ID_VARIABLE, value="my-run")', '"my-run"'),
        SAME_SNAPSHOT,
    ),
    on_kubernetes(
        "The pod's name as ID",
        given('field_variable(RUN_ID_VARIABLE, "metadata.name")'),
        RESTART,
    ),
    on_kubernetes(
        "An ID made at submission, which each firing of a schedule repeats",
        given(f"dict(name=RUN_ID_VARIABLE, value={NEW_UUID})"),
        "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own",
    ),
    on_kubernetes(
        "A new UUID in each step", {"run_id.py": {READ: f"{STEP_READ}{NEW_UUID}\n"}}, SAME_STEPS
    ),
    on_kubernetes(
        "A UUID made up when the variable is missing",
        read(f"os.environ.get(RUN_ID_VARIABLE) or {NEW_UUID}"),
        MISSING,
    ),
    on_kubernetes(
        "The variable is never set in steps",
        {
            "run_id.py": {
                '    return [{"name": RUN_ID_VARIABLE, "value": run_id}]\n': "    return []\n"
            }
        },
        EVERY_PROCESS,
    ),
    on_kubernetes(
        "The variable is not set in isolated steps",
        {
            "tasks.py": {
                "run_id.step_variables(self.orchestrator_run_id)": (
                    "[] if step_run else run_id.step_variables(self.orchestrator_run_id)"
                )
            }
        },
        EVERY_PROCESS,
    ),
    on_kubernetes(
        "The pod's name instead of its Job's UID",
        {
            "run_id.py": {
                "        return orchestrator_job(connect).uid\n": (
                    "        return os.environ[POD_VARIABLE]\n"
                )
            },
            **apart_from_the_owner(),
        },
        RESTART,
        "parent_job",
    ),
    on_kubernetes(
        "CPUs ignored",
        {"resources.py": {"    if settings.cpu_count:\n": "    if False:\n"}},
        REQUESTED,
    ),
    on_kubernetes(
        "Memory ignored",
        {"resources.py": {"    if settings.memory:\n": "    if False:\n"}},
        REQUESTED,
    ),
    on_kubernetes(
        "GPUs ignored",
        {"resources.py": {"    if settings.gpu_count:\n": "    if False:\n"}},
        REQUESTED,
    ),
    on_kubernetes(
        "Requests without limits",
        {"resources.py": {'for kind in ("requests", "limits")': 'for kind in ("requests",)'}},
        REQUESTED,
    ),
    on_kubernetes(
        "A dynamic pipeline's own resources ignored",
        {"orchestrator.py": {"            if snapshot.is_dynamic\n": "            if False\n"}},
        "test_resources.py::test_what_a_dynamic_pipeline_asks_for_its_orchestration_container_gets",
    ),
    on_kubernetes(
        "The token in clear in the manifest",
        {
            "tasks.py": {
                "{**without_connection(program.environment), ": "{**program.environment, ",
                "secret_variables=list(connection(program.environment))": "secret_variables=[]",
            }
        },
        "test_secrets.py::test_the_token_is_in_a_secret_and_in_no_other_object_nor_in_any_log",
    ),
    on_kubernetes(
        "A Secret that belongs to nobody",
        {"manifests.py": {', "ownerReferences": [owner.reference()]},\n': "},\n"}},
        "test_secrets.py::test_the_secret_goes_with_the_orchestrator_s_job",
    ),
    on_kubernetes(
        "Jobs with random names",
        {"names.py": {"unique.encode()": f"{module('os')}.urandom(8)"}},
        "test_pods.py::test_the_same_text_gives_the_same_name_and_another_gives_another",
    ),
    on_kubernetes(
        "A restarted controller that begins anew",
        {"controller.py": {"        self._recover()\n": ""}},
        "test_survival.py::test_a_step_whose_job_was_deleted_while_nobody_looked_is_not_run_again",
    ),
    on_kubernetes(
        "Failed requests are not tried again",
        {"cluster.py": {"total=settings.max_api_retries": "total=0"}},
        FAULTS,
    ),
    on_kubernetes(
        "A watch that gives up when it has expired",
        {
            "view.py": {
                "                if error.status == GONE:\n": (
                    "                if error.status == GONE:\n"
                    "                    self._give_up(error)\n"
                    "                    return\n"
                    "                if error.status == GONE:\n"
                )
            }
        },
        "test_survival.py::test_a_run_completes_though_watches_break_off_and_expire",
    ),
    on_kubernetes(
        "A failing step reported as success",
        {
            "verdict.py": {
                'if "Complete" in conditions or phase == "Succeeded":': (
                    'if conditions.keys() & {"Complete", "Failed"} or phase == "Succeeded":'
                )
            }
        },
        "test_failures.py::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
    ),
    on_kubernetes(
        "A killed step that stays running",
        LEFT_OPEN,
        "test_failures.py::test_a_killed_step_fails_the_run_and_the_signal_is_named",
    ),
    on_kubernetes(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if graceful and in_progress:\n": "        if in_progress:\n"
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    on_kubernetes(
        "Variables that Kubernetes expands",
        {"manifests.py": {'    return text.replace("$", "$$")\n': "    return text\n"}},
        "test_pods.py::test_a_literal_survives_what_kubernetes_expands",
    ),
    on_kubernetes(
        "A token for the cluster in every pod",
        {"tasks.py": {"talks_to_cluster=False": "talks_to_cluster=True"}},
        "test_pods.py::test_only_the_orchestrator_s_pod_can_talk_to_kubernetes",
    ),
    on_kubernetes(
        "Containers that may do all they like",
        {"manifests.py": {"else RESTRICTED\n": "else {}\n"}},
        "test_pods.py::test_pods_may_do_no_more_than_they_need",
    ),
    on_kubernetes(
        "Labels as the user writes them",
        {
            "names.py": {
                '    """Makes a label\'s value': '    return text\n    """Makes a label\'s value'
            }
        },
        "test_pods.py::test_every_text_gives_names_and_labels_that_kubernetes_takes",
    ),
    on_kubernetes(
        "Steps whose names look alike share a Job",
        {"tasks.py": {"/{step_run or step_name}/": "/{step_run or step_name.replace('_', '-')}/"}},
        "test_pods.py::test_steps_whose_names_look_alike_have_jobs_of_their_own",
    ),
]

KUBERNETES_RIGHT = [
    on_kubernetes(
        "Another variable",
        ANOTHER_VARIABLE,
        "test_run_id.py",
    ),
    on_kubernetes(
        "The Job's name and its UID",
        given(
            'field_variable("JOB_NAME", '
            "\"metadata.labels['batch.kubernetes.io/job-name']\"),\n"
            '        dict(name=RUN_ID_VARIABLE, value="$(JOB_NAME)_$(JOB_UID)")',
            'f"{name}_{uid}"',
        ),
        "test_run_id.py",
    ),
]


# ---- SageMaker

EXECUTION_ARN = '{"Get": "Execution.PipelineExecutionArn"}'
EXECUTION_ID = '{"Get": "Execution.PipelineExecutionId"}'
ID_OF_ARN = {
    "execution_arn": "    return arn\n",
    "execution_id": '    return arn.rpartition("/")[2]\n',
}

LOST_ANSWER = "test_survival.py::test_an_answer_that_is_lost_starts_nothing_twice"
RESOURCES_TEST = "test_resources.py::test_a_step_gets_the_cheapest_type_that_has_what_it_asks_for"


def on_sagemaker(
    mistake: str,
    changes: dict[str, dict[str, str]],
    caught_by: str,
    strategy: str = "execution_arn",
) -> Creature:
    """Breeds a creature that runs steps on SageMaker."""
    return Creature(mistake, changes, caught_by, "sagemaker", strategy)


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


def read_on_sagemaker(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a job some other way, given `name`, the variable's."""
    return {"variables.py": {"    value = os.environ.get(name)\n": f"    value = {expression}\n"}}


def short_of(wanted: str) -> dict[str, dict[str, str]]:
    """Does not look whether a type has enough of something.

    Args:
        wanted: The line of `choice.py` that does.
    """
    return {"choice.py": {f"        {wanted},\n": ""}}


SAGEMAKER_ZOO = [
    on_sagemaker("A constant ID", resolved('"my-run"', '"my-run"'), SAME_SNAPSHOT),
    on_sagemaker(
        "The pipeline's ARN, and not the execution's",
        resolved('{"Get": "Execution.PipelineArn"}', 'arn.partition("/execution/")[0]'),
        SAME_SNAPSHOT,
    ),
    on_sagemaker(
        "The pipeline's name",
        resolved('{"Get": "Execution.PipelineName"}', 'arn.split("/")[1]', "execution_id"),
        SAME_SNAPSHOT,
        "execution_id",
    ),
    on_sagemaker(
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
    on_sagemaker(
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
        "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own",
    ),
    on_sagemaker(
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
    on_sagemaker(
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
    on_sagemaker("A new UUID in each step", read_on_sagemaker(NEW_UUID), SAME_STEPS),
    on_sagemaker(
        "A UUID made up when the variable is missing",
        read_on_sagemaker(f"os.environ.get(name) or {NEW_UUID}"),
        MISSING,
    ),
    on_sagemaker(
        "The variable is never set in steps",
        {"run_id.py": {f"        RUN_ID_VARIABLE: {EXECUTION_ARN},\n": ""}},
        EVERY_PROCESS,
    ),
    on_sagemaker(
        "The variable is not set in isolated steps",
        {"orchestrator.py": {"program, run_ids.step_variables())": "program, {})"}},
        "test_run_id.py::test_is_the_same_in_every_step_of_a_dynamic_run",
    ),
    on_sagemaker(
        "A dynamic pipeline's function does not know that its job is the run",
        {"run_id.py": {'{FUNCTION_VARIABLE: "yes", ': "{"}},
        EVERY_PROCESS,
    ),
    on_sagemaker(
        "CPUs ignored", short_of("(wanted.cpu_count or 0, offered.vcpus)"), RESOURCES_TEST
    ),
    on_sagemaker("Memory ignored", short_of("(gib(wanted), offered.memory_gib)"), RESOURCES_TEST),
    on_sagemaker("GPUs ignored", short_of("(wanted.gpu_count or 0, offered.gpus)"), RESOURCES_TEST),
    on_sagemaker(
        "Resources of processing jobs ignored",
        {"resources.py": {"if not asks_for": "if not training or not asks_for"}},
        RESOURCES_TEST,
    ),
    on_sagemaker(
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
    on_sagemaker(
        "Resources of isolated steps ignored",
        {"programs.py": {" step_run_info.config.resource_settings,\n": " ResourceSettings(),\n"}},
        "test_resources.py::test_what_an_isolated_step_asks_for_it_gets",
    ),
    on_sagemaker(
        "A pipeline's name as long as SageMaker takes it",
        {"names.py": {"LONGEST_PIPELINE_NAME = 128": "LONGEST_PIPELINE_NAME = 256"}},
        LENGTH,
    ),
    on_sagemaker(
        "Pipelines whose names look alike share one",
        {"names.py": {"unique.encode()": "slug(unique).encode()"}},
        "test_definition.py::test_pipelines_whose_names_look_alike_have_sagemaker_pipelines_of_their_own",
    ),
    on_sagemaker(
        "Whatever version of the pipeline is the latest",
        {"service.py": {"            **version_of(found),\n": ""}},
        "test_definition.py::test_submissions_that_meet_run_each_its_own_snapshot",
    ),
    on_sagemaker(
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
    on_sagemaker(
        "Long variables as they are",
        {"jobs.py": {"environment = environments.pack(environment, longest)": "pass"}},
        "test_environment.py::test_jobs_are_within_the_limits_as_sagemaker_gets_them",
    ),
    on_sagemaker(
        "The token in the definition, though there is a secret",
        {
            "hiding.py": {
                "    public = {key: value for key, value in environment.items() "
                "if not key.startswith(CONNECTION)}\n": "    public = dict(environment)\n"
            }
        },
        "test_secrets.py::test_no_part_of_the_token_is_where_others_can_read_it",
    ),
    on_sagemaker(
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
    on_sagemaker(
        "Failed requests are not tried again",
        {"aws.py": {'"total_max_attempts": 10': '"total_max_attempts": 1'}},
        LOST_ANSWER,
    ),
    on_sagemaker(
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
    on_sagemaker(
        "A job that is not recognised when its request is repeated",
        {"service.py": {"        if code_of(error) != NAME_IS_TAKEN:\n": "        if True:\n"}},
        LOST_ANSWER,
    ),
    on_sagemaker(
        "A login that is not renewed",
        {"aws.py": {"            if code_of(error) not in EXPIRED:\n": "            if True:\n"}},
        "test_settings.py::test_an_assumed_role_does_all_and_is_assumed_again_when_it_has_expired",
    ),
    on_sagemaker(
        "A failure without its reason",
        {"conclusion.py": {"name, False, step.cause)": 'name, False, "")'}},
        "test_causes.py::test_the_user_and_zenml_are_told_the_cause",
    ),
    on_sagemaker(
        "A failing step reported as success",
        {
            "supervisor.py": {
                "return SIGNALLED - code if code < 0 else code\n": "return 0\n",
            }
        },
        "test_failures.py::test_a_failing_step_fails_the_run_and_those_below_it_do_not_start",
    ),
    on_sagemaker(
        "A killed step that stays running",
        LEFT_OPEN,
        "test_failures.py::test_a_killed_step_fails_the_run_and_the_signal_is_named",
    ),
    on_sagemaker(
        "Retries ignored",
        {"programs.py": {"    if retry := step.config.retry:\n": "    if (retry := None):\n"}},
        "test_failures.py::test_a_killed_step_is_retried_in_the_same_run",
    ),
    on_sagemaker(
        "A failure that lets the other steps go on, though the mode is to fail fast",
        {"aftermath.py": {"    if fail_fast and not stopped:\n": "    if False:\n"}},
        "test_failures.py::test_execution_modes",
    ),
    on_sagemaker(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if graceful and in_progress:\n": "        if in_progress:\n"
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    on_sagemaker(
        "A changed schedule that forgets the rest",
        {
            "service.py": {
                '"ScheduleExpressionTimezone", "StartDate", "EndDate", "State",': "",
            }
        },
        "test_schedules.py::test_a_schedule_can_be_changed_paused_and_resumed_and_keeps_the_rest",
    ),
    on_sagemaker(
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

SAGEMAKER_RIGHT = [
    on_sagemaker("Another variable", ANOTHER_VARIABLE, "test_run_id.py"),
    on_sagemaker(
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
    on_sagemaker(
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


# ---- Vertex AI

FIRST_OF_TWO = "test_schedules.py::test_each_firing_is_a_run_with_an_id_of_its_own"
LIMITS = "test_resources.py::test_a_task_has_the_limits_that_its_step_asks_for"
JOB_PLACEHOLDER = 'placeholder("pipeline_job_name")'
ID_OF_SUBMISSION = "unique_name(name, str(uuid4()), LONGEST_JOB_ID)"


def on_vertex(
    mistake: str, changes: dict[str, dict[str, str]], caught_by: str, strategy: str = "job_name"
) -> Creature:
    """Breeds a creature that runs steps on Vertex AI."""
    return Creature(mistake, changes, caught_by, "vertex", strategy)


def told(value: str, of_job: str) -> dict[str, dict[str, str]]:
    """Lets the tasks of a pipeline be told something else than the job's ID.

    Args:
        value: The variable's value, as an expression.
        of_job: The same for whoever knows the job, as an expression with `job`.
    """
    return {
        "run_id.py": {JOB_PLACEHOLDER: value, "    return job.id\n": f"    return {of_job}\n"},
    }


def told_at_submission(value: str) -> dict[str, dict[str, str]]:
    """Lets the tasks of a pipeline be told what the orchestrator knows when it submits it.

    Args:
        value: The variable's value, as an expression with `snapshot`.
    """
    return {
        "orchestrator.py": {
            "        variables = {**hidden, **run_ids.pipeline_variables()}\n": (
                "        variables = {**hidden, **run_ids.pipeline_variables()}\n"
                f"        variables[run_ids.RUN_ID_VARIABLE] = {value}\n"
            ),
            "(run_id := run_ids.of(job))": f"(run_id := {value})",
        }
    }


def read_on_vertex(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a job some other way."""
    usual = "    return read_variable(RUN_ID_VARIABLE)\n"
    return {"run_id.py": {usual: f"    return {expression}\n"}}


VERTEX_ZOO = [
    on_vertex("A constant ID", told('"my-run"', '"my-run"'), SAME_SNAPSHOT),
    on_vertex(
        "The pipeline's name",
        told_at_submission("snapshot.pipeline_configuration.name"),
        SAME_SNAPSHOT,
    ),
    on_vertex("The snapshot's ID", told_at_submission("str(snapshot.id)"), SAME_SNAPSHOT),
    on_vertex(
        "A job's ID that has nothing but the pipeline's name",
        {"orchestrator.py": {ID_OF_SUBMISSION: "unique_name(name, name, LONGEST_JOB_ID)"}},
        SAME_SNAPSHOT,
    ),
    on_vertex(
        "An ID made at submission, which each firing of a schedule repeats",
        {
            "orchestrator.py": {
                "            secret = self._secret_for(snapshot)\n            tasks = [\n": (
                    "            secret = self._secret_for(snapshot)\n"
                    "            self._made = str(uuid4())\n"
                    "            tasks = [\n"
                ),
                **told_at_submission("self._made")["orchestrator.py"],
            }
        },
        FIRST_OF_TWO,
    ),
    on_vertex(
        "The number of each task's own job",
        {
            "run_id.py": {
                "    if own_job.is_function() and RUN_ID_VARIABLE not in os.environ:\n": (
                    "    if True:\n"
                )
            }
        },
        SAME_STEPS,
    ),
    on_vertex(
        "The number of each task",
        {"run_id.py": {'placeholder("pipeline_job_uuid")': 'placeholder("pipeline_task_uuid")'}},
        SAME_STEPS,
        "job_uuid",
    ),
    on_vertex(
        "A UUID made up when the variable is missing",
        read_on_vertex(f"os.environ.get(RUN_ID_VARIABLE) or {NEW_UUID}"),
        MISSING,
    ),
    on_vertex(
        "The variable is never set in tasks",
        {"run_id.py": {f"RUN_ID_VARIABLE: {JOB_PLACEHOLDER}, ": ""}},
        EVERY_PROCESS,
    ),
    on_vertex(
        "The variable is not set in custom jobs that a pipeline starts",
        {
            "jobs.py": {
                "            return Task(name, upstream, launcher(": (
                    '            pool = job["jobSpec"]["workerPoolSpecs"][0]\n'
                    '            variable = pool["containerSpec"]["env"]\n'
                    "            variable[:] = [\n"
                    '                each for each in variable if "RUN_ID" not in each["name"]\n'
                    "            ]\n"
                    "            return Task(name, upstream, launcher("
                )
            }
        },
        "test_spec.py::test_a_static_step_with_parameters_runs_in_a_custom_job_of_the_same_run",
    ),
    on_vertex(
        "The variable is not set in isolated steps",
        {"orchestrator.py": {"{**environment, **run_ids.step_variables()}": "dict(environment)"}},
        "test_run_id.py::test_is_the_same_in_every_step_of_a_dynamic_run",
    ),
    on_vertex(
        "A dynamic pipeline's function does not know that its job is the run",
        {"own_job.py": {"    return {FUNCTION_VARIABLE: parent}\n": "    return {}\n"}},
        EVERY_PROCESS,
    ),
    on_vertex(
        "CPUs ignored", {"resources.py": {"    if wanted.cpu_count:\n": "    if False:\n"}}, LIMITS
    ),
    on_vertex(
        "Memory ignored", {"resources.py": {"    if wanted.memory:\n": "    if False:\n"}}, LIMITS
    ),
    on_vertex(
        "GPUs ignored",
        {"resources.py": {"    if wanted.gpu_count:\n": "    if False:\n"}},
        LIMITS,
    ),
    on_vertex(
        "Requests without limits",
        {
            "resources.py": {
                'found["cpuLimit"]': 'found["cpuRequest"]',
                'found["resourceCpuLimit"]': 'found["resourceCpuRequest"]',
                'found["memoryLimit"]': 'found["memoryRequest"]',
                'found["resourceMemoryLimit"]': 'found["resourceMemoryRequest"]',
            }
        },
        LIMITS,
    ),
    on_vertex(
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
    on_vertex(
        "Resources of isolated steps ignored",
        {"programs.py": {" step_run_info.config.resource_settings,\n": " ResourceSettings(),\n"}},
        "test_resources.py::test_what_an_isolated_step_asks_for_it_gets",
    ),
    on_vertex(
        "IDs of jobs longer than Vertex AI takes them",
        {"names.py": {"LONGEST_JOB_ID = 128": "LONGEST_JOB_ID = 256"}},
        LENGTH,
    ),
    on_vertex(
        "Steps whose names look alike share a task",
        {"names.py": {"unique.encode()": "slug(unique).encode()"}},
        "test_spec.py::test_names_of_tasks_differ_in_more_than_case",
    ),
    on_vertex(
        "Nobody looks for a custom job before its request is repeated",
        {
            "google_cloud.py": {
                "            if requested and (found := find()) is not None:\n": (
                    "            if (found := None) is not None:\n"
                )
            }
        },
        LOST_ANSWER,
    ),
    on_vertex(
        "A pipeline job that is not recognised when its request is repeated",
        {
            "service.py": {
                "        if state.of(cloud, name).cause == state.NOT_THERE:\n            raise\n": (
                    "        raise\n"
                )
            }
        },
        LOST_ANSWER,
    ),
    on_vertex(
        "The token in the specification, though there is a secret",
        {
            "hiding.py": {
                "    public = {key: value for key, value in environment.items() "
                "if not key.startswith(CONNECTION)}\n": "    public = dict(environment)\n"
            }
        },
        "test_secrets.py::test_no_part_of_the_token_is_where_others_can_read_it",
    ),
    on_vertex(
        "A secret that stays",
        {
            "orchestrator.py": {
                "            if secret is not None:\n"
                "                secret.delete(self.cloud)\n": "            return\n"
            }
        },
        "test_secrets.py::test_the_secret_is_gone_after_the_run",
    ),
    on_vertex(
        "Empty variables as they are",
        {"environment.py": {"environment.items() if value}": "environment.items()}"}},
        "test_environment.py::test_a_step_sees_its_variables_whole",
    ),
    on_vertex(
        "A login that is not renewed",
        {"google_cloud.py": {"            self._login = None\n": "            raise\n"}},
        "test_survival.py::test_logins_that_expire_do_not_end_the_run",
    ),
    on_vertex(
        "In a job, the project that Google's libraries take for ours",
        {"halt.py": {'{"project": project}': '{"project": None}'}},
        "test_settings.py::test_in_a_job_the_login_is_that_of_its_service_account_and_the_project_that_of_the_run",
    ),
    on_vertex(
        "A failure without its reason",
        {"conclusion.py": {"name, False, step.cause)": 'name, False, "")'}},
        "test_causes.py::test_the_user_and_zenml_are_told_the_cause",
    ),
    on_vertex(
        "Retries ignored",
        {"programs.py": {"    if retry := step.config.retry:\n": "    if (retry := None):\n"}},
        "test_failures.py::test_a_killed_step_is_retried_in_the_same_run",
    ),
    on_vertex(
        "A step that Vertex AI starts again by its exit code",
        {"entrypoint.py": {"    return 1 if code > SIGNALLED else code\n": "    return code\n"}},
        "test_causes.py::test_a_function_that_a_signal_ends_is_not_taken_for_a_fault_of_the_machine",
    ),
    on_vertex(
        "A failure that lets the other steps go on, though the mode is to fail fast",
        {"aftermath.py": {"    if fail_fast and not stopped:\n": "    if False:\n"}},
        "test_failures.py::test_execution_modes",
    ),
    on_vertex(
        "The other failure policy",
        {"jobs.py": {'"FAST" if halts else "SLOW"': '"SLOW" if halts else "FAST"'}},
        "test_spec.py::test_the_execution_mode_says_whether_tasks_begin_after_a_failure",
    ),
    on_vertex(
        "A stop that does nothing",
        {
            "orchestrator.py": {
                "        if graceful and in_progress:\n": "        if in_progress:\n"
            }
        },
        "test_stop.py::test_a_forceful_stop_ends_the_steps_in_progress",
    ),
    on_vertex(
        "A changed schedule that forgets its time zone",
        {"service.py": {"with_time_zone(cron, zone)": 'with_time_zone(cron, "UTC")'}},
        "test_schedules.py::test_a_schedule_can_be_changed_paused_and_resumed_and_keeps_the_rest",
    ),
    on_vertex(
        "A schedule that is deleted, and its run goes on",
        {
            "orchestrator.py": {
                "        service.stop_runs_of_schedule(self.cloud, "
                "str(schedule.run_metadata[SCHEDULED]))\n": ""
            }
        },
        "test_schedules.py::test_a_schedule_that_is_deleted_ends_its_runs_in_progress",
    ),
    on_vertex(
        "Labels dropped",
        {"jobs.py": {'"labels": dict(labels),': '"labels": {},'}},
        "test_spec.py::test_where_jobs_run_is_said_of_pipelines_and_of_custom_jobs",
    ),
    on_vertex(
        "The network and the service account dropped",
        {
            "jobs.py": {
                "        if self.config.network is not None:\n": "        if False:\n",
                "        if self.config.workload_service_account is not None:\n": (
                    "        if False:\n"
                ),
            }
        },
        "test_spec.py::test_where_jobs_run_is_said_of_pipelines_and_of_custom_jobs",
    ),
]

VERTEX_RIGHT = [
    on_vertex("Another variable", ANOTHER_VARIABLE, "test_run_id.py"),
    on_vertex(
        "The region and the pipeline job's ID",
        told(
            f'placeholder("pipeline_google_cloud_location") + "/" + {JOB_PLACEHOLDER}',
            'job.id if job.kind == "customJobs" else f"{job.location}/{job.id}"',
        ),
        "test_run_id.py",
    ),
    on_vertex(
        "A custom job for each step",
        {
            "jobs.py": {
                "        if settings.custom_job_parameters is not None:\n": "        if True:\n"
            }
        },
        "test_failures.py",
    ),
]
