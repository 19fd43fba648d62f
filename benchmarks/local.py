"""Running pipelines with the backend `local`, against ZenML's own orchestrator of that name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import HERE
from measure import Row, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench


def rows(bench: Bench) -> Iterator[Row]:
    """Lets one client process run all of the pipelines on all of the stacks."""
    project = bench.installed("local")
    found = bench.folder / "local.json"
    log = bench.folder / "local.log"
    with log.open("w") as output:
        client = subprocess.run(
            [
                *(sys.executable, str(HERE / "local_client.py")),
                *(project.flavor, str(bench.rounds), str(found)),
            ],
            # Not in a folder that could be, or be in, a ZenML repository.
            cwd=bench.folder,
            env=project.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if client.returncode != 0:
        sys.exit(f"{log.read_text()[-5000:]}\nThe client failed; above is the end of its output.")
    samples = {
        pipeline: {stack: [Sample(*pair) for pair in pairs] for stack, pairs in stacks.items()}
        for pipeline, stacks in json.loads(found.read_text()).items()
    }
    wide, chain = samples["wide8"], samples["chain3"]
    three = "3 trivial steps, one by one"
    yield Row(
        "8 steps of 1 s, in parallel", wide["ours"], "ZenML's `local`", wide["default"], limit=0.3
    )
    yield Row(three, chain["ours"], "ZenML's `local`", chain["default"], limit=2.0)
    yield Row(three, chain["ours"], "a cold process per step", chain["cold"], limit=0.12)
