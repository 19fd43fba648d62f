"""The pictures in READMEs, which GitHub and GitLab draw with Mermaid, can be read by it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from derived import ROOT
from discovery import variants
from node_programs import complaints, npm_package
from rendering import render

PARSER = Path(__file__).with_name("parse_mermaid.mjs")


def pictures(markdown: str) -> list[str]:
    """Returns the pictures in a text."""
    return re.findall(r"^```mermaid\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


@pytest.mark.gate
def test_mermaid_reads_all_pictures(tmp_path: Path) -> None:
    mermaid = npm_package("mermaid@11", tmp_path / "npm") / "dist" / "mermaid.min.js"
    found = pictures((ROOT / "README.md").read_text())
    assert found
    for variant in variants():
        project = render(tmp_path / str(variant), **variant.answers)
        found += pictures((project / "README.md").read_text())
    files = []
    for number, picture in enumerate([*found, "sequenceDiagram\n  one->two->three"]):
        files.append(tmp_path / f"{number}.mmd")
        files[-1].write_text(picture)
    # The last one is wrong.
    assert complaints(PARSER, mermaid, *files).keys() == {str(files[-1])}
