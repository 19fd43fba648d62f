"""The mutants of the toy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutants.contract import CONSTANT_ID

if TYPE_CHECKING:
    from mutants.mutant import Mutant

MUTANTS = [CONSTANT_ID]

EQUIVALENT: list[Mutant] = []
