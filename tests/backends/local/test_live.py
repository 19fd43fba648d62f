"""The contract on a stack of an owner's, whose jobs are processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live import Owner, announced, kept
from projects import Project, installed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with an installed package."""
    return installed(tmp_path, backend="local", project_name="my-orch")


@pytest.mark.gate
def test_the_contract_is_kept_live_and_nothing_is_left(project: Project, tmp_path: Path) -> None:
    owner = Owner(project, tmp_path / "owner", {})
    code, output = owner.pytest("--collect-only")
    assert code == 0, output
    assert announced(output) >= 10
    assert not owner.runs()
    page = tmp_path / "live.html"
    code, output = owner.pytest("--timeout-factor", "3", "--contract-report", str(page))
    assert code == 0, output
    assert kept(output) >= 15
    assert "Not seen live, as the environment of a job is the platform" in page.read_text()
    found = owner.runs()
    assert found["completed"] >= 3
    assert found["stopped"] == 1
    assert found.keys() <= {"completed", "failed", "stopped"}
    assert not [*owner.artifacts.glob("contract-*")]
    assert not owner.left()


@pytest.mark.gate
def test_a_stop_that_does_not_arrive_is_seen_live_and_made_up_for(
    project: Project, tmp_path: Path
) -> None:
    (module,) = project.site.glob("*/platform.py")
    with module.open("a") as file:
        file.write(
            "\n\n_stop, _times = LocalPlatform.stop, {}\n\n\n"
            "def _forget(self, handle):\n"
            "    _times[handle] = _times.get(handle, 0) + 1\n"
            "    if _times[handle] > 2:\n"
            "        _stop(self, handle)\n\n\n"
            "LocalPlatform.stop = _forget\n"
        )
    owner = Owner(project, tmp_path / "owner", {})
    code, output = owner.pytest("--timeout-factor", "0.5", "-k", "forceful_stop_ends_the_steps")
    assert code == 1, output
    assert "not kept: A forceful stop ends the steps in progress." in output
    assert "The tests have left these running:" in output
    assert ": stopped now" in output
    assert "STILL THERE" not in output
    assert not owner.left()
    stack = owner.pytest("--collect-only", "--live", "another")
    assert stack[0] == 4, stack[1]
    assert "there is no stack `another`" in stack[1]
