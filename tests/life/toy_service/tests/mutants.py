"""The mutants of the toy service."""

from __future__ import annotations

from mutants.contract import FAILING
from mutants.mutant import Mutant

# Nothing waits for anything.
NO_DAG = {
    "engine/services/orchestrator.py": """
_spec = PipelineSpec


def PipelineSpec(**fields):
    return _spec(**{**fields, "upstream": dict.fromkeys(fields["upstream"], ())})
"""
}

MUTANTS = [Mutant("The DAG is forgotten", FAILING, NO_DAG)]

EQUIVALENT: list[Mutant] = []
