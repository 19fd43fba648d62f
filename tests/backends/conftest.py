"""Lets the tests import the kit as generated projects have it: with their backends' emulators."""

from __future__ import annotations

from pathlib import Path

import kit

TEMPLATE = Path(__file__).parents[2] / "template"
kit.__path__.extend(map(str, (TEMPLATE / "backends").glob("*/tests/kit")))
