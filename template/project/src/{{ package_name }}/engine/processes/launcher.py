# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Starts processes: as forks of the fork server, or afresh.

Either way a supervisor is the parent of the process: the fork server (`fork_server.py`), or for a
fresh process the same program without anything imported. It outlives a client that is killed, and
then ends the process. What passes between the client and the supervisor, on one connection for
each process:

- The client sends a `Request`, and with it the file descriptor for the process's output.
- The supervisor answers with lines: `accepted`, the process ID, and at the end the exit code. If
  the connection breaks before `accepted`, nothing was started.
- A byte from the client is the number of a signal, for the process and all that it has started.
- If the connection breaks after `accepted`, the client is gone, and the supervisor ends the
  process.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypedDict

from ..secret_env import split_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO

logger = logging.getLogger(__name__)

# Windows has no SIGKILL. There, any signal ends a process at once.
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)

# The project's package. Its name sets its fork server apart from those of other projects.
PROJECT = __package__.partition(".")[0]

# Tells a process where the fork server listens, so that the jobs it submits use the same one.
FORK_SERVER_VARIABLE = f"{PROJECT.upper()}_FORK_SERVER"

# A socket's path has at most 107 bytes on Linux and 103 on macOS. So many are left for the folder
# in which ours is made, beside "/", the folder's own name and "/socket".
LONGEST_TEMPORARY_FOLDER = 60
SHORT_TEMPORARY_FOLDER = "/tmp"

# Precedes a request's JSON text: the length of the text in bytes.
LENGTH = struct.Struct("!Q")

ACCEPTED = b"accepted\n"


class LaunchError(RuntimeError):
    """A process could not be started, or was lost."""


class NotAcceptedError(LaunchError):
    """A supervisor did not take a request. Nothing was started."""


class Request(TypedDict):
    """What to start.

    Attributes:
        command: The program and its arguments.
        environment: All of the process's environment variables.
        directory: The working directory.
        grace_seconds: How long the process may take to end after its client is gone.
    """

    command: list[str]
    environment: dict[str, str]
    directory: str
    grace_seconds: float


@dataclass
class StartedProcess:
    """A running process, however it was started.

    Attributes:
        pid: Its process ID.
        output: What it writes to stdout and stderr.
        send_signal: Sends a signal to it and to all that it has started. No error if it has ended.
        wait: Waits for its end, and returns the exit code: -n for signal n. To be called once.
    """

    pid: int
    output: IO[bytes]
    send_signal: Callable[[int], None]
    wait: Callable[[], int]


def start(request: Request, *, fork: bool) -> StartedProcess:
    """Starts a process.

    Args:
        request: What to start.
        fork: Whether to fork it from the fork server: 0.3 s for a step of ZenML instead of 4 s.
            If the server does not answer, a fresh process is started.

    Raises:
        LaunchError: If it could not be started.
        OSError: The same.
    """
    if not hasattr(os, "fork"):
        return start_plain(request)
    if fork:
        server = None
        try:
            server = ForkServer.shared()
            return start_supervised(request, server.connect())
        except (NotAcceptedError, OSError) as error:
            if server is not None:
                server.usable = False
            logger.warning("The fork server does not answer, so a fresh process starts: %s", error)
    return start_fresh(request)


def start_fresh(request: Request) -> StartedProcess:
    """Starts a new process, with a supervisor of its own."""
    ours, theirs = socket.socketpair()
    with theirs:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.fork_server", "fresh", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        process = start_supervised(request, ours)
    except LaunchError:
        supervisor.wait()
        raise
    wait_for_process = process.wait

    def wait() -> int:
        try:
            return wait_for_process()
        finally:
            supervisor.wait()

    process.wait = wait
    return process


def start_plain(request: Request) -> StartedProcess:
    """Starts a new process without a supervisor, on a system that cannot fork."""
    process = subprocess.Popen(
        request["command"],
        env=request["environment"],
        cwd=request["directory"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    return StartedProcess(process.pid, process.stdout, process.send_signal, process.wait)


def start_supervised(request: Request, connection: socket.socket) -> StartedProcess:
    """Lets a supervisor start a process.

    Args:
        request: What to start.
        connection: A connection to the supervisor. It is closed when the process has ended.

    Raises:
        NotAcceptedError: If the supervisor ended before it accepted the request.
        LaunchError: If it ended after that.
    """
    read, write = os.pipe()
    output = os.fdopen(read, "rb")
    answers = connection.makefile("rb")

    def close() -> None:
        answers.close()
        connection.close()

    def answer() -> int:
        try:
            return int(answers.readline())
        except (OSError, ValueError) as error:
            close()
            raise LaunchError("the supervisor of its process was killed") from error

    def send_signal(number: int) -> None:
        with suppress(OSError):
            connection.sendall(bytes([number]))

    try:
        send_request(connection, request, write)
        accepted = answers.readline() == ACCEPTED
    except OSError:
        accepted = False
    finally:
        os.close(write)
    if not accepted:
        output.close()
        close()
        raise NotAcceptedError("the supervisor ended before it could start the process")
    pid = answer()

    def wait() -> int:
        try:
            code = answer()
        except LaunchError:
            # Nobody else looks after what is left of it now.
            signal_group(pid, KILL)
            raise
        close()
        return code

    return StartedProcess(pid, output, send_signal, wait)


class ForkServer:
    """This process's fork server. It is started once, and ends when this process has ended.

    Attributes:
        address: The path of the socket on which it listens.
        usable: Whether it has answered so far.
    """

    _shared: ClassVar[ForkServer | None] = None
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        """Finds the server that started this process, or starts one, without waiting for it."""
        self.process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self.address = os.environ.get(FORK_SERVER_VARIABLE, "")
        self.usable = True
        if not self.address or not Path(self.address).exists():
            self._launch()

    @classmethod
    def shared(cls) -> ForkServer:
        """Returns this process's server, and starts one if there is none that answers.

        Raises:
            OSError: If it cannot be started.
        """
        with cls._lock:
            if cls._shared is None or not cls._shared.is_alive:
                if cls._shared is not None:
                    cls._shared.discard()
                cls._shared = cls()
            return cls._shared

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Returns what tells a job where the server is; nothing if it cannot be started."""
        try:
            return {FORK_SERVER_VARIABLE: cls.shared().address}
        except OSError as error:
            logger.warning("The fork server cannot be started: %s", error)
            return {}

    @property
    def is_alive(self) -> bool:
        """Whether the server can be expected to answer."""
        process = self._own_process()
        ended = process.poll() is not None if process else not Path(self.address).exists()
        return self.usable and not ended

    def connect(self) -> socket.socket:
        """Opens a connection for one process.

        Raises:
            OSError: If the server does not answer.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection

    def _launch(self) -> None:
        # Only this user can enter the folder, so only this user can submit.
        folder = Path(tempfile.mkdtemp(prefix=f"{PROJECT[:20]}-", dir=temporary_folder()))
        self.address = str(folder / "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.address)
            # From here on connections are accepted. They wait until the server is ready.
            listener.listen(128)
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"{__package__}.fork_server"),
                    *("serve", str(listener.fileno())),
                ],
                env=unbuffered(os.environ),
                pass_fds=[listener.fileno()],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def discard(self) -> None:
        """Ends a server that does not answer, and removes what it may have left."""
        process = self._own_process()
        if process is None:
            # It was another process's. Do not look there again.
            os.environ.pop(FORK_SERVER_VARIABLE, None)
            return
        assert process.stdin is not None
        process.stdin.close()
        if process.poll() is not None:
            shutil.rmtree(Path(self.address).parent, ignore_errors=True)

    def _own_process(self) -> subprocess.Popen[bytes] | None:
        """Returns the server, if this process has started it and is not a fork of the one it has.

        A fork, as `multiprocessing` makes them, cannot tell whether its parent's child has ended.
        """
        return self.process if self._owner == os.getpid() else None


def temporary_folder() -> str:
    """Returns a folder for temporary files in which a socket can be: its path is short enough."""
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) <= LONGEST_TEMPORARY_FOLDER:
        return folder
    return SHORT_TEMPORARY_FOLDER


def send_request(connection: socket.socket, request: Request, output: int) -> None:
    """Asks a supervisor to start a process.

    Args:
        connection: A connection to the supervisor.
        request: What to start.
        output: The file descriptor that becomes the process's stdout and stderr.
    """
    text = json.dumps(request).encode()
    socket.send_fds(connection, [LENGTH.pack(len(text))], [output])
    connection.sendall(text)


def receive_request(connection: socket.socket) -> tuple[Request, int]:
    """Reads, in a supervisor, what `send_request` sent.

    Returns:
        The request, and the file descriptor for the output.

    Raises:
        EOFError: If the client is gone.
    """
    header, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 1)
    if len(header) < LENGTH.size or not descriptors:
        raise EOFError
    with connection.makefile("rb") as stream:
        (length,) = LENGTH.unpack(header)
        text = stream.read(length)
    if len(text) < length:
        os.close(descriptors[0])
        raise EOFError
    request: Request = json.loads(text)
    return request, descriptors[0]


def inherited_environment(*, fork: bool) -> dict[str, str]:
    """Returns what a job inherits: the user's own variables, as a program started by hand does.

    What names a ZenML server or database is left out: ZenML gives each run its own, with a token
    that ends with the run.

    Args:
        fork: Whether jobs are forked from the fork server. They are told where it is.
    """
    inherited, _ = split_secrets(unbuffered(os.environ))
    return {**inherited, **(ForkServer.variables() if fork else {})}


def unbuffered(environment: Mapping[str, str]) -> dict[str, str]:
    """Copies an environment so that Python programs in it print without delay."""
    return {**environment, "PYTHONUNBUFFERED": "1"}


def signal_group(pid: int, number: int) -> None:
    """Sends a signal to a process and to all it has started, if they are still there.

    Not all are in its group: shells and `timeout` give what they start a new one.
    """
    others = descendants(pid)
    # macOS says that it is not permitted if only a process that has ended is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    for other in others:
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(other) != pid:
                os.kill(other, number)


def descendants(pid: int) -> list[int]:
    """Lists what a process has started, and what that has; nothing where there is no /proc."""
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


def children_of(pid: int) -> list[int]:
    """Lists the children of a process, also those that have ended and are not collected."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # It has just ended.
            found += [int(child) for child in thread.read_text().split()]
    return found
