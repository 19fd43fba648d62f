"""An environment with what ZenML's own `vertex` orchestrator needs, and what its emulator does.

It has Google's SDK and kfp, 300 MB that our orchestrator does without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from controls import once
from kit.timeouts import scaled

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REQUIREMENTS = [
    f"zenml[local,server,vertex,connectors-gcp]=={version('zenml')}",
    # ZenML names no upper bounds, and so may get an SDK that is too new, with a kfp of 2019.
    "google-cloud-aiplatform>=1.100,<2",
    "kfp>=2.14,<3",
    # The emulator's.
    "gcp-storage-emulator>=2026.7",
    "google-cloud-secret-manager",
    "kfp-pipeline-spec",
    "trustme",
]


def python(factory: pytest.TempPathFactory) -> str:
    """Returns the Python that finds all of it. It is installed once for all tests."""
    return str(once(factory, "vertex-environment", install)["python"])


def install(folder: Path, result: Path) -> None:
    """Installs it in a folder, and writes to a file where its Python is."""
    found = str(folder / "bin" / "python")
    command = ["uv", "pip", "install", "--quiet", "--python", found]
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([*command, *REQUIREMENTS], check=True, timeout=scaled(600))
    result.write_text(json.dumps({"python": found}))
