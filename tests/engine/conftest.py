"""Makes the engine importable, as the package `engine`, and the kit, as a project has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zenml.zen_stores.rest_zen_store import RestZenStore

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2] / "template" / "project"
ENGINE = PROJECT / "src" / "{{ package_name }}"

sys.path[:0] = [str(ENGINE), str(Path(__file__).parent)]
if "kit" not in sys.modules:
    sys.path.insert(0, str(PROJECT / "tests"))


@pytest.fixture(scope="package", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gives processes the engine, and a ZenML of their own."""
    path = os.pathsep.join(filter(None, (str(ENGINE), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("ZENML_CONFIG_PATH", str(tmp_path_factory.mktemp("zenml")))
        patch.setenv("ZENML_ANALYTICS_OPT_IN", "false")
        yield


@pytest.fixture(autouse=True)
def requests_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes what `wait_for_zenml` does to ZenML in this process, as each of our entrypoints does.

    Of two that are laid over each other, the one without a limit would wait for ever.
    """
    monkeypatch.setattr(RestZenStore, "_request", RestZenStore._request)
