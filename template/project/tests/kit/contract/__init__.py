# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The contract, in classes. A project's `tests/test_contract.py` subclasses each of them.

What a platform cannot do is declared in `tests/harness.py`, and nowhere else.
"""

from .failure import FailureContract
from .interface import InterfaceContract
from .ownership import OwnershipContract
from .resources import ResourcesContract
from .resume import ResumeContract
from .run_id import RunIdContract
from .scenarios import ScenarioContract
from .status import StatusContract
from .stop import StopContract

CONTRACTS = (
    FailureContract,
    InterfaceContract,
    OwnershipContract,
    ResourcesContract,
    ResumeContract,
    RunIdContract,
    ScenarioContract,
    StatusContract,
    StopContract,
)

__all__ = [
    "CONTRACTS",
    "FailureContract",
    "InterfaceContract",
    "OwnershipContract",
    "ResourcesContract",
    "ResumeContract",
    "RunIdContract",
    "ScenarioContract",
    "StatusContract",
    "StopContract",
]
