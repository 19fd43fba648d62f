"""The mutants of the toy."""

from __future__ import annotations

from mutants.contract import SAME_SNAPSHOT, new
from mutants.mutant import Mutant

MUTANTS = [Mutant("A constant ID", SAME_SNAPSHOT, new("'my-run'"))]

EQUIVALENT: list[Mutant] = []
