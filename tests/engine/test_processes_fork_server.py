"""What the fork server takes for the same environment, and what a fork keeps of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from engine.processes.fork_server import can_fork, reads_the_same
from engine.processes.launcher import (
    FORK_SERVER_VARIABLE,
    ForkServer,
    Request,
    inherited_environment,
)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("ANYTHING", True),
        ("ZENML_STORE_API_TOKEN", True),
        ("ZENML_SECRETS_STORE_TYPE", True),
        ("ZENML_ACTIVE_STACK_ID", True),
        (FORK_SERVER_VARIABLE, True),
        ("ZENML_LOGGING_VERBOSITY", False),
        ("PYTHONPATH", False),
        ("LD_PRELOAD", False),
    ],
)
def test_what_is_read_at_import_needs_a_fresh_process(variable: str, expected: bool) -> None:
    assert reads_the_same({}, {variable: "value"}) is expected
    assert reads_the_same({variable: "value"}, {}) is expected
    assert reads_the_same({variable: "value"}, {variable: "value"})


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([sys.executable, "-m", "zenml.entrypoints.entrypoint", "--x"], True),
        ([sys.executable, "-c", "pass"], False),
        (["/usr/bin/another/python", "-m", "zenml.entrypoints.entrypoint"], False),
        (["make"], False),
    ],
)
def test_only_modules_of_this_python_are_forked(command: list[str], expected: bool) -> None:
    request = Request(command=command, environment={}, directory="/", grace_seconds=1)
    assert can_fork(request, {}) is expected


def test_a_job_inherits_the_user_s_variables_and_not_the_keys_to_zenml(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "yes")
    secrets = ("ZENML_STORE_API_TOKEN", "ZENML_SECRETS_STORE_AUTH", "ZENML_BACKUP_SECRETS_STORE_X")
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    for fork in (True, False):
        inherited = inherited_environment(fork=fork)
        assert inherited["MINE"] == "yes"
        assert not inherited.keys() & set(secrets)
        assert (FORK_SERVER_VARIABLE in inherited) is fork


def test_a_fork_of_the_client_uses_its_server_and_leaves_it_alone() -> None:
    address = ForkServer.shared().address
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ForkServer.shared().address == address else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Path(address).exists()
