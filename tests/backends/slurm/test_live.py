"""The contract on a stack of an owner's, whose jobs run on a real Slurm."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from backends.slurm.real_slurm import RealSlurm, packages
from live import Owner, announced, kept
from mutants.runner import zenml_server
from projects import installed


@pytest.mark.long
@pytest.mark.gate
def test_the_contract_is_kept_live_and_nothing_is_left(tmp_path: Path) -> None:
    root = packages()
    project = installed(tmp_path, backend="slurm", project_name="my-orch")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        RealSlurm(root, Path(folder)).running() as slurm,
        zenml_server(project, tmp_path / "server") as server,
    ):
        connection = {
            f"ZENML_STORE_{name}": server[f"TEST_ZENML_{name}"]
            for name in ("URL", "USERNAME", "PASSWORD")
        }
        configuration = {
            "folder": str(tmp_path / "jobs"),
            "environment": {"PYTHONPATH": str(project.site), "ZENML_ANALYTICS_OPT_IN": "false"},
            "skip_local_validations": True,
        }
        owner = Owner(
            project,
            tmp_path / "owner",
            configuration,
            {**connection, "PATH": slurm.environment()["PATH"]},
        )
        code, output = owner.pytest("--timeout-factor", "3")
        assert code == 0, output
        assert kept(output) >= 15
        # It has said before how many jobs there would be.
        ran = len([*tmp_path.glob("jobs/*/*/number")])
        assert abs(announced(output) - ran) <= 0.2 * ran
        assert owner.runs().keys() <= {"completed", "failed", "stopped"}
        assert not [*owner.artifacts.glob("contract-*")]
        # The token is gone with the jobs.
        assert not [*tmp_path.glob("jobs/*/*/private")]
        assert not slurm.jobs_left()
    assert not owner.left()
