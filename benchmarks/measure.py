"""How something is measured: fairly, against a reference, in the same run."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Sample(NamedTuple):
    """One measurement, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """What we do, beside a reference.

    Attributes:
        what: What was done.
        ours: How long it took us.
        reference: What we compare with.
        theirs: How long that took.
        limit: The highest ratio of the two, by the medians of the wall clock, that is fine.
    """

    what: str
    ours: Sequence[Sample]
    reference: str
    theirs: Sequence[Sample]
    limit: float

    @property
    def ratio(self) -> float:
        """How much longer we take."""
        return wall(self.ours) / wall(self.theirs)

    @property
    def ok(self) -> bool:
        """Whether that is within the limit."""
        return self.ratio <= self.limit


def wall(samples: Sequence[Sample]) -> float:
    """Returns the median by the clock on the wall."""
    return median(sample.wall for sample in samples)


def cpu(samples: Sequence[Sample]) -> float:
    """Returns the median by the processors' clocks."""
    return median(sample.cpu for sample in samples)


def alternate(
    rounds: int, measurements: Mapping[str, Callable[[], Sample]]
) -> dict[str, list[Sample]]:
    """Measures some things in turns, so that a slower minute hits them all.

    Args:
        rounds: How often to measure each. One more round comes first and does not
            count: it fills caches and compiles bytecode.
        measurements: The things, by name.

    Returns:
        The samples of each.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in measurements}
    for number in range(rounds + 1):
        for name, measure in measurements.items():
            sample = measure()
            if number > 0:
                samples[name].append(sample)
    return samples


def process(*command: str, environment: Mapping[str, str]) -> Sample:
    """Measures a process from its start to its end.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Sample(seconds, usage.ru_utime + usage.ru_stime)
