# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The guard: fails a test run of a project that does not keep all of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .contract import CONTRACTS
from .home import SOURCE_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

REMEDY = (
    "What your platform cannot do is declared in tests/harness.py, in `Capabilities`; the contract "
    "then checks that it is refused. Tests of your own have names of their own."
)

# The markers by which a test is not run, or may fail.
BY_HAND = ("skip", "skipif", "xfail")


class ContractGuard(pytest.Item):
    """A test that the kit adds to each test run."""

    missing: list[str]

    @classmethod
    def for_items(cls, session: pytest.Session, items: Iterable[pytest.Item]) -> Self | None:
        """Makes the guard for the tests that were collected.

        Args:
            session: The test run.
            items: All that was collected, before any of it is left out.

        Returns:
            The guard; None if only tests were asked for that are not the contract's.
        """
        classes: dict[type, list[pytest.Item]] = {}
        for item in items:
            found = getattr(item, "cls", None)
            if found is not None and issubclass(found, CONTRACTS):
                classes.setdefault(found, []).append(item)
        missing = [line for found in classes for line in changes(found, classes[found])]
        if asks_for_everything(session.config):
            missing += [
                f"{contract.__name__} has no subclass in tests/test_contract.py."
                for contract in CONTRACTS
                if not any(issubclass(found, contract) for found in classes)
            ]
        elif not classes:
            return None
        guard: Self = cls.from_parent(session, name="test_the_contract_is_whole")
        guard.missing = missing
        return guard

    def runtest(self) -> None:
        """Fails if something is missing."""
        if self.missing:
            pytest.fail("\n".join([*self.missing, REMEDY]), pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Says where the guard is."""
        return self.path, None, self.name


def asks_for_everything(config: pytest.Config) -> bool:
    """Tells whether the command line names no test, file or expression."""
    chosen = [argument.partition("::") for argument in config.args]
    folders = {config.rootpath, SOURCE_ROOT}
    return all(
        not separator and (config.invocation_params.dir / path).resolve() in folders
        for path, separator, _ in chosen
    )


def changes(subclass: type, items: Iterable[pytest.Item]) -> list[str]:
    """Lists what a subclass of the contract has changed in it.

    Args:
        subclass: The class.
        items: Its tests.
    """
    found = []
    for contract in CONTRACTS:
        if not issubclass(subclass, contract):
            continue
        for name, value in vars(contract).items():
            if name.startswith("__"):
                continue
            owner = next(each for each in subclass.__mro__ if name in vars(each))
            if vars(owner)[name] is not value:
                found.append(f"{subclass.__name__}.{name} replaces the contract's.")
        tests = {name for name in vars(contract) if name.startswith("test_")}
        for item in items:
            name = getattr(item, "originalname", item.name)
            if name in tests and any(item.get_closest_marker(marker) for marker in BY_HAND):
                found.append(f"{subclass.__name__}.{item.name} is skipped, or may fail.")
    return found
