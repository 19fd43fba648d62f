"""How long a new owner waits for a plain `pytest`: a row that backends share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from measure import Row, Sample, process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

MODULE = "zenml.orchestrators"

# It takes minutes, so it is done fewer times than other things, with some imports around each.
MAX_ROUNDS = 3
IMPORTS = 3


def plain_pytest(bench: Bench, backend: str, limit: float) -> Iterator[Row]:
    """Measures the tests of a fresh project, in cold imports of ZenML in the same minutes.

    Args:
        bench: Where.
        backend: The project's backend.
        limit: How many imports it may take.

    Yields:
        The row; none if it is to be quick.
    """
    if bench.quick:
        return
    project = bench.installed(backend)

    def imports() -> list[Sample]:
        command = sys.executable, "-c", f"import {MODULE}"
        return [process(*command, environment=project.environment) for _ in range(IMPORTS)]

    imports()  # compiles bytecode, as an installation does
    ours, theirs = [], imports()
    for number in range(min(bench.rounds, MAX_ROUNDS)):
        log = bench.folder / f"pytest-{backend}-{number}.log"
        with log.open("w+") as output:
            try:
                tests = process(
                    *(sys.executable, "-m", "pytest"),
                    environment=project.environment,
                    folder=project.source,
                    output=output,
                )
            except BaseException:
                print(log.read_text()[-5000:], file=sys.stderr)
                raise
        ours.append(tests)
        theirs += imports()
    yield Row("plain `pytest` of a fresh project", ours, f"import {MODULE}", theirs, limit=limit)
