# YOURS: the runs that several tests of this platform look at. Each name is a session fixture
"""The runs that several tests of this platform look at. Each name is a session fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import more_pipelines
from kit import runs
from kit.runs import shared_run

if TYPE_CHECKING:
    from pathlib import Path

    from kit.runs import Outcome


@shared_run
def hiding(_: Path) -> Outcome:
    """A finished run, with a secret, of a training and a processing job that look around."""
    return runs.execute(more_pipelines.hiding)


@shared_run
def dynamic_hiding(_: Path) -> Outcome:
    """A finished run, with a secret and resources, whose isolated steps look around."""
    return runs.execute(more_pipelines.dynamic_hiding)
