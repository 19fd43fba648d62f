"""The programs that stand in for a scheduler's, where the contract would notice too late."""

from __future__ import annotations

import importlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from derived import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ROOT / "template" / "backends" / "slurm" / "tests"


@pytest.mark.parametrize(("module", "submit"), [("fake_slurm", "sbatch"), ("fake_pbs", "qsub")])
def test_the_number_of_a_forgotten_job_is_given_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, submit: str
) -> None:
    monkeypatch.syspath_prepend(str(PROGRAMS))
    programs = importlib.import_module(module).install(tmp_path)
    cluster = importlib.import_module("fake_slurm").Cluster(tmp_path)
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")

    def number() -> str:
        command = [programs / submit, script]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip().partition(".")[0]

    first, second = number(), number()
    cluster.forget(first)
    assert number() not in (first, second)
    cluster.close()
