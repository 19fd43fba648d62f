# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""A container without an image: a process that starts, sees and ends what a container would.

Two halves of one thing. `Containers` and `Container` are the node's side. The rest runs in
a *fork server*, which has imported the slow modules and forks itself for each container, and
in the forks. What passes between them:

* A socket, the server's standard input, carries messages of two numbers, a container's and a
  signal's. Signal 0 is a new container, and comes with two file descriptors: a socket of the
  container's own, and its log. When this socket closes, the server kills all and ends.
* The container's own socket carries its `Request`, a line of JSON, which the fork reads. The
  server answers with the process ID and, at the end, the exit code, each on a line.

`python -m module`, `python -c code` and `python file` run in the fork. Any other program takes
the fork's place, and so does a fresh Python if the fork would not do: if the container's
environment differs in a variable that Python or a preloaded module has read already.

A container's process is the first of a PID namespace, as in a real one, where the system allows it:
on Linux, with CAP_SYS_ADMIN (as root, but not in most CI containers). Its ID is 1 then, it gets no
signal without a handler but a SIGKILL from outside, and all of its namespace ends with it. `/proc`
stays the machine's, which has other numbers. Without it, this is imitated on Linux, for Python only
(`imitate_first_process`): a process inherits orphans, and sends its own ID no signal that it does
not handle. What stays different: its ID; `os.killpg`, `os.abort` and code in C that sends signals;
a descendant in a session of its own, which lives on. On other systems it is an ordinary process.

What else a process lacks is imitated inside Python only (`patch_filesystem`): the host's name, and
folders that are somewhere else (`/app`, the service account's). A subprocess of a container knows
nothing of that; nor does code in C that opens files by itself.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import ctypes
import functools
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import types
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MESSAGE = struct.Struct("!ii")

# Of <linux/sched.h> and <linux/prctl.h>.
CLONE_NEWPID, PR_SET_CHILD_SUBREAPER = 0x20000000, 36

# Variables that the interpreter and libraries in C read as they start.
READ_AT_START = ("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "OMP_", "MKL_", "OPENBLAS_")
# These may differ: they are applied to each fork, or are each container's own.
APPLIED_LATER = frozenset(("PYTHONPATH", "PYTHONUNBUFFERED", "LC_CTYPE", "HOME", "HOSTNAME"))

# The functions of `os` that `patch_filesystem` redirects to other folders.
PATH_FUNCTIONS = (
    "access", "chdir", "listdir", "lstat", "mkdir", "open", "remove", "rmdir", "scandir", "stat",
    "unlink",
)  # fmt: skip
# Where folders really are, longest names first. Empty until a container starts.
mounts: dict[str, str] = {}


class ContainerError(RuntimeError):
    """A container could not be started."""


class Request(TypedDict):
    """A container, as the fork server gets it.

    Attributes:
        command: The program and its arguments.
        environment: All of its environment variables.
        directory: The working directory.
        hostname: What the process takes for the host's name.
        mounts: Folders (or files) of the container, longest names first, and where they
            really are.
    """

    command: list[str]
    environment: dict[str, str]
    directory: str
    hostname: str
    mounts: dict[str, str]


# ---- The node's side -------------------------------------------------------------------------


class Containers:
    """Starts containers. Owns the fork server, and all processes end with it."""

    def __init__(
        self,
        folder: Path,
        *,
        preload: Sequence[str] = (),
        environment: Mapping[str, str],
        namespaces: bool = True,
    ) -> None:
        """Starts the fork server, without waiting until it has imported the modules.

        Args:
            folder: Where the server works and writes its own log.
            preload: The modules that it imports. They must not start threads.
            environment: All of its environment variables.
            namespaces: Whether containers get PID namespaces, where the system allows it.
        """
        self._lock = threading.Lock()
        self._count = 0
        self._log = folder / "fork-server.log"
        self._control, theirs = socket.socketpair()
        # The server handles PYTHONPATH itself, to know what `sys.path` is without it.
        path = environment.get("PYTHONPATH", "")
        with theirs, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "serve", str(int(namespaces)), path, *preload],
                env={name: environment[name] for name in environment if name != "PYTHONPATH"},
                cwd=folder,
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, request: Request, log: Path) -> Container:
        """Starts a container, once the server has imported its modules.

        Args:
            request: What to run.
            log: The file that its stdout and stderr are appended to.

        Raises:
            ContainerError: If the server has ended. It says why.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, log.open("ab") as output, self._lock:
                self._count += 1
                number = self._count
                descriptors = [theirs.fileno(), output.fileno()]
                socket.send_fds(self._control, [MESSAGE.pack(number, 0)], descriptors)
            ours.sendall(json.dumps(request).encode() + b"\n")
            return Container(ours, functools.partial(self._send_signal, number))
        except (OSError, ValueError) as error:
            ours.close()
            said = self._log.read_text(errors="replace")
            raise ContainerError(f"The fork server is gone. Its log: {said}") from error

    def _send_signal(self, number: int, signal_number: int) -> None:
        with self._lock:
            self._control.sendall(MESSAGE.pack(number, signal_number))

    def close(self) -> None:
        """Kills all containers and ends the server."""
        self._control.close()
        self._process.terminate()  # If it still imports. Once it serves, it does not listen.
        self._process.wait()


class Container:
    """A container that runs, or did."""

    def __init__(self, connection: socket.socket, send_signal: Callable[[int], None]) -> None:
        """Waits until the process exists.

        Args:
            connection: The container's own socket.
            send_signal: Sends a signal to its process; nothing happens if it has ended.
        """
        self._answers = connection.makefile("rb")
        connection.close()  # That is, when `_answers` is closed as well.
        self.send_signal = send_signal
        self.pid = int(self._answers.readline())

    def wait(self) -> int:
        """Waits until the process and all it has left behind have ended.

        Returns:
            The exit code, for a signal 128 + its number, as container runtimes count.

        Raises:
            ContainerError: If the fork server was killed, and its containers with it.
        """
        try:
            with self._answers:
                return int(self._answers.readline())
        except (OSError, ValueError) as error:
            raise ContainerError("The fork server ended before its container did.") from error

    def terminate(self) -> None:
        """Sends SIGTERM, if the process has a handler for it.

        It goes to the container's first process alone, and a first process gets no signal
        that it does not handle, except SIGKILL.
        https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
        https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
        """
        if handles(self.pid, signal.SIGTERM):
            self.send_signal(signal.SIGTERM)

    def stop(self, grace_seconds: float) -> None:
        """Sends SIGTERM, and SIGKILL if it has not ended after so many seconds. Does not wait."""
        self.terminate()
        timer = threading.Timer(grace_seconds, self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """Sends SIGKILL."""
        with contextlib.suppress(OSError):  # The fork server may have ended.
            self.send_signal(signal.SIGKILL)


def handles(pid: int, number: int) -> bool:
    """Tells whether a process has a handler for a signal; True where the system does not say."""
    try:
        with open(f"/proc/{pid}/status") as status:  # noqa: PTH123 - `pathlib` is not loaded yet
            caught = next(line for line in status if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return True
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


# ---- The fork server -------------------------------------------------------------------------


class WarmState(NamedTuple):
    """What is the same in all forks.

    Attributes:
        environment: The variables that the server was started with.
        read: The names of those that matter to what is loaded.
        path: `sys.path`, without the program's folder and PYTHONPATH.
    """

    environment: dict[str, str]
    read: set[str]
    path: list[str]

    def misses(self, environment: Mapping[str, str]) -> list[str]:
        """Returns the variables that come too late for a fork, in an environment."""
        read = self.read | {
            name
            for name in {*environment, *self.environment}
            if name.startswith(READ_AT_START) and name not in APPLIED_LATER
        }
        return sorted(name for name in read if environment.get(name) != self.environment.get(name))


def preload_modules(path: str, modules: Sequence[str]) -> WarmState:
    """Imports modules, and notes which environment variables that reads.

    Args:
        path: The value of PYTHONPATH.
        modules: The names of the modules.

    Raises:
        RuntimeError: If a module has started threads: a fork would lack them.
    """
    read = set()
    ordinary = type(os.environ)

    class Noting(ordinary):  # type: ignore[misc,valid-type]
        def __getitem__(self, name: str) -> str:
            read.add(name)
            return super().__getitem__(name)  # type: ignore[no-any-return]

    plain_path = [*sys.path]
    if path:
        os.environ["PYTHONPATH"] = path
        sys.path[:0] = path.split(os.pathsep)
    environment = dict(os.environ)
    os.environ.__class__ = Noting
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        os.environ.__class__ = ordinary
    if threading.active_count() > 1:
        names = [thread.name for thread in threading.enumerate()]
        raise RuntimeError(f"{', '.join(modules)}: these started threads: {names}")
    # What exists now stays as it is; forks need not copy it to look through it.
    gc.collect()
    gc.freeze()
    return WarmState(environment, read - APPLIED_LATER, plain_path)


class Server:
    """Forks a process for each container, and tells the node what becomes of it."""

    def __init__(self, *, namespaces: bool) -> None:
        """Takes over the socket that is the standard input.

        Args:
            namespaces: Whether containers get PID namespaces, where the system allows it.
        """
        self._fork_first = PidNamespaces.fork if namespaces and PidNamespaces.allowed() else os.fork
        self._control = socket.socket(fileno=os.dup(0))
        self._wake, self._waker = socket.socketpair()
        self._children: dict[int, tuple[int, socket.socket]] = {}  # PID and socket, by number
        redirect_descriptor(os.open(os.devnull, os.O_RDONLY), 0)

    def serve(self) -> tuple[Request, int] | None:
        """Serves until the node is gone.

        Returns:
            In a forked process, what it is to run, and its log. In the server, None, at the end.
        """
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno())
        # A handler must exist for the wake-up descriptor to be written to.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._wake:
                        self._wake.recv(4096)
                        self._reap()
                        continue
                    data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE.size, 2)
                    if not data:
                        self._end()
                        return None
                    number, signal_number = MESSAGE.unpack(data)
                    if not descriptors:
                        self._send_signal(number, signal_number)
                    elif (job := self._fork(number, *descriptors)) is not None:
                        return job

    def _fork(self, number: int, connection: int, log: int) -> tuple[Request, int] | None:
        answers = socket.socket(fileno=connection)
        pid = self._fork_first()
        if pid != 0:
            os.close(log)
            self._children[number] = pid, answers
            send_number(answers, pid)
            return None
        os.setsid()
        signal.set_wakeup_fd(-1)
        for handled in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(handled, signal.SIG_DFL)
        for _, of_another in self._children.values():
            of_another.close()
        for end in (self._control, self._wake, self._waker):
            end.close()
        with answers, answers.makefile("rb") as stream:
            line = stream.readline()
        if not line:  # The node is gone.
            os._exit(1)
        return json.loads(line), log

    def _send_signal(self, number: int, signal_number: int) -> None:
        if number in self._children:
            os.kill(self._children[number][0], signal_number)

    def _reap(self) -> None:
        for number, (pid, answers) in [*self._children.items()]:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # What it leaves behind goes too, before its number can be another process's.
            kill_group(pid)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            send_number(answers, code if code >= 0 else 128 - code)
            answers.close()
            del self._children[number]

    def _end(self) -> None:
        for pid, _ in self._children.values():
            os.kill(pid, signal.SIGKILL)  # Also one that has no group of its own yet.
            kill_group(pid)
            os.waitpid(pid, 0)


class PidNamespaces:
    """Forks processes that are the first of a PID namespace each.

    https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
    """

    @staticmethod
    def allowed() -> bool:
        """Tells whether the system allows it. Tries in a process of its own."""
        if not sys.platform.startswith("linux"):
            return False
        pid = os.fork()
        if pid == 0:
            try:
                PidNamespaces.leave(PidNamespaces.enter())
            finally:  # Whatever has happened: this is the server's copy.
                os._exit(1 if sys.exc_info()[0] else 0)
        return os.waitpid(pid, 0)[1] == 0

    @staticmethod
    def fork() -> int:
        """Forks, as `os.fork` does."""
        own = PidNamespaces.enter()
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                PidNamespaces.leave(own)
            os.close(own)
        return pid

    @staticmethod
    def enter() -> int:
        """Lets the next child be the first of a new namespace. Returns a descriptor of our own."""
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        check_call("unshare", CLONE_NEWPID)
        return own

    @staticmethod
    def leave(own: int) -> None:
        """Lets further children be in our own namespace again."""
        check_call("setns", own, CLONE_NEWPID)


def check_call(function: str, *arguments: int) -> None:
    """Calls a function of the C library (Python has these two since 3.12).

    Raises:
        OSError: If it fails.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{function} is not allowed")


def imitate_first_process() -> None:
    """Lets a process that is not the first of a namespace behave as if it were."""
    check_call("prctl", PR_SET_CHILD_SUBREAPER, 1)
    kill, raise_signal = os.kill, signal.raise_signal

    def send(number: int, deliver: Callable[[], None]) -> None:
        if number == 0 or callable(signal.getsignal(number)):
            deliver()

    def kill_like_first(pid: int, number: int) -> None:
        if pid == os.getpid():
            send(number, functools.partial(kill, pid, number))
        else:
            kill(pid, number)

    os.kill = kill_like_first
    signal.raise_signal = lambda number: send(number, functools.partial(raise_signal, number))


def kill_group(pid: int) -> None:
    """Kills a process group, if there is one."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def send_number(connection: socket.socket, number: int) -> None:
    """Sends a number to the node, which may be gone."""
    try:
        connection.sendall(f"{number}\n".encode())
    except OSError:
        return


def redirect_descriptor(descriptor: int, *numbers: int) -> None:
    """Makes a file this process's stdin (0), stdout (1) or stderr (2)."""
    for number in numbers:
        os.dup2(descriptor, number)
    os.close(descriptor)


# ---- Inside the container --------------------------------------------------------------------


class Program(NamedTuple):
    """A Python program: its kind is `-m` for a module, `-c` for code, or empty for a file."""

    kind: str
    name: str
    arguments: list[str]

    @classmethod
    def of(cls, command: Sequence[str]) -> Program | None:
        """Takes a command apart; None if it is not Python, or has options we do not know.

        Whatever `python` is in the image, here it is the Python that runs this.
        """
        if command[0] not in ("python", "python3", sys.executable):
            return None
        rest = [*command[1:]]
        while rest[:1] == ["-u"]:  # Output is not held back anyway.
            rest.pop(0)
        if len(rest) > 1 and rest[0] in ("-m", "-c"):
            return cls(rest[0], rest[1], rest[2:])
        if rest and not rest[0].startswith("-"):
            return cls("", rest[0], rest[1:])
        return None

    @property
    def folder(self) -> str:
        """What stands first in `sys.path`.

        https://docs.python.org/3/library/sys.html#sys.path
        """
        first = {"-m": os.getcwd(), "-c": ""}  # noqa: PTH109 - `pathlib` is not loaded yet
        return first[self.kind] if self.kind else os.path.dirname(os.path.realpath(self.name))  # noqa: PTH120

    def run(self) -> int:
        """Runs the program as Python does, and returns the exit code it would have."""
        sys.argv = [self.kind or self.name, *self.arguments]
        try:
            if self.kind == "-m":
                # Run as a program, it is not the module of this name that may be loaded.
                sys.modules.pop(self.name, None)
                runpy.run_module(self.name, run_name="__main__", alter_sys=True)
            elif self.kind == "-c":
                main = sys.modules["__main__"] = types.ModuleType("__main__")
                exec(compile(self.name, "<string>", "exec"), vars(main))
            else:
                runpy.run_path(self.name, run_name="__main__")
        except SystemExit as error:
            if error.code is not None and not isinstance(error.code, int):
                print(error.code, file=sys.stderr)
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException as error:  # As the interpreter does, which prints them all.
            sys.excepthook(type(error), error, error.__traceback__)
            return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
        return 0


def run_request(request: Request, log: int, state: WarmState) -> NoReturn:
    """Turns a fork of the server into a container's process."""
    command, environment = request["command"], request["environment"]
    program, missed = Program.of(command), state.misses(environment)
    if program is not None and missed:
        # This is still the server's log: a start that is slow should not be a riddle.
        names = ", ".join(missed)
        print(f"{request['hostname']} starts afresh, for: {names}", file=sys.stderr, flush=True)
    redirect_descriptor(log, 1, 2)
    os.chdir(request["directory"])
    if program is None:
        exec_program(command, environment)
    if missed:
        exec_program([sys.executable, __file__, "start", json.dumps(request)], environment)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [*path, *state.path]
    run_program(program, request)


def exec_program(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replaces this process by a program, with the signals that Python ignores back in force."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(command[0], command, dict(environment))


def run_program(program: Program, request: Request) -> NoReturn:
    """Runs a Python program in this process, which is a container from here on."""
    if sys.platform.startswith("linux") and os.getpid() != 1:
        imitate_first_process()
    sys.path.insert(0, program.folder)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    mounts.update(request["mounts"])
    socket.gethostname = lambda: request["hostname"]
    exit_without_teardown(program.run())


def exit_without_teardown(code: int) -> NoReturn:
    """Ends this process as Python would, but does not take its memory apart first.

    That would copy most of what is shared with the server, only to free it. Python has no
    public name for the rest of its end; `multiprocessing` uses these two as well.

    Args:
        code: The exit code, or the negative number of a signal to die of.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        code = 128 + signal.SIGINT  # The first process does not die of it; Python ends like this.
    os._exit(code & 0xFF)


def patch_filesystem() -> None:
    """Lets functions that take paths look up `mounts`.

    This comes before anything is loaded that could keep the functions as they were.
    """
    for name in PATH_FUNCTIONS:
        function = getattr(os, name)
        # Not a function but a `partial`: Python 3.10 keeps these in a class, as methods.
        redirected = functools.partial(redirect, function)
        setattr(os, name, redirected)
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if function in able:
                able.add(redirected)
    builtins.open = io.open = functools.partial(redirect, open)
    load = ssl.SSLContext.load_verify_locations

    def load_verify_locations(
        context: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        load(context, real_path(cafile), real_path(capath), cadata)

    setattr(ssl.SSLContext, load.__name__, load_verify_locations)


def redirect(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Calls a function with the real path in place of the path that is its first argument."""
    if not arguments:
        return function(**more)
    return function(real_path(arguments[0]), *arguments[1:], **more)


def real_path(path: Any, folders: Mapping[str, str] = mounts) -> Any:
    """Says where a file really is. Anything but a path of text is returned as it is.

    Args:
        path: A path, as the container knows it.
        folders: Where folders (or files) really are, longest names first.
    """
    if folders and isinstance(path, (str, os.PathLike)):
        text = os.fspath(path)
        for folder, real in folders.items():
            if isinstance(text, str) and (text == folder or text.startswith(f"{folder}/")):
                return real + text[len(folder) :]
    return path


def main() -> None:
    """Runs as `serve NAMESPACES PYTHONPATH MODULE…`, the server, or `start REQUEST`."""
    if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):  # noqa: PTH100, PTH120
        del sys.path[0]
    patch_filesystem()
    if sys.argv[1] == "start":
        request: Request = json.loads(sys.argv[2])
        program = Program.of(request["command"])
        assert program is not None
        run_program(program, request)
    server = Server(namespaces=sys.argv[2] == "1")
    state = preload_modules(sys.argv[3], sys.argv[4:])
    if (job := server.serve()) is not None:
        run_request(*job, state)


if __name__ == "__main__":
    main()
