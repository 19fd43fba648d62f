# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A real ZenML server on loopback, for the jobs of the tests; or one that runs already.

To let many test runs share one: start it with `python -m kit.zenml_server FOLDER`, in the folder of
the tests, and put the variables that it prints into the environment of each.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .timeouts import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"

# How long it may take to start, in seconds. It is scaled.
START_SECONDS = 120.0

# A server that runs already: its URL, and who may log in.
URL, USERNAME, PASSWORD = "TEST_ZENML_URL", "TEST_ZENML_USERNAME", "TEST_ZENML_PASSWORD"


@dataclass
class Server:
    """A server that is starting, or runs. It can be away for a while, and be itself again.

    Attributes:
        url: Where it listens.
        username: Who may log in.
        password: That user's password.
        log: What it writes.
        launch: Starts its process; None if somebody else has started it.
        process: That process.
    """

    url: str
    username: str
    password: str
    log: Path | None = None
    launch: Callable[[], subprocess.Popen[bytes]] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that connect a client to it."""
        return {
            "ZENML_STORE_URL": self.url,
            "ZENML_STORE_USERNAME": self.username,
            "ZENML_STORE_PASSWORD": self.password,
        }

    @property
    def for_tests(self) -> dict[str, str]:
        """The variables by which another test run finds it."""
        return {URL: self.url, USERNAME: self.username, PASSWORD: self.password}

    def wait_until_up(self) -> None:
        """Waits until the server accepts connections.

        Raises:
            RuntimeError: If it has ended. The text has its log.
            TimeoutError: If it takes too long.
        """
        process = self.process
        if process is None:
            return
        port = int(self.url.rpartition(":")[2])

        def is_up_or_gone() -> bool:
            if process.poll() is not None:
                return True
            with socket.socket() as probe:
                return probe.connect_ex((HOST, port)) == 0

        wait_until(is_up_or_gone, START_SECONDS, what="the ZenML server is to start", pause=0.1)
        if process.poll() is not None:
            log = self.log.read_text(errors="replace") if self.log else ""
            raise RuntimeError(f"The ZenML server did not start: {log[-2000:]}")

    def start(self) -> None:
        """Starts its process, at first or again: on the same port, with the same database."""
        assert self.launch is not None
        self.process = self.launch()

    def suspend(self) -> None:
        """Lets it accept connections, and answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Ends its process in the middle of whatever it does. Connections are refused then."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def shared() -> Server | None:
    """Returns the server that the environment names; None if it names none."""
    if not os.environ.get(URL):
        return None
    return Server(os.environ[URL], os.environ[USERNAME], os.environ[PASSWORD])


@contextmanager
def starting(folder: Path) -> Iterator[Server]:
    """Starts a server without waiting for it, and stops it at the end.

    Args:
        folder: Where it keeps its database and its log. It must not exist.

    Yields:
        The server.
    """
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    name, password = "tester", secrets.token_hex()
    folder.mkdir(parents=True)
    environment = {
        **{name: os.environ[name] for name in os.environ if not name.startswith("ZENML_STORE_")},
        "ZENML_CONFIG_PATH": str(folder),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_SERVER_AUTO_ACTIVATE": "1",
        "ZENML_DEFAULT_USER_NAME": name,
        "ZENML_DEFAULT_USER_PASSWORD": password,
        # What it has signed is still valid when it is started again.
        "ZENML_SERVER_JWT_SECRET_KEY": secrets.token_hex(),
    }
    program = [sys.executable, str(Path(__file__).with_name("serve_zenml.py")), HOST, str(port)]
    log = folder / "server.log"

    def launch() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                program, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    server = Server(f"http://{HOST}:{port}", name, password, log, launch)
    server.start()
    try:
        yield server
    finally:
        process = server.process
        assert process is not None
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:  # It waits for connections that stay open.
            server.kill()


def main() -> None:
    """Runs a server until this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with starting(Path(sys.argv[1]).resolve()) as server:
        server.wait_until_up()
        print("\n".join(f"{name}={value}" for name, value in server.for_tests.items()), flush=True)
        assert server.process is not None
        server.process.wait()


if __name__ == "__main__":
    main()
