# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a pipeline service implements: a job platform that also runs whole pipelines.

It takes all steps of a static pipeline at once, and walks the DAG itself. Implement
`PipelineService`, beside what `JobPlatform` asks, and `ContainerContract` for what differs inside
its containers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..protocols import JobPlatform, JobSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zenml.enums import ExecutionMode

    from ..protocols import JobHandle, JobStatus


@dataclass(frozen=True)
class PipelineSpec(JobSpec):
    """A static pipeline as one job: what a pipeline service gets instead of a controller's job.

    It has no command. Its secrets are those that all of its steps have.

    Attributes:
        steps: The jobs of its steps, in an order in which they could run. A retry is the
            supervisor's, in the step's container: the service starts each step once.
        upstream: The names of the steps that must succeed before a step, by its name.
        mode: What a failed step means for those that have not begun. Those in progress the
            supervisor stops, if they are to be.
    """

    steps: Sequence[JobSpec] = ()
    upstream: Mapping[str, Collection[str]] = field(default_factory=dict)
    mode: ExecutionMode | None = None


class SecretStore(Protocol):
    """Where a service keeps secrets. A reference is what its jobs read one by."""

    def store(self, name: str, values: Mapping[str, str], *, for_good: bool) -> str:
        """Keeps variables, and returns the reference. It is no harm to do so twice.

        Args:
            name: What the secret is called.
            values: The variables.
            for_good: Whether to keep them until they are deleted: those of a schedule. Those of a
                run may end when no run can be in progress any more.
        """

    def delete(self, reference: str) -> None:
        """Deletes a secret, if it is there and this may be done."""


class PipelineService(JobPlatform, Protocol):
    """Runs whole pipelines; and single jobs, for dynamic pipelines: functions and isolated steps.

    An *execution* is what became of a `PipelineSpec`. It is a job like any other, with a handle and
    a key: it is checked by `validate`, started by `submit` (or by a schedule), told by `describe`,
    and ended by `stop`, with all that belongs to it. So the engine treats both alike. `find` may
    leave executions out: ZenML has their handles. In a step's container, `current_job` returns the
    execution; in any other, the job itself.

    A word for a status that is not known yet is `Phase.RUNNING`: services get new ones.
    """

    @property
    def secret_store(self) -> SecretStore | None:
        """Where secrets of jobs are kept, by `services.secrets.kept`; None if nowhere."""
        return None

    def describe_steps(self, handle: JobHandle) -> Mapping[str, JobStatus]:
        """Tells how the steps of an execution are.

        Args:
            handle: An execution; or a job, which has no steps.

        Returns:
            The status of each step that has begun, by ZenML's name.
        """

    def links(self, handle: JobHandle) -> Mapping[str, str]:
        """Returns where a person looks at an execution or a job: URLs, by ZenML's names for them.

        These are `zenml.constants.METADATA_ORCHESTRATOR_URL` and `METADATA_ORCHESTRATOR_LOGS_URL`.
        """

    def clean_up(self, handle: JobHandle) -> None:
        """Deletes what was kept for an execution or a job, such as a secret.

        It is called when the run has ended, by whoever sees that: a client that waits, one that
        asks, or one that stops it. So it may be called again, and what is gone is no error.
        """


class ContainerContract(Protocol):
    """What differs inside a service's containers. `services.supervisor.supervise` asks it.

    Its module is the first that is run in each container, and should import little.
    """

    def restore_environment(self) -> None:
        """Completes `os.environ`: what the service could not carry as it is, and the secrets.

        No thread of it may be left: the process is forked afterwards.

        Raises:
            Exception: If it cannot be done. The job then fails, with the reason.
        """

    def report_failure(self, reason: str, exit_code: int) -> int:
        """Tells the service, in its own way, why this container fails.

        Args:
            reason: Why, in words; empty if `exit_code` says as much.
            exit_code: How the process ended; 128 + n for signal n.

        Returns:
            The exit code that the container is to have.
        """

    def will_restart(self) -> bool:
        """Tells whether the service, which has asked this container to end, starts it again.

        It is asked of the function of a dynamic pipeline alone, in a process of its own, which may
        import anything. The run is then left as it is.
        """
