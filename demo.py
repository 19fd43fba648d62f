"""Generates an orchestrator and runs a real ZenML pipeline on it: `python3 demo.py`.

It needs Python 3.10 or newer, git and PyPI, and leaves nothing behind. Its parts are in
`demo/`: `__main__.py` tells the story, `pipeline.py` is the pipeline.
"""

import runpy
import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036 - whoever has an older one should read why
    sys.exit("The demo needs Python 3.10 or newer; this is " + sys.version.split()[0] + ".")

runpy.run_path(str(Path(__file__).parent / "demo"), run_name="__main__")
