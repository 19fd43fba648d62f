"""An HTTP proxy on loopback that lets nobody out: it leads known names to servers of this machine.

It sees nothing of what is said through it, which is encrypted from end to end.
https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


HOST = "127.0.0.1"


class Proxy(ThreadingTCPServer):
    """The proxy.

    Attributes:
        destinations: Where a client gets who asks for some `host:port`, also as `host:port`.
        refused: What clients have asked for in vain.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        """Gets a free port."""
        super().__init__((HOST, 0), Tunnel)
        self.destinations: dict[str, str] = {}
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_address[1]}"


class Tunnel(StreamRequestHandler):
    """A connection of a client."""

    server: Proxy
    rbufsize = 0  # What follows the request is for the other side to read.

    def handle(self) -> None:
        """Connects the client to whom it asks for, until neither has more to say."""
        wanted = self.rfile.readline().decode().split()[1]
        while self.rfile.readline().strip():
            pass
        place = self.server.destinations.get(wanted)
        if place is None:
            self.server.refused.append(wanted)
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        host, _, port = place.rpartition(":")
        with socket.create_connection((host, int(port))) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=carry, args=[other, self.connection], daemon=True)
            back.start()
            carry(self.connection, other)
            back.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    """Passes on what comes from one side, and then that there is no more."""
    with suppress(OSError):  # One of them is gone.
        while part := source.recv(1 << 16):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def listening() -> Iterator[Proxy]:
    """Starts a proxy, and stops it at the end."""
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
