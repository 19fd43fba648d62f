"""A process that submits to Vertex AI: `on_vertex_submitter.py STACK DESCRIPTOR ENDPOINT`.

Started by `on_vertex_client.py`, see `submitting.py`.
"""

from __future__ import annotations

import sys
from unittest import mock

from google.auth.credentials import CredentialsWithRegionalAccessBoundary
from submitting import serve


def main(stack: str, descriptor: str, endpoint: str) -> None:
    """Submits until nobody asks any more."""
    # Of a key, Google's library asks a server in the internet where it may be used, in a thread.
    # The internet is not our subject.
    mock.patch.object(
        CredentialsWithRegionalAccessBoundary,
        "_is_regional_access_boundary_lookup_required",
        return_value=False,
    ).start()
    if stack == "zenml":
        # It has no setting for the endpoint, but the SDK has.
        from google.cloud import aiplatform

        aiplatform.init(api_endpoint=endpoint)
    serve(stack, descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
