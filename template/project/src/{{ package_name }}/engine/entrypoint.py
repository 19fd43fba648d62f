# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""ZenML's entrypoint, as the first process of a container: `python -m <package>.engine.entrypoint`.

It takes the arguments of ZenML's own.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from .exit_codes import SIGNALLED


def exit_on_sigterm(number: int, _: Any) -> None:
    """Ends this process, as SIGTERM does any other.

    The first process of a container gets no signal that it has no handler for. Without this, it
    would go on until its grace period is over, and then be killed. ZenML may handle the signal in
    its own way later. See https://man7.org/linux/man-pages/man7/pid_namespaces.7.html.
    """
    os._exit(SIGNALLED + number)


def main() -> None:
    """Runs ZenML's entrypoint."""
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    from zenml.entrypoints import entrypoint

    entrypoint.main()


if __name__ == "__main__":
    main()
