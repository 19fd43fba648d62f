"""READMEs say what is so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from readme_tables import documents
from rendering import backends, render
from zenml.cli.pipeline import stop_pipeline_run

if TYPE_CHECKING:
    from pathlib import Path

    import click


def test_the_tables_are_current() -> None:
    for path, text in documents().items():
        current = path.read_text(encoding="utf-8")
        assert current == text, "Run `python tests/renew.py`, and commit what it changes."


@pytest.mark.parametrize("backend", backends())
def test_zenml_can_stop_a_run_as_it_is_said(tmp_path: Path, backend: str) -> None:
    readme = (render(tmp_path / "project", backend=backend) / "README.md").read_text()
    command: click.Command = stop_pipeline_run
    known = {option for parameter in command.params for option in parameter.opts}
    # Where its options are said; a README need not say how to stop a run.
    for said in re.findall(r"`zenml pipeline runs stop`.*?(?=\n\n)", readme, re.DOTALL):
        assert {*re.findall(r"`(--\w+)`", said)} <= known, said
    assert "--force" not in readme
