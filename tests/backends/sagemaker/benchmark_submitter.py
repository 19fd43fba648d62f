"""A process that submits to SageMaker: `benchmark_submitter.py STACK DESCRIPTOR`.

Started by `benchmark_client.py`, see `submitting.py`.
"""

from __future__ import annotations

import sys
from unittest import mock

from submitting import serve

TELEMETRY = "sagemaker.telemetry.telemetry_logging._send_telemetry_request"


def main(stack: str, descriptor: str) -> None:
    """Submits until nobody asks any more."""
    if stack == "zenml":
        # The SageMaker SDK reports to AWS what it is used for. The internet is not our subject.
        mock.patch(TELEMETRY).start()
    serve(stack, descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
