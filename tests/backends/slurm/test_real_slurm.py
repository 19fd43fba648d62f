"""The platform of a generated project on a real Slurm: the conformance tests.

Daemons and jobs are root's; what depends on that runs once more where they are a plain user's. What
ZenML makes of it is shown in `test_live.py`.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from backends.slurm.real_slurm import AS_USER, RealSlurm, packages
from projects import installed

pytestmark = [pytest.mark.gate, pytest.mark.long]


@pytest.mark.parametrize(
    ("user", "chosen"),
    [
        ("root", ""),
        ("nobody", "runs_with_its or stopped_again or grace_period or requeued or refused"),
    ],
    ids=["root", "plain-user"],
)
def test_the_platform_holds_and_leaves_nothing_running(
    tmp_path: Path, user: str, chosen: str
) -> None:
    root = packages(user)
    project = installed(tmp_path, backend="slurm")
    with (
        # Folders of pytest are closed to other users.
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        pytest.MonkeyPatch.context() as patch,
        RealSlurm(root, open_to(user, folder, "slurm"), user=user).running() as slurm,
    ):
        patch.setenv("SLURM_BIN", str(slurm.bin))
        patch.setenv("SLURM_CONF", str(slurm.client_configuration))
        words = (*AS_USER[user], sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        options = ("--noconftest", "tests/test_platform.py", "-k", chosen)
        base = open_to(user, folder, "tests") / "temporary"
        result = project.run(*words, *options, f"--basetemp={base}", timeout=400)
        assert result.returncode == 0, result.stdout
        assert not re.search(r"\d+ skipped", result.stdout), result.stdout
        assert not slurm.jobs_left()


def open_to(user: str, folder: str, name: str) -> Path:
    """Makes a user's folder in another one that all may enter."""
    Path(folder).chmod(0o755)
    made = Path(folder, name)
    made.mkdir()
    shutil.chown(made, user)
    return made
