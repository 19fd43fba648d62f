"""docs/conformance.md: the contract over ZenML's own orchestrators, beside ours."""

from __future__ import annotations

import conformance
import pytest
from kit.contract_report import BROKEN, KEPT


def test_the_page_is_as_it_was_recorded() -> None:
    remedy = "Run `python tests/conformance.py --page`."
    assert conformance.PAGE.read_text() == conformance.page(conformance.record()), remedy


def test_what_is_judged_is_in_the_contract() -> None:
    assert conformance.JUDGES.keys() <= {test for _, test, _ in conformance.promises()}


@pytest.mark.parametrize(
    ("before", "after"),
    [(BROKEN, KEPT), (KEPT, BROKEN)],
)
def test_a_no_has_a_cause_and_a_cause_a_no(before: str, after: str) -> None:
    recorded = conformance.record()
    columns = recorded["backends"]["kubernetes"]["zenml"]
    test = next(test for test, state in columns.items() if state == before)
    columns[test] = after
    with pytest.raises(ValueError, match=test):
        conformance.page(recorded)
