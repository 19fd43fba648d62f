# YOURS: tests of `rbac.yaml`
"""Rights: rbac.yaml grants what is needed, and nothing else.

That it is enough, all other tests prove: the emulator answers 403 to whoever may not. That it
is not more than enough shows only when they all have run, so this file is the last.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from harness import ACCOUNT, HARNESS, RBAC, USER, name_of

Right = tuple[str, str]


def granted(role: str) -> set[Right]:
    """Returns what a Role grants: verbs and resources."""
    for manifest in yaml.safe_load_all(RBAC.read_text()):
        if manifest["kind"] == "Role" and name_of(manifest) == role:
            return {
                (verb, resource)
                for rule in manifest["rules"]
                for verb in rule["verbs"]
                for resource in rule["resources"]
            }
    raise KeyError(role)


def used(account: str) -> set[Right]:
    """Returns what an account has asked for, and got."""
    return {
        (call.verb, call.resource)
        for call in HARNESS.cluster.calls
        if call.account == account and call.status not in (0, 403)
    }


@pytest.mark.full
@pytest.mark.parametrize(
    ("account", "role"),
    [(ACCOUNT, ACCOUNT), (USER, f"{ACCOUNT}-user")],
)
def test_every_right_that_is_granted_is_needed_and_no_other_is_asked_for(
    request: pytest.FixtureRequest, account: str, role: str
) -> None:
    tested = {Path(item.path).name for item in request.session.items}
    missing = {file.name for file in Path(__file__).parent.glob("test_*.py")} - tested
    if missing or hasattr(request.config, "workerinput"):  # of pytest-xdist, which shares them out
        pytest.skip("what is needed shows when all tests have run in one process")
    assert used(account) == granted(role)
    refused = [c for c in HARNESS.cluster.calls if c.account == account and c.status == 403]
    assert not refused
