# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator of a Google Cloud project, on loopback, for Google's own client libraries."""

from .project import Call, Faults, Job, PipelineRun, Project, TaskRun

__all__ = ["Call", "Faults", "Job", "PipelineRun", "Project", "TaskRun"]
