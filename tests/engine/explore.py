"""Explores runs at random, and prints the first that violates an invariant, shrunk.

`python tests/engine/explore.py 100000` explores so many; a second number is the first seed.
"""

from __future__ import annotations

import logging
import sys
import time

import conftest  # noqa: F401 - makes the engine importable
from simulation import random_scenario, shrink


def main(count: int, first: int = 0) -> int:
    """Explores, and returns the exit code."""
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    for seed in range(first, first + count):
        if (violation := shrink(random_scenario(seed), seed)) is not None:
            print(violation)
            return 1
        if seed % 10_000 == 9_999:
            print(f"{seed + 1} runs, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{count} runs in {time.monotonic() - began:.0f} s, and all invariants hold.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
