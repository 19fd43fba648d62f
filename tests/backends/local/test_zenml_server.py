"""Processes on this machine, with a ZenML server instead of a database file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kit.timeouts import scaled
from mutants.runner import zenml_server
from projects import installed


def test_runs_on_a_zenml_server_and_nothing_stale_crosses_the_fork(tmp_path: Path) -> None:
    project = installed(tmp_path, project_name="remote")
    with zenml_server(project, tmp_path / "server") as server:
        connection = {
            f"ZENML_STORE_{name}": server[f"TEST_ZENML_{name}"]
            for name in ("URL", "USERNAME", "PASSWORD")
        }
        result = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("rest_client.py"))],
            env=project.environment
            | connection
            | {"ZENML_CONFIG_PATH": str(tmp_path / "home"), "ZENML_ANALYTICS_OPT_IN": "false"},
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=scaled(300),
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    assert connection["ZENML_STORE_PASSWORD"] not in result.stdout + result.stderr
