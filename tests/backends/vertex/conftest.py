"""Lets the tests import the kit as a generated project has it: with this backend's emulator."""

from __future__ import annotations

import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[3] / "template"

if "kit" not in sys.modules:
    sys.path.insert(0, str(TEMPLATE / "project" / "tests"))

import kit  # noqa: E402

kit.__path__.append(str(TEMPLATE / "backends" / "vertex" / "tests" / "kit"))
