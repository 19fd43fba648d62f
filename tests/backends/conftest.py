"""Lets the tests import the kit as generated projects have it: with their backends' emulators."""

from __future__ import annotations

import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "template"

if "kit" not in sys.modules:
    sys.path.insert(0, str(TEMPLATE / "project" / "tests"))

import kit  # noqa: E402

kit.__path__.extend(map(str, (TEMPLATE / "backends").glob("*/tests/kit")))
