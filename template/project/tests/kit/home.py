# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Gives the tests a ZenML of their own. Import it before anything of ZenML's, which reads this.

With `--live` they use the one that the user is connected to.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="zenml-tests-", ignore_cleanup_errors=True)

# Where ZenML, the platform and the tests keep their files. It is deleted at the end.
HOME = Path(_FOLDER.name)

# The folder of the tests is where pipelines are imported from, here and in each job.
SOURCE_ROOT = Path(__file__).resolve().parent.parent

# Whether `--live` is among pytest's options. It is too early to ask pytest.
LIVE = any(
    word == "--live" or word.startswith("--live=")
    for word in [*sys.argv, *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
)

if not LIVE:
    for name in list(os.environ):
        if name.startswith(("ZENML_STORE_", "ZENML_ACTIVE_")):
            del os.environ[name]
    os.environ.update(
        ZENML_CONFIG_PATH=str(HOME),
        ZENML_ANALYTICS_OPT_IN="false",
        ZENML_DYNAMIC_PIPELINE_MONITORING_INTERVAL="0.2",
    )
os.environ["ZENML_ENABLE_RICH_TRACEBACK"] = "false"
