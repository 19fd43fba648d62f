"""README.md says what is so."""

from __future__ import annotations

from readme_tables import README, with_tables


def test_the_tables_are_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "Run `python tests/renew.py`, and commit what it changes."
