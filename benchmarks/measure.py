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
    from pathlib import Path
    from typing import IO


class Sample(NamedTuple):
    """One measurement.

    Attributes:
        value: Seconds by the clock on the wall, if the row does not say otherwise.
        cpu: Seconds by the processors' clocks, if that was measured as well.
    """

    value: float
    cpu: float | None = None


@dataclass(frozen=True)
class Row:
    """What we do, beside a reference.

    Attributes:
        what: What was measured.
        ours: Our values.
        reference: What we compare with.
        theirs: Its values, if there is such a thing.
        limit: The highest ratio of the two medians that is fine.
        most: The highest median of ours that is fine.
    """

    what: str
    ours: Sequence[Sample]
    reference: str = ""
    theirs: Sequence[Sample] = ()
    limit: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as much as the reference ours is."""
        return value(self.ours) / value(self.theirs) if self.theirs else None

    @property
    def ok(self) -> bool:
        """Whether that is within the limits."""
        return (self.limit is None or (self.ratio is not None and self.ratio <= self.limit)) and (
            self.most is None or value(self.ours) <= self.most
        )


def value(samples: Sequence[Sample]) -> float:
    """Returns the median of what was measured."""
    return median(sample.value for sample in samples)


def in_cpu(samples: Sequence[Sample]) -> list[Sample]:
    """Returns the same measurements, with the CPU seconds as what was measured."""
    return [Sample(sample.cpu) for sample in samples if sample.cpu is not None]


def cpu(samples: Sequence[Sample]) -> float | None:
    """Returns the median by the processors' clocks, if that was measured."""
    seconds = [sample.cpu for sample in samples if sample.cpu is not None]
    return median(seconds) if seconds else None


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


def process(
    *command: str,
    environment: Mapping[str, str],
    folder: Path | None = None,
    output: IO[str] | None = None,
) -> Sample:
    """Measures a process from its start to its end.

    Args:
        command: What to start.
        environment: Its environment.
        folder: Where it works; here if that is None.
        output: Where all that it writes goes; where ours goes if that is None.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Sample(seconds, usage.ru_utime + usage.ru_stime)
