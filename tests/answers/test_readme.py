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
    (use,) = re.findall(r"^## What you can set$(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    said = use[use.index("`zenml pipeline runs stop`") :].partition("\n\n")[0]
    assert {*re.findall(r"`(--\w+)`", said)} == {"--graceful"} <= known
