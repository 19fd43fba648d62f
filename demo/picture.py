"""Renews the picture of the demo that README.md shows: `uv run python demo/picture.py`.

It is made from what the demo prints. A test of the gate runs the demo and compares.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

REPOSITORY = Path(__file__).resolve().parent.parent
PICTURE = REPOSITORY / "docs" / "demo.svg"
# What is worth looking at: the others say how it was installed, and the same again.
CHAPTERS = ("Register it in ZenML", "First execution", "What was promised")
WIDTH = 100


def record() -> str:
    """Runs the demo, and returns what it prints, in colour.

    Raises:
        RuntimeError: If it fails.
    """
    result = subprocess.run(
        [sys.executable, str(REPOSITORY / "demo.py")],
        env=os.environ | {"FORCE_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(result.stdout + result.stderr)
    return result.stdout


def draw(output: str) -> str:
    """Draws the chapters of a recorded demo as an SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    # A chapter begins with a line in bold.
    for chapter in re.split(r"\n(?=\x1b\[1m)", output):
        text = Text.from_ansi(chapter)
        if text.plain.partition("\n")[0] in CHAPTERS:
            text.rstrip()
            console.print(text, "\n", no_wrap=True, overflow="ellipsis", highlight=False)
    picture = console.export_svg(title="python3 demo.py", unique_id="demo")
    # It would be fetched from elsewhere; any monospaced font will do.
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def shape_of(picture: str) -> list[str]:
    """Returns the texts of a picture, without what differs each time, in no order."""
    texts = re.findall(r"<text [^>]*>(.*?)</text>", picture)
    plain = (re.sub(r"&#160;|█", " ", text) for text in texts)
    ids = (re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text) for text in plain)
    shapes = (" ".join(re.sub(r"\d+", "0", text).split()) for text in ids)
    return sorted(filter(None, shapes))


if __name__ == "__main__":
    PICTURE.write_text(draw(record()), encoding="utf-8")
