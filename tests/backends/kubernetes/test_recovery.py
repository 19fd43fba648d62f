"""A controller that is killed, at many more moments than the generated tests have time for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from projects import installed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.gate


def test_a_controller_killed_at_twenty_moments_runs_no_step_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seven runs of twelve steps, each killed three times or more, each time at another moment.
    monkeypatch.setenv("KILLED_RUNS", "7")
    result = installed(tmp_path, backend="kubernetes").pytest(
        "--all", "tests/test_survival.py", "-k=killed_goes_on"
    )
    assert result.returncode == 0, result.stdout
    assert "7 passed" in result.stdout
