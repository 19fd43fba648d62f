# YOURS: names that Vertex AI accepts, and what jobs are told of themselves
"""Names of jobs, in Google Cloud and in the console; and which job a process belongs to.

https://cloud.google.com/apis/design/resource_names
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import quote

from ..engine.slugs import slugify, unique_name
from ..run_id import RunId

# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs/create
LONGEST_JOB_ID = 128

# What the service makes of it for each firing of a schedule has a time behind it.
LONGEST_PIPELINE_NAME = 100

# https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
# It is counted in bytes of UTF-8.
LONGEST_DISPLAY_NAME = 128

# https://cloud.google.com/resource-manager/docs/labels-overview#requirements
LONGEST_LABEL = 63

# Names of tasks are keys of the specification. kfp, which writes what the service is made for,
# makes them of these characters too.
TASK_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST_TASK_NAME = 63

# The collections of the API that jobs are in.
PIPELINE, CUSTOM = "pipelineJobs", "customJobs"
HANDLE = re.compile(rf"projects/([^/]+)/locations/([^/]+)/({PIPELINE}|{CUSTOM})/([^/]+)")

CONSOLE = "https://console.cloud.google.com"
CONSOLE_PATHS = {PIPELINE: "pipelines/runs", CUSTOM: "training"}

# The name of the job that a process belongs to: a pipeline job, or the job of an isolated step's
# function. Vertex AI puts it in place of a placeholder, or the function's job hands it on.
JOB_VARIABLE = f"{RunId.variable}_JOB"

# The region in which a custom job is, which has its own number from the service.
REGION_VARIABLE = f"{RunId.variable}_FUNCTION_IN"
NUMBER_VARIABLE = "CLOUD_ML_JOB_ID"


class JobName(NamedTuple):
    """The parts of a handle: the name of a pipeline job or a custom job.

    Attributes:
        project: The project's ID or number.
        location: The region.
        kind: `pipelineJobs` or `customJobs`.
        id: What the job is called in its region.
    """

    project: str
    location: str
    kind: str
    id: str

    @classmethod
    def parse(cls, text: str) -> JobName:
        """Reads a name.

        Raises:
            ValueError: If it is none of a pipeline job or a custom job.
        """
        found = HANDLE.fullmatch(text)
        if found is None:
            raise ValueError(f"`{text}` is no name of a pipeline job or a custom job.")
        return cls(*found.groups())

    @property
    def console_url(self) -> str:
        """A link to where a person sees the job."""
        path = f"{self.location}/{CONSOLE_PATHS[self.kind]}/{self.id}"
        return f"{CONSOLE}/vertex-ai/locations/{path}?project={self.project}"

    @property
    def logs_url(self) -> str:
        """A link to the logs of the job, or to what is logged of a pipeline job's tasks.

        https://cloud.google.com/vertex-ai/docs/pipelines/logging
        """
        label = "pipeline_job_id" if self.kind == PIPELINE else "job_id"
        query = f'resource.labels.{label}="{self.id}"'
        return f"{CONSOLE}/logs/query;query={quote(query, safe='')}?project={self.project}"


def own_job() -> str | None:
    """Returns the name of the job that this process belongs to; None outside of jobs."""
    if region := os.environ.get(REGION_VARIABLE):
        return f"{region}/{CUSTOM}/{os.environ[NUMBER_VARIABLE]}"
    return os.environ.get(JOB_VARIABLE)


def pipeline_name(text: str) -> str:
    """Makes the name of a pipeline, which jobs of a schedule are called after."""
    found = slugify(text)
    if not found[:1].isalpha():
        found = f"x-{found}"
    return found[:LONGEST_PIPELINE_NAME].strip("-")


def task_name(name: str) -> str:
    """Makes the name of a pipeline's task: the step's own if it fits, or one like it."""
    if TASK_NAME.fullmatch(name) and len(name) <= LONGEST_TASK_NAME:
        return name
    return unique_name(name, unique=name, max_length=LONGEST_TASK_NAME)


def display_name(text: str) -> str:
    """Cuts a name that people see to what the service takes."""
    return text.encode()[:LONGEST_DISPLAY_NAME].decode(errors="ignore") or "x"
