# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The orchestrator of a service of a cloud, whose jobs keep files in the cloud's storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from zenml.client import Client

from ..stack_validation import local_component
from .orchestrator import ServiceOrchestrator

if TYPE_CHECKING:
    from zenml.stack import Stack

    from .settings import CloudConfig


class CloudOrchestrator(ServiceOrchestrator):
    """An orchestrator of a service of a cloud. What a project sets comes first.

    Attributes:
        cloud: What people call the cloud, such as `AWS`.
        storage: What they call its storage, such as `S3`.
        scheme: What addresses there begin with, such as `s3://`.
        folder_setting: The field of the config that says where files of jobs go.
        folder_name: Where they go by default, in the stack's artifact store.
    """

    cloud: ClassVar[str]
    storage: ClassVar[str]
    scheme: ClassVar[str]
    folder_setting: ClassVar[str]
    folder_name: ClassVar[str]

    @property
    def config(self) -> CloudConfig:
        """What is configured."""
        return cast("CloudConfig", self._config)

    def folder(self) -> str:
        """Returns where in the storage files go that are no artifacts."""
        store = Client().active_stack.artifact_store
        return self.config.folder or f"{store.path.rstrip('/')}/{self.folder_name}"

    def stack_problem(self, stack: Stack) -> str | None:
        """Says what is wrong with a stack: jobs in a cloud need all else to be in their reach."""
        if not self.config.skip_local_validations:
            remedy = "set `skip_local_validations`"
            if problem := local_component(stack, f"jobs on {self.cloud}", remedy):
                return problem
        store = stack.artifact_store
        if self.config.folder or store.path.startswith(self.scheme):
            return None
        return (
            f"the stack's artifact store `{store.name}` is not in {self.storage}, so it is not "
            f"known where the files of jobs should go. Set `{self.folder_setting}`, or use an "
            f"artifact store in {self.storage}."
        )
