"""Copier at a terminal, as a person has it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pexpect
from kit.timeouts import scaled

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = 80  # of the narrowest terminal in use


def copier_at_terminal(*arguments: str | Path, cwd: Path) -> pexpect.spawn[str]:
    """Runs `copier`. What is waited for has to come within 20 seconds, on a quiet machine."""
    terminal = {"COPIER_SETTINGS_PATH": os.devnull, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    return pexpect.spawn(
        sys.executable,
        ["-m", "copier", *map(str, arguments)],
        cwd=str(cwd),
        env=os.environ | terminal,
        dimensions=(24, COLUMNS),
        encoding="utf-8",
        timeout=scaled(20),
    )
