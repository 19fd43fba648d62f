"""Executes the pipeline twice from one process, and reports what ZenML's database says.

A report is one line of JSON. The character before it (RFC 7464 uses it so) tells it from
all else that is printed.
"""

import json
import os
import time

from pipeline import polynomial
from zenml.client import Client

REPORT = "\x1e"


def main() -> None:
    """Runs, and reports each run when it has ended."""
    for _ in range(2):
        began = time.perf_counter()
        run = polynomial()
        seconds = time.perf_counter() - began
        # Asked anew, since what the call returned may be older than the run's end.
        print(REPORT + json.dumps(report(run.id, seconds)), flush=True)


def report(run_id: object, seconds: float) -> dict[str, object]:
    """Reads a run and the outputs of its steps."""
    run = Client().get_pipeline_run(run_id)
    steps = [
        {
            "name": name,
            "status": step.status.value,
            "began": step.start_time.timestamp(),
            "ended": step.end_time.timestamp(),
            **step.outputs["witness"][0].load(),
        }
        for name, step in run.steps.items()
    ]
    return {
        "client": os.getpid(),
        "status": run.status.value,
        "orchestrator_run_id": run.orchestrator_run_id,
        "seconds": seconds,
        "steps": sorted(steps, key=lambda step: step["began"]),
    }


if __name__ == "__main__":
    main()
