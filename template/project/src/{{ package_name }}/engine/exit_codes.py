# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Exit codes, and what they say in words."""

from __future__ import annotations

import signal

# A process that a signal has ended has 128 and the signal's number as its exit code in a shell or
# a container, and the negative number in Python.
SIGNALLED = 128

# With this exit code a controller or a function says that the run has failed and that it must not
# be started again. ZenML's entrypoint for dynamic pipelines uses it too, in its newer versions:
# `zenml.constants.DYNAMIC_PIPELINE_RUN_FAILED_EXIT_CODE`.
RUN_FAILED = 45


def describe_exit(code: int) -> str:
    """Says how a process has ended: `exit code 7`, or `killed by SIGKILL` for 137 and -9."""
    number = -code if code < 0 else code - SIGNALLED
    if number <= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"killed by signal {number}" if code < 0 else f"exit code {code}"
