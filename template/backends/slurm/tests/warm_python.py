# YOURS: how the tests' jobs get their Python quickly.
"""A Python for the jobs of the tests that need not import ZenML anew each time.

A job starts a small program in its place. That asks the process of the tests, which lets a fork
server that has imported ZenML fork itself (`kit/containers.py`). The program stays for as long as
the fork: it hands SIGTERM on, and when it is killed, the fork is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOCKET = "WARM_PYTHON"
NOTING = "WARM_PYTHON_NOTING"


def main() -> None:
    """Is a job's Python: asks for a fork, and ends as it does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ.pop(SOCKET))
    signal.signal(signal.SIGTERM, lambda *_: connection.sendall(b"TERM\n"))
    socket.send_fds(connection, [b"log"], [1])
    request = {
        "command": [sys.executable, os.environ.pop(NOTING), *sys.argv[1:]],
        "environment": dict(os.environ),
        "directory": os.getcwd(),  # noqa: PTH109 - `pathlib` takes its time
        "hostname": socket.gethostname(),
        "mounts": {},
    }
    connection.sendall(json.dumps(request).encode() + b"\n")
    code = connection.makefile("rb").readline()
    os._exit(int(code or 1))


@contextmanager
def installed(
    program: Path, *, preload: Sequence[str], environment: Mapping[str, str]
) -> Iterator[None]:
    """Lets a program be such a Python, for as long as the context is open.

    Args:
        program: The file to make. Its folder gets more files.
        preload: The modules that all jobs import.
        environment: What jobs find in their environment, whatever they are given.
    """
    from kit.containers import Containers

    containers = Containers(
        program.parent, preload=preload, environment=environment, namespaces=False
    )

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _, (log,), _, _ = socket.recv_fds(self.request, len(b"log"), 1)
            request = json.loads(self.rfile.readline())
            container = containers.start(request, Path(f"/dev/fd/{log}"))
            os.close(log)

            def wait() -> None:
                code = container.wait()
                with suppress(OSError):
                    self.request.sendall(f"{code}\n".encode())

            waiting = threading.Thread(target=wait, daemon=True)
            waiting.start()
            with suppress(OSError):
                while self.rfile.readline():
                    container.send_signal(signal.SIGTERM)
            with suppress(OSError):
                container.send_signal(signal.SIGKILL)
            waiting.join()

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(str(program.with_name("socket")), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        noting = str(Path(__file__).with_name("noting.py"))
        variables = {**environment, SOCKET: str(program.with_name("socket")), NOTING: noting}
        write(program, (sys.executable, "-S", "-E", __file__), variables)
        try:
            yield
        finally:
            server.shutdown()
            containers.close()


def write(program: Path, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Writes a program that starts another one, with more in its environment."""
    import shlex

    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()]
    program.write_text("#!/bin/sh\n" + "".join(exports) + f'exec {shlex.join(words)} "$@"\n')
    program.chmod(0o755)


if __name__ == "__main__":
    main()
