"""A process that submits to Vertex AI: `benchmark_submitter.py STACK DESCRIPTOR ENDPOINT REGION`.

Started by `benchmark_client.py`, see `submitting.py`.
"""

from __future__ import annotations

import os
import sys
from unittest import mock

from gcp_storage_emulator.settings import DEFAULT_PROJECT_NUMBER
from google.auth.credentials import CredentialsWithRegionalAccessBoundary
from submitting import serve

PROJECT_NUMBER = "google.cloud.aiplatform.utils.resource_manager_utils.get_project_number"


def main(stack: str, descriptor: str, endpoint: str, region: str) -> None:
    """Submits until nobody asks any more."""
    # Of a key, Google's library asks a server in the internet where it may be used, in a thread.
    # The internet is not our subject.
    mock.patch.object(
        CredentialsWithRegionalAccessBoundary,
        "_is_regional_access_boundary_lookup_required",
        return_value=False,
    ).start()
    if stack == "zenml":
        redirect_sdk(endpoint, region)
    serve(stack, descriptor)


def redirect_sdk(endpoint: str, region: str) -> None:
    """Lets the SDK, on which ZenML's own orchestrator is built, find the emulator."""
    from google.cloud import aiplatform  # noqa: PLC0415 - ours does not need it

    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    aiplatform.init(project=project, location=region, api_endpoint=endpoint)
    # Before each submission it asks yet another service in the internet, Resource Manager, whether
    # the bucket is the project's. The answer is here at once.
    mock.patch(PROJECT_NUMBER, return_value=DEFAULT_PROJECT_NUMBER).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
