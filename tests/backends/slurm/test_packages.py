"""What becomes of the gate where there is no real Slurm: it fails in CI, and says so elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from backends.slurm import real_slurm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["no packages", "no Python for the user"])
def reason(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Takes away what a real Slurm takes, and returns what is said of it."""
    monkeypatch.setattr(real_slurm, "PACKAGES", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if request.param == "no packages":
        monkeypatch.setattr(sys, "executable", shutil.which("true"))
        monkeypatch.setenv("PATH", str(tmp_path))
        return "There is no apt-get"
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    return "-c import zenml` fails"


def test_in_ci_the_gate_fails_and_says_why(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(real_slurm.NoSlurmError, match=reason):
        real_slurm.packages()


def test_elsewhere_it_is_skipped_with_a_warning(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with (
        pytest.warns(UserWarning, match=f"NOTHING IS TESTED ON A REAL SLURM AS root: .*{reason}"),
        pytest.raises(pytest.skip.Exception, match=reason),
    ):
        real_slurm.packages()
