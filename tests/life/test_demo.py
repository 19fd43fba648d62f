"""README's first command, and the picture that it shows of it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from derived import ROOT

sys.path.append(str(ROOT / "demo"))

import picture
from kit.timeouts import scaled


@pytest.mark.gate
def test_the_demo_runs_and_its_picture_is_current() -> None:
    seen = picture.shape_of(picture.draw(picture.record()))
    assert len(seen) > 40
    assert seen == picture.shape_of(picture.PICTURE.read_text(encoding="utf-8")), (
        "Run `uv run python demo/picture.py`, and commit what it changes."
    )


@pytest.mark.gate
def test_the_demo_shows_another_backend_on_its_emulator() -> None:
    demo = subprocess.run(
        [sys.executable, str(ROOT / "demo.py"), "--backend", "kubernetes"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=scaled(400),
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    # Of ten steps, some are seen at work; one that is over within a second may not be.
    for said in (r" s  \w+ +running\n", "10 steps, 10 processes", "are `completed`"):
        assert re.search(said, demo.stdout), demo.stdout
