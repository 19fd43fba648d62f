"""Runs pytest again and again, each time in a process forked from one that has imported ZenML.

A program of its own, for `WarmPytest` in `runner.py`. It reads requests from its input, one JSON
object a line, and answers each with a line: the exit code of pytest. A request has

- `arguments`: what pytest is called with;
- `folder`: where it runs;
- `environment`: the whole environment of the process;
- `path`: folders that come first on Python's path;
- `output`: the file that gets all it prints;
- `seconds`: how long it may take.

It imports nothing of a generated project, so each process sees its own version of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import pytest

# What the tests of every project import.
import zenml.client
import zenml.orchestrators
import zenml.pipelines
import zenml.steps
import zenml.zen_stores.rest_zen_store
import zenml.zen_stores.sql_zen_store  # noqa: F401


def run(request: dict[str, Any]) -> int:
    """Runs pytest in a new process, and returns its exit code; 128 + n if signal n ended it.

    Raises:
        SystemExit: In the new process, at its end.
    """
    pid = os.fork()
    if not pid:
        raise SystemExit(become(request))
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def become(request: dict[str, Any]) -> int:
    """Turns this process into the run of pytest that is asked for, and returns its exit code."""
    os.setsid()
    # Nobody handles it, so it ends the process.
    signal.alarm(request["seconds"])
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[:0] = request["path"]
    return int(pytest.main(request["arguments"]))


def main() -> None:
    """Answers requests until there are no more."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{run(json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
