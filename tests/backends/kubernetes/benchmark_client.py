"""The client that `benchmark.py` measures, and the emulated cluster that it measures on.

The clocks are those of the emulator, which knows when a request has come: a step has ended when
its node has said so, and a Job is there when somebody has asked for it.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from backends.kubernetes import on_emulator
from backends.kubernetes.benchmark_pipelines import chain, wide
from bench import TESTS
from emulator_programs import runnable, use
from kubernetes import client, config
from measure import Sample, alternate
from zenml.client import Client
from zenml.enums import ExecutionStatus, StackComponentType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kit.kubernetes_emulator import Cluster, Node
    from kit.kubernetes_emulator.api import Call
    from zenml.pipelines.pipeline_definition import Pipeline

# ZenML's own looks every 3.5 seconds. Steps of one length would always meet it at one moment.
LENGTHS = (0.3, 1.1, 2.3)
CHAIN = (*LENGTHS * 3, LENGTHS[0])

# How many steps of a wide pipeline are in progress at the same time.
PARALLEL = 6

# The stacks. Both have the defaults of their orchestrators.
STACKS = ("ours", "zenml")


class Lab:
    """The emulator, and the stacks that use it."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        """Takes what runs already."""
        self._cluster = cluster
        self._node = node
        self._lengths = {stack: cycle(LENGTHS) for stack in STACKS}
        self.requests: dict[str, list[Sample]] = {stack: [] for stack in STACKS}
        """How many requests each submission made."""

    def run(self, pipeline: Pipeline, stack: str, **settings: Any) -> Run:
        """Runs a pipeline to its end.

        Raises:
            RuntimeError: If it did not complete.
        """
        use(stack, TESTS)
        began = len(self._cluster.calls)
        result = with_settings(pipeline, **settings)()
        reported = time.time()
        assert result is not None
        status = Client().get_pipeline_run(result.id).status
        if status is not ExecutionStatus.COMPLETED:
            message = f"{pipeline.name} on {stack} is {status.value}"
            raise RuntimeError(message)
        calls = [call for call in self._cluster.calls[began:] if call.seconds < reported]
        pods = [
            pod["metadata"]["name"]
            for pod in self._cluster.objects("Pod")
            if pod["metadata"]["labels"].get("run_id") == str(result.id)
            and "step_name" in pod["metadata"]["labels"]
        ]
        return Run(calls, pods, reported)

    def until_reported(self, stack: str) -> Sample:
        """Measures how long it takes from the end of the last step until `pipeline()` returns."""
        run = self.run(chain([next(self._lengths[stack])]), stack)
        return Sample(run.reported - run.ends[-1])

    def submission(self, stack: str) -> Sample:
        """Measures the CPU seconds of a submission. What is submitted never runs.

        They are those of the thread: the emulator works in others of this process. Its requests are
        noted, too.
        """
        use(stack, TESTS)
        self._node.unschedulable = lambda _: "this is about the submission only"
        with self._timed_submission(stack) as seconds:
            with_settings(chain(CHAIN), synchronous=False)()
        jobs = client.BatchV1Api(config.new_client_from_config())
        jobs.delete_collection_namespaced_job(
            self._cluster.namespace, propagation_policy="Background"
        )
        self._cluster.wait(lambda: not self._cluster.objects("Job"))
        self._node.unschedulable = lambda _: None
        (spent,) = seconds
        return Sample(spent)

    @contextmanager
    def _timed_submission(self, stack: str) -> Iterator[list[float]]:
        """Notes the CPU seconds and the requests of a submission to the active stack."""
        implementation = type(Client().active_stack.orchestrator)
        submit = implementation.submit_pipeline
        seconds: list[float] = []

        def timed(*arguments: Any, **more: Any) -> Any:
            before, began = len(self._cluster.calls), time.thread_time()
            try:
                return submit(*arguments, **more)
            finally:
                seconds.append(time.thread_time() - began)
                calls = self._cluster.calls[before:]
                self.requests[stack].append(Sample(sum(call.account != "node" for call in calls)))

        with mock.patch.object(implementation, "submit_pipeline", timed):
            yield seconds


class Run:
    """A run that has completed, as the cluster has seen it.

    Attributes:
        calls: How many requests the client and the orchestrator's pod made, watches aside.
        ends: When each step ended.
        gaps: How long it took from each step's end until the next step's Job was asked for.
        reported: When `pipeline()` returned.
    """

    def __init__(self, calls: Sequence[Call], pods: Sequence[str], reported: float) -> None:
        """Reads the requests that were made during the run."""
        others = [call for call in calls if call.account != "node"]
        reports = {
            call.name: call.seconds
            for call in calls
            if call.account == "node" and call.resource == "pods/status" and call.name in pods
        }
        self.calls = sum(call.verb != "watch" for call in others)
        self.ends = sorted(reports.values())
        self.reported = reported
        # The first Job is the orchestrator's own.
        _, *jobs = [
            call.seconds for call in others if (call.verb, call.resource) == ("create", "jobs")
        ]
        assert len(jobs) == len(self.ends)
        self.gaps = [job - end for job, end in zip(jobs[1:], self.ends, strict=False)]


def with_settings(pipeline: Pipeline, **settings: Any) -> Pipeline:
    """Sets what the orchestrator of the active stack is to do."""
    ready = runnable(pipeline)
    orchestrator = Client().active_stack.orchestrator
    return ready.with_options(settings={f"orchestrator.{orchestrator.flavor}": settings})


def measure(lab: Lab, rounds: int, sizes: Sequence[int]) -> dict[str, Any]:
    """Measures everything.

    Args:
        lab: Where.
        rounds: How often, if it does not take long.
        sizes: Of the wide pipelines, which run on ours only.
    """
    reports = alternate(rounds, {stack: partial(lab.until_reported, stack) for stack in STACKS})
    submissions = alternate(rounds, {stack: partial(lab.submission, stack) for stack in STACKS})
    chains = {stack: lab.run(chain(CHAIN), stack) for stack in STACKS}
    return {
        "reports": reports,
        "submissions": submissions,
        "requests": lab.requests,
        "gaps": {stack: [Sample(gap) for gap in run.gaps] for stack, run in chains.items()},
        "calls": {stack: [Sample(run.calls / len(CHAIN))] for stack, run in chains.items()},
        "wide": {
            size: [Sample(lab.run(wide(size), "ours", max_parallelism=PARALLEL).calls / size)]
            for size in sizes
        },
    }


def main(arguments: Mapping[str, Any]) -> None:
    """Measures, and writes what was found to a file.

    Args:
        arguments: `home`, a folder; `flavor` and `rbac`, ours; `rounds` and `sizes`, see
            `measure`; `found`, the file.
    """
    home = Path(arguments["home"])
    package = arguments["flavor"].partition(".")[0]
    preload = [f"{package}.engine.entrypoints", f"{package}.orchestrator"]
    with on_emulator.emulator(home, preload) as (cluster, node):
        cluster.authorize(Path(arguments["rbac"]).read_text())
        ours = Client().create_flavor(arguments["flavor"], StackComponentType.ORCHESTRATOR).name
        for stack, flavor in zip(STACKS, (ours, "kubernetes"), strict=True):
            on_emulator.register(home, {stack: {}}, flavor)
        measured = measure(Lab(cluster, node), arguments["rounds"], arguments["sizes"])
    Path(arguments["found"]).write_text(json.dumps(measured))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
