"""The contract on a stack of an owner's, whose jobs run on a service with a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from live import Owner, announced, kept
from mutants.runner import zenml_server
from projects import installed

SERVICE = Path(__file__).with_name("live_service.py")


@pytest.mark.gate
def test_the_contract_is_kept_live_and_nothing_is_left(tmp_path: Path) -> None:
    project = installed(tmp_path, backend="http", project_name="my-orch")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    path = f"{project.environment['PYTHONPATH']}:{project.source / 'tests'}"
    with (
        zenml_server(project, tmp_path / "server") as server,
        subprocess.Popen(
            [sys.executable, str(SERVICE), "my_orch", str(jobs)],
            env={**project.environment, "PYTHONPATH": path, "ZENML_ANALYTICS_OPT_IN": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as service,
    ):
        assert service.stdin
        assert service.stdout
        connection = {
            f"ZENML_STORE_{name}": server[f"TEST_ZENML_{name}"]
            for name in ("URL", "USERNAME", "PASSWORD")
        }
        configuration = json.loads(service.stdout.readline())
        owner = Owner(project, tmp_path / "owner", configuration, connection)
        code, output = owner.pytest("--timeout-factor", "3")
        assert code == 0, output
        assert kept(output) >= 15
        # It has said before how many jobs there would be.
        ran = len([*jobs.glob("*/log")])
        assert abs(announced(output) - ran) <= 0.2 * ran
        assert owner.runs().keys() <= {"completed", "failed", "stopped"}
        assert not [*owner.artifacts.glob("contract-*")]
        service.stdin.close()
    assert not owner.left()
