"""Requests of ZenML that wait for the server: real ones, to one that does as a script says."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from engine import clock, patience
from engine.run_store import ZenMLUnavailableError, asking_zenml
from zenml.models import ServerModel
from zenml.zen_stores.rest_zen_store import RestZenStore, RestZenStoreConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = ServerModel(name="scripted", version="0", auth_scheme="NO_AUTH").model_dump_json().encode()


class Server(ThreadingHTTPServer):
    """A server that does what a script says, and notes the keys of all requests.

    The script returns the status of the answer to a request with a key, or None for a connection
    that breaks off without one.
    """

    def __init__(self, port: int, script: Callable[[str], int | None]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script = script
        self.keys: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        server = cast("Server", self.server)
        key = self.headers["Idempotency-Key"]
        server.keys.append(key)
        status = server.script(key)
        if status is None:
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(port: int = 0, script: Callable[[str], int | None] = lambda _: 200) -> Iterator[Server]:
    server = Server(port, script)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port at which nobody listens, and which no other process gets meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets nobody wait long."""
    for module in (patience, clock):
        monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


def connect(port: int) -> RestZenStore:
    """Connects to a server, as the first thing that a process of ZenML does."""
    return RestZenStore(config=RestZenStoreConfiguration(url=f"http://127.0.0.1:{port}"))


@contextmanager
def starting_later(port: int) -> Iterator[None]:
    """Starts a server after a second, for as long as the context is open."""
    is_over = threading.Event()

    def serve() -> None:
        time.sleep(1)
        with serving(port):
            is_over.wait()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_a_process_that_starts_while_the_server_is_away_waits_for_it(free_port: int) -> None:
    patience.wait_for_zenml()
    with starting_later(free_port):
        assert connect(free_port).get_store_info().name == "scripted"


def test_a_request_waits_for_a_server_that_was_killed_and_starts_again() -> None:
    patience.wait_for_zenml(first_answer_seconds=0.1)
    with serving() as server:
        port = int(server.server_address[1])
        store = connect(port)
    with starting_later(port):
        assert store.get("/anything")


def test_a_server_that_has_never_answered_is_given_up_and_the_error_says_so(free_port: int) -> None:
    patience.wait_for_zenml(first_answer_seconds=0.1)
    with pytest.raises(RuntimeError, match=r"http://127.0.0.1.*ZenML does not answer"):
        connect(free_port)


def test_a_request_without_an_answer_is_sent_again_as_the_same_request() -> None:
    patience.wait_for_zenml()
    with serving() as server:
        store = connect(int(server.server_address[1]))
        server.keys.clear()
        server.script = lambda _: None if len(server.keys) <= 30 else 200
        assert store.get("/anything")
    assert len(server.keys) == 31
    assert len(set(server.keys)) == 1


def test_a_request_that_a_server_was_killed_over_becomes_another_one() -> None:
    patience.wait_for_zenml()
    with serving() as server:
        store = connect(int(server.server_address[1]))
        server.keys.clear()
        # ZenML takes a key that it knows for a request that another server is working on.
        server.script = lambda key: 429 if key == server.keys[0] else 200
        assert store.get("/anything")
    assert len(set(server.keys)) == 2


def test_a_client_hears_sooner_that_a_server_is_busy_and_may_ask_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving() as server:
        store = connect(int(server.server_address[1]))
        monkeypatch.setattr(patience, "Client", lambda: SimpleNamespace(zen_store=store))
        patience.give_up_busy_requests()
        server.keys.clear()
        server.script = lambda _: 429
        with pytest.raises(ZenMLUnavailableError), asking_zenml():
            store.get("/anything")
    assert len(server.keys) == patience.BUSY + 1
