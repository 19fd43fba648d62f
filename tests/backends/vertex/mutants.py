"""The mutants of `vertex`. It is not on the engine yet: they are changes to its text."""

from __future__ import annotations

from mutants.flat import (
    ANOTHER_VARIABLE,
    EACH_FIRING,
    EVERY_PROCESS,
    LENGTH,
    LOST_ANSWER,
    MISSING,
    NEW_UUID,
    SAME_SNAPSHOT,
    SAME_STEPS,
    changed,
)

LIMITS = "test_resources.py::test_a_task_has_the_limits_that_its_step_asks_for"
JOB_PLACEHOLDER = 'placeholder("pipeline_job_name")'
ID_OF_SUBMISSION = "unique_name(name, str(uuid4()), LONGEST_JOB_ID)"


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


def read_as(expression: str) -> dict[str, dict[str, str]]:
    """Reads the ID in a job some other way."""
    usual = "    return read_variable(RUN_ID_VARIABLE)\n"
    return {"run_id.py": {usual: f"    return {expression}\n"}}


MUTANTS = [
    changed("A constant ID", told('"my-run"', '"my-run"'), SAME_SNAPSHOT),
    changed(
        "The pipeline's name",
        told_at_submission("snapshot.pipeline_configuration.name"),
        SAME_SNAPSHOT,
    ),
    changed("The snapshot's ID", told_at_submission("str(snapshot.id)"), SAME_SNAPSHOT),
    changed(
        "A job's ID that has nothing but the pipeline's name",
        {"orchestrator.py": {ID_OF_SUBMISSION: "unique_name(name, name, LONGEST_JOB_ID)"}},
        SAME_SNAPSHOT,
    ),
    changed(
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
        EACH_FIRING,
    ),
    changed(
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
    changed(
        "The number of each task",
        {"run_id.py": {'placeholder("pipeline_job_uuid")': 'placeholder("pipeline_task_uuid")'}},
        SAME_STEPS,
        "job_uuid",
    ),
    changed(
        "A UUID made up when the variable is missing",
        read_as(f"os.environ.get(RUN_ID_VARIABLE) or {NEW_UUID}"),
        MISSING,
    ),
    changed(
        "The variable is never set in tasks",
        {"run_id.py": {f"RUN_ID_VARIABLE: {JOB_PLACEHOLDER}, ": ""}},
        EVERY_PROCESS,
    ),
    changed(
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
    changed(
        "The variable is not set in isolated steps",
        {"orchestrator.py": {"{**environment, **run_ids.step_variables()}": "dict(environment)"}},
        "test_run_id.py::test_is_the_same_in_every_step_of_a_dynamic_run",
    ),
    changed(
        "A dynamic pipeline's function does not know that its job is the run",
        {"own_job.py": {"    return {FUNCTION_VARIABLE: parent}\n": "    return {}\n"}},
        EVERY_PROCESS,
    ),
    changed(
        "CPUs ignored", {"resources.py": {"    if wanted.cpu_count:\n": "    if False:\n"}}, LIMITS
    ),
    changed(
        "Memory ignored", {"resources.py": {"    if wanted.memory:\n": "    if False:\n"}}, LIMITS
    ),
    changed(
        "GPUs ignored",
        {"resources.py": {"    if wanted.gpu_count:\n": "    if False:\n"}},
        LIMITS,
    ),
    changed(
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
        "IDs of jobs longer than Vertex AI takes them",
        {"names.py": {"LONGEST_JOB_ID = 128": "LONGEST_JOB_ID = 256"}},
        LENGTH,
    ),
    changed(
        "Steps whose names look alike share a task",
        {"names.py": {"unique.encode()": "slug(unique).encode()"}},
        "test_spec.py::test_names_of_tasks_differ_in_more_than_case",
    ),
    changed(
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
    changed(
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
    changed(
        "The token in the specification, though there is a secret",
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
                "            if secret is not None:\n"
                "                secret.delete(self.cloud)\n": "            return\n"
            }
        },
        "test_secrets.py::test_the_secret_is_gone_after_the_run",
    ),
    changed(
        "Empty variables as they are",
        {"environment.py": {"environment.items() if value}": "environment.items()}"}},
        "test_environment.py::test_a_step_sees_its_variables_whole",
    ),
    changed(
        "A login that is not renewed",
        {"google_cloud.py": {"            self._login = None\n": "            raise\n"}},
        "test_survival.py::test_logins_that_expire_do_not_end_the_run",
    ),
    changed(
        "In a job, the project that Google's libraries take for ours",
        {"halt.py": {'{"project": project}': '{"project": None}'}},
        "test_settings.py::test_in_a_job_the_login_is_that_of_its_service_account_and_the_project_that_of_the_run",
    ),
    changed(
        "A failure without its reason",
        {"conclusion.py": {"name, False, step.cause)": 'name, False, "")'}},
        "test_causes.py::test_the_user_and_zenml_are_told_the_cause",
    ),
    changed(
        "Retries ignored",
        {"programs.py": {"    if retry := step.config.retry:\n": "    if (retry := None):\n"}},
        "test_failures.py::test_a_killed_step_is_retried_in_the_same_run",
    ),
    changed(
        "A step that Vertex AI starts again by its exit code",
        {"entrypoint.py": {"    return 1 if code > SIGNALLED else code\n": "    return code\n"}},
        "test_causes.py::test_a_function_that_a_signal_ends_is_not_taken_for_a_fault_of_the_machine",
    ),
    changed(
        "A failure that lets the other steps go on, though the mode is to fail fast",
        {"aftermath.py": {"    if fail_fast and not stopped:\n": "    if False:\n"}},
        "test_failures.py::test_execution_modes",
    ),
    changed(
        "The other failure policy",
        {"jobs.py": {'"FAST" if halts else "SLOW"': '"SLOW" if halts else "FAST"'}},
        "test_spec.py::test_the_execution_mode_says_whether_tasks_begin_after_a_failure",
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
        "A changed schedule that forgets its time zone",
        {"service.py": {"with_time_zone(cron, zone)": 'with_time_zone(cron, "UTC")'}},
        "test_schedules.py::test_a_schedule_can_be_changed_paused_and_resumed_and_keeps_the_rest",
    ),
    changed(
        "A schedule that is deleted, and its run goes on",
        {
            "orchestrator.py": {
                "        service.stop_runs_of_schedule(self.cloud, "
                "str(schedule.run_metadata[SCHEDULED]))\n": ""
            }
        },
        "test_schedules.py::test_a_schedule_that_is_deleted_ends_its_runs_in_progress",
    ),
    changed(
        "Labels dropped",
        {"jobs.py": {'"labels": dict(labels),': '"labels": {},'}},
        "test_spec.py::test_where_jobs_run_is_said_of_pipelines_and_of_custom_jobs",
    ),
    changed(
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

EQUIVALENT = [
    changed("Another variable", ANOTHER_VARIABLE, "test_run_id.py"),
    changed(
        "The region and the pipeline job's ID",
        told(
            f'placeholder("pipeline_google_cloud_location") + "/" + {JOB_PLACEHOLDER}',
            'job.id if job.kind == "customJobs" else f"{job.location}/{job.id}"',
        ),
        "test_run_id.py",
    ),
    changed(
        "A custom job for each step",
        {
            "jobs.py": {
                "        if settings.custom_job_parameters is not None:\n": "        if True:\n"
            }
        },
        "test_failures.py",
    ),
]
