# YOURS: how the tests see what jobs submit.
"""Runs a module as `python -m` does, and notes the jobs that it submits (`kit/recording.py`)."""

from __future__ import annotations

import os
import runpy
import sys

from kit import recording


def main() -> None:
    """Runs what follows: `-m`, a module, and its arguments."""
    recording.install()
    _, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as Python does, and not this file's folder
    sys.modules.pop(module, None)  # A fork may have it.
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
