# YOURS: tests of how code reaches a job.
"""Code: ZenML uploads the user's, and each job downloads it. No image is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenml.client import Client

if TYPE_CHECKING:
    from kit.runs import Outcome


def test_code_is_uploaded_and_no_image_is_built(static: Outcome, dynamic: Outcome) -> None:
    assert Client().active_stack.container_registry is None
    for outcome in (static, dynamic):
        assert outcome.error is None
        snapshot = outcome.run.snapshot
        assert snapshot is not None
        assert snapshot.code_path is not None
        assert snapshot.build is not None
        assert not snapshot.build.contains_code
        assert {item.image for item in snapshot.build.images.values()} == {"default"}


def test_each_job_of_a_step_has_code_of_its_own(static: Outcome, dynamic: Outcome) -> None:
    for outcome in (static, dynamic):
        for job in outcome.jobs:
            # That of a controller needs none.
            code = job.native.folder / "app" / "code" / "kit" / "pipelines.py"
            assert code.exists() == (job.role != "controller")
