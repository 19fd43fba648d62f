"""Generated projects, installed beside the tests' own environment."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from kit.timeouts import scaled
from rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


@dataclass(frozen=True)
class Project:
    """A generated project.

    Attributes:
        source: The project's folder.
        site: Where its wheel is installed; what it needs is in the tests' environment.
    """

    source: Path
    site: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that imports the installed package."""
        return os.environ | {"PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": ""}

    def run(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs a program in the project's folder, for so many seconds at most; they are scaled."""
        return subprocess.run(
            command,
            cwd=self.source,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=scaled(timeout),
            check=False,
        )

    def pytest(self, *arguments: str, timeout: float = 800) -> subprocess.CompletedProcess[str]:
        """Runs the project's own tests."""
        options = ("-p", "no:cacheprovider", "-q")
        return self.run(sys.executable, "-m", "pytest", *options, *arguments, timeout=timeout)


def installed(folder: Path, **answers: str) -> Project:
    """Generates a project, builds its wheel, and installs that."""
    return install(render(folder / "project", **answers), folder)


def install(source: Path, folder: Path) -> Project:
    """Builds the wheel of a project, and installs that in another folder."""
    site = folder / "site"
    project = Project(source, site)
    build = project.run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist")
    )
    assert build.returncode == 0, build.stdout
    (wheel,) = (folder / "dist").glob("*.whl")
    install = project.run("uv", "pip", "install", "--no-deps", "--target", str(site), str(wheel))
    assert install.returncode == 0, install.stdout
    return project


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Returns the folder that all processes that share the tests have."""
    folder = factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Returns what is made once, however many processes share the tests. Nobody may change it.

    Args:
        factory: Makes folders.
        name: What its folder is called.
        make: Makes it in that folder, which is empty.
    """
    folder = shared_folder(factory) / name
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder)
                raise
    return folder


def check_result(result: subprocess.CompletedProcess[str], *folders: Path) -> None:
    """Checks that all tests of a project passed, none was skipped, and nothing of them stays.

    Args:
        result: How their pytest ended.
        folders: Where the project and what it was installed to is.
    """
    assert result.returncode == 0, result.stdout
    assert not re.search(r"\d+ skipped", result.stdout), result.stdout
    # They have run pipelines, killed clients and controllers, and stopped runs.
    deadline = time.monotonic() + scaled(20)
    while left := [process for process in psutil.process_iter() if _is_of(folders, process)]:
        assert time.monotonic() < deadline, [process.cmdline() for process in left]
        time.sleep(0.2)


def _is_of(folders: tuple[Path, ...], process: psutil.Process) -> bool:
    """Tells whether a process is run from folders, or imports a package from there."""
    try:
        places = [process.environ().get("PYTHONPATH", ""), *process.cmdline()]
    except psutil.Error:  # It has ended, or is another user's.
        return False
    return any(str(folder) in place for folder in folders for place in places)
