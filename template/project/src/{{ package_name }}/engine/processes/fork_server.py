# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The fork server: it has ZenML imported, and forks itself for each job.

To start Python and import ZenML takes about four seconds of CPU. A fork of a process that has done
so takes a fraction of one. One fork, the pre-forked worker, always waits for the next job. The
server belongs to the process that started it, and ends with it. It runs as

    python -m ….fork_server serve FD

where FD is the listening socket that it inherits. `launcher.py` has the other end, and says what
passes between the two. As

    python -m ….fork_server fresh FD

it imports nothing, and FD is the connection for the only process that it ever starts.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..secret_env import SECRET_PREFIXES
from .launcher import (
    ACCEPTED,
    FORK_SERVER_VARIABLE,
    Request,
    children_of,
    receive_request,
    send_request,
    signal_group,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

    from zenml.zen_stores.base_zen_store import BaseZenStore

# ZenML and Python read most of their variables once, when they are imported. A job in which such a
# variable differs from the server's gets a fresh process.
READ_AT_IMPORT = ("ZENML_", "PYTHON", "LD_", "DYLD_")
# These are read when they are used, and are how ZenML tells a step where it belongs.
READ_WHEN_USED = (
    *SECRET_PREFIXES,
    *("ZENML_ACTIVE_", "ZENML_USER_", "ZENML_VERSION", "ZENML_ANALYTICS_OPT_IN"),
    FORK_SERVER_VARIABLE,
)

# How long a client may take to send its request, in seconds.
REQUEST_SECONDS = 10.0

# prctl(2): the signal that a process gets when its parent ends, and that a process becomes the
# parent of those of its descendants whose own has ended.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


@dataclass
class OpenStore:
    """The database that the server has opened, and the variables that name it to a job."""

    store: BaseZenStore
    variables: dict[str, str]


@dataclass
class Child:
    """A process, as its supervisor sees it."""

    pid: int
    connection: socket.socket
    grace_seconds: float
    kill_at: float | None = None


def main() -> None:
    """Serves until the client is gone, or, in a forked process, runs one job."""
    if sys.platform == "linux":
        stay_behind_a_guard()
    end = socket.socket(fileno=int(sys.argv[2]))
    end.set_inheritable(False)
    if sys.argv[1] == "fresh":
        supervise_one(end)
        return
    environment, directory = dict(os.environ), str(Path.cwd())
    store = warm_up()
    request = Server(end, store).serve()
    if request is None:
        address = Path(end.getsockname())
        address.unlink(missing_ok=True)
        address.parent.rmdir()
    elif can_fork(request, environment):
        if sys.path[0] == directory:
            # `python -m` puts the directory there in which it was started.
            sys.path[0] = request["directory"]
        run(request, store)
    else:
        execute(request)


def warm_up() -> OpenStore | None:
    """Imports what steps need.

    Returns:
        The ZenML store, opened, if it is a database. A connection to a ZenML server is left to
        each step: it carries the step's own token.
    """
    # Imported here, not above, so that a broken installation shows in the first job.
    import zenml.artifact_stores
    import zenml.deployers.server
    import zenml.entrypoints.entrypoint
    import zenml.execution.pipeline.dynamic.runner
    import zenml.log_stores
    import zenml.materializers
    import zenml.orchestrators.step_launcher
    import zenml.utils.logging_utils  # noqa: F401
    from zenml.environment import Environment, get_run_environment_dict
    from zenml.integrations.registry import integration_registry

    with suppress(ImportError):
        import_module("..entrypoints", __package__)
    integration_registry.activate_integrations()
    # Each step notes the installed packages; pip takes half a second to list them.
    Environment.get_python_packages = staticmethod(  # type: ignore[method-assign]
        functools.cache(Environment.get_python_packages)
    )
    get_run_environment_dict()

    store = None
    # Only for speed: what does not work here, a job will meet and report.
    with suppress(Exception):
        store = open_store()
    # What exists now stays as it is; children need not copy it to look through it.
    gc.collect()
    gc.freeze()
    return store


def open_store() -> OpenStore | None:
    """Opens the ZenML store, if it is a database, and leaves no connection to it open."""
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration

    configuration = GlobalConfiguration()
    if not configuration.uses_sql_store:
        return None
    variables = store_variables(configuration.get_config_environment_vars())
    store = OpenStore(configuration.zen_store, variables)
    with suppress(Exception):
        _ = Client().active_stack  # Imports the modules of its components.
        prime_statement_cache(store)
    store.store.engine.dispose()  # type: ignore[attr-defined]
    return store


def prime_statement_cache(store: OpenStore) -> None:
    """Makes the reads that steps make, of rows that do not exist.

    SQLAlchemy compiles a statement when it is first used, and keeps it: what the server has
    compiled, its forks need not.
    """
    from sqlalchemy import inspect
    from sqlalchemy.orm import make_transient_to_detached
    from sqlmodel import Session
    from zenml.zen_stores import schemas

    engine = store.store.engine  # type: ignore[attr-defined]
    for schema in (
        schemas.ArtifactSchema,
        schemas.ArtifactVersionSchema,
        schemas.FlavorSchema,
        schemas.LogsSchema,
        schemas.PipelineRunSchema,
        schemas.PipelineSchema,
        schemas.PipelineSnapshotSchema,
        schemas.StackComponentSchema,
        schemas.StackSchema,
        schemas.StepRunSchema,
        schemas.UserSchema,
    ):
        mapper = inspect(schema)
        row = schema(id=uuid.uuid4())
        for attribute in mapper.column_attrs:
            (column,) = attribute.columns
            if not column.primary_key:
                setattr(row, attribute.key, uuid.uuid4() if column.foreign_keys else None)
        make_transient_to_detached(row)
        with Session(engine) as session, session.no_autoflush:
            session.add(row)
            for relationship in mapper.relationships:
                getattr(row, relationship.key)
            session.expunge_all()
    read_latest()


def read_latest() -> None:
    """Reads a run and a step, as every step does when it starts."""
    from zenml.client import Client

    Client().list_pipeline_runs(size=1, hydrate=True)
    Client().list_run_steps(size=1, hydrate=True)


# ---- In the supervisor ---------------------------------------------------------------------------


class Supervisor:
    """Looks after child processes: passes on signals, reports each end, and ends the orphans."""

    def __init__(self) -> None:
        """Takes over SIGCHLD and SIGINT of this process."""
        self.children: dict[int, Child] = {}
        # The children that are no jobs.
        self.others = {*children_of(os.getpid())}
        adopt_orphans()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        # A handler must exist for the wake-up descriptor to be written to.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write.fileno())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's to handle.
        self.listen_to(self._wake_read)

    def listen_to(self, source: socket.socket | IO[str], child: Child | None = None) -> None:
        """Lets `wait` return when there is something to read."""
        self._selector.register(source, selectors.EVENT_READ, child)

    def add(self, pid: int, connection: socket.socket, grace_seconds: float) -> None:
        """Looks after a child process from now on.

        Args:
            pid: Its process ID, which is also that of its group.
            connection: The connection to its client, which gets the process ID at once.
            grace_seconds: How long it may take to end after the client is gone.
        """
        child = self.children[pid] = Child(pid, connection, grace_seconds)
        self.listen_to(connection, child)
        send_line(connection, pid)

    def wait(self) -> Iterator[object]:
        """Waits until something happens, and looks after all children.

        Yields:
            What else `listen_to` was called for and can be read now.
        """
        for key, _ in self._selector.select(timeout=1.0 if self.children else None):
            if key.data is not None:
                self._receive_signal(key.data)
            elif key.fileobj is self._wake_read:
                with suppress(BlockingIOError):
                    self._wake_read.recv(4096)
            else:
                yield key.fileobj
        for child in list(self.children.values()):
            self._look_after(child)
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Kills what jobs have left that have ended: as long as a job lives, it adopts them."""
        for pid in {*children_of(os.getpid())} - self.others - self.children.keys():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)

    def forget(self, source: socket.socket | IO[str]) -> None:
        """Stops listening to a source."""
        self._selector.unregister(source)

    def close(self) -> None:
        """Closes, in a forked process, what is the supervisor's."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for child in self.children.values():
            child.connection.close()
        self._wake_read.close()
        self._wake_write.close()

    def _receive_signal(self, child: Child) -> None:
        """Passes on the signal that a client sends; one that is gone wants its job ended."""
        try:
            data = child.connection.recv(1)
        except OSError:
            data = b""
        if not data:
            self.forget(child.connection)
            child.kill_at = time.monotonic() + child.grace_seconds
        signal_group(child.pid, data[0] if data else signal.SIGTERM)

    def _look_after(self, child: Child) -> None:
        """Kills a process whose time is up, and reports one that has ended."""
        if child.kill_at is not None and time.monotonic() > child.kill_at:
            signal_group(child.pid, signal.SIGKILL)
        code = reap_group(child.pid)
        if code is None:
            return
        if child.kill_at is None:
            self.forget(child.connection)
        send_line(child.connection, code)
        child.connection.close()
        del self.children[child.pid]


class Server:
    """Forks a process for each job."""

    def __init__(self, listener: socket.socket, store: OpenStore | None) -> None:
        """Prepares to serve.

        Args:
            listener: The socket to accept jobs from.
            store: The store that the server has opened, if any.
        """
        self._store = store
        self._listener = listener
        self._supervisor = Supervisor()

    def serve(self) -> Request | None:
        """Serves until stdin is closed (the client holds its other end) and all jobs have ended.

        Returns:
            In a forked process, its job. In the server, None, when it is done.
        """
        self._supervisor.listen_to(self._listener)
        self._supervisor.listen_to(sys.stdin)
        if request := self._fork_worker():
            return request
        client_is_there = True
        while client_is_there or self._supervisor.children:
            for source in self._supervisor.wait():
                if source is self._listener:
                    if request := self._accept():
                        return request
                else:
                    self._supervisor.forget(sys.stdin)
                    client_is_there = False
        return None

    def _accept(self) -> Request | None:
        """Gives a job to the pre-forked worker. Returns one, in a forked process only."""
        connection, _ = self._listener.accept()
        connection.settimeout(REQUEST_SECONDS)
        try:
            request, output = receive_request(connection)
            connection.sendall(ACCEPTED)
        except (EOFError, OSError):
            connection.close()
            return None
        while True:
            pid, worker = self._worker
            try:
                with worker:
                    send_request(worker, request, output)
                break
            except OSError:  # Somebody has killed the worker.
                os.waitpid(pid, 0)
                self._supervisor.others.discard(pid)
                if job := self._fork_worker():
                    return job
        os.close(output)
        self._supervisor.others.discard(pid)
        self._supervisor.add(pid, connection, request["grace_seconds"])
        return self._fork_worker()

    def _fork_worker(self) -> Request | None:
        """Forks a process for the next job, before that is known.

        Returns:
            In the forked process, that job, once it is known. In the server, None.
        """
        ours, theirs = socket.socketpair()
        pid = fork_group(self._supervisor)
        if pid != 0:
            theirs.close()
            self._worker = pid, ours
            self._supervisor.others.add(pid)
            return None
        ours.close()
        self._listener.close()
        with theirs, selectors.DefaultSelector() as selector:
            selector.register(theirs, selectors.EVENT_READ)
            if self._store is not None and not selector.select(timeout=0):
                # While there is no job yet: memory that is touched now is this process's own, and
                # need not be copied when the job touches it.
                with suppress(Exception):
                    read_latest()
            try:
                request, output = receive_request(theirs)
            except EOFError:  # There is no next job.
                os._exit(0)
        redirect_stdio(output)
        return request


def supervise_one(connection: socket.socket) -> None:
    """Starts a process with nothing imported, and looks after it to its end."""
    try:
        request, output = receive_request(connection)
    except EOFError:
        return
    supervisor = Supervisor()
    connection.sendall(ACCEPTED)
    pid = fork_group(supervisor)
    if pid == 0:
        connection.close()
        redirect_stdio(output)
        execute(request)
    os.close(output)
    supervisor.add(pid, connection, request["grace_seconds"])
    while supervisor.children:
        list(supervisor.wait())


def fork_group(supervisor: Supervisor) -> int:
    """Forks a process that leads a group of its own, and ends when its supervisor is killed.

    Returns:
        The process ID in the supervisor, 0 in the forked process.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        supervisor.close()
        adopt_orphans()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    return pid


def stay_behind_a_guard() -> None:
    """Goes on in a fork. This process waits for its end, and kills what it leaves if it is killed.

    Nothing is imported yet, so the guard is small.
    """
    adopt_orphans()
    pid = os.fork()
    if pid == 0:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))  # Whoever reads from the fork shall see its end.
    _, status = os.waitpid(pid, 0)
    while orphans := children_of(os.getpid()):
        for orphan in orphans:
            with suppress(OSError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)
    os._exit(min(abs(os.waitstatus_to_exitcode(status)), 1))


def adopt_orphans() -> None:
    """Lets this process be the parent of its descendants whose own has ended, where Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_group(pid: int) -> int | None:
    """Collects a child process that has ended, and kills what it leaves behind.

    Returns:
        Its exit code, -n for signal n; None if it has not ended.
    """
    if hasattr(os, "waitid"):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # Before it is collected, since its number could be another's after that.
        signal_group(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    else:  # macOS, until Python 3.13
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            return None
        signal_group(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def send_line(connection: socket.socket, number: int) -> None:
    """Sends a number to a client, which may be gone."""
    with suppress(OSError):
        connection.sendall(f"{number}\n".encode())


# ---- In a forked process -------------------------------------------------------------------------


def redirect_stdio(output: int) -> None:
    """Gives a forked process an output and an empty input of its own, and its signals back."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)


def can_fork(request: Request, inherited: Mapping[str, str]) -> bool:
    """Tells whether a fork of the server would do what a fresh process does.

    Args:
        request: The job.
        inherited: The environment that the server was started with.
    """
    is_python_module = request["command"][:2] == [sys.executable, "-m"]
    return is_python_module and reads_the_same(inherited, request["environment"])


def reads_the_same(inherited: Mapping[str, str], environment: Mapping[str, str]) -> bool:
    """Tells whether modules would read the same from both environments when they are imported."""
    return all(
        inherited.get(name) == environment.get(name)
        for name in inherited.keys() | environment.keys()
        if name.startswith(READ_AT_IMPORT) and not name.startswith(READ_WHEN_USED)
    )


def execute(request: Request) -> None:
    """Becomes the job's program. Does not return."""
    command = request["command"]
    # Python ignores these two, and programs inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.chdir(request["directory"])
        os.execvpe(command[0], command, request["environment"])
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", file=sys.stderr, flush=True)
        os._exit(127)


def run(request: Request, store: OpenStore | None) -> None:
    """Becomes the job, a Python module, without importing ZenML anew. Does not return.

    Args:
        request: The job.
        store: The store that the server has opened, if any.
    """
    _, _, module, *arguments = request["command"]
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    reset_zenml_state(store)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [module, *arguments]
    # Run as a program, it is not the module of this name that `warm_up` imported.
    sys.modules.pop(module, None)
    exit_without_teardown(run_program(module))


def run_program(module: str) -> int:
    """Runs a module as `python -m` does, and returns the exit code it would have."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # As the interpreter does, which prints them all.
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def exit_without_teardown(code: int) -> None:
    """Ends this process as Python would, but does not take its memory apart first.

    That would copy most of what is shared with the server, only to free it. Python has no public
    name for the rest of its end; `multiprocessing` uses these two as well.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def store_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Picks the variables that say where ZenML keeps its data."""
    return {name: value for name, value in environment.items() if name.startswith(SECRET_PREFIXES)}


def reset_zenml_state(store: OpenStore | None) -> None:
    """Drops, in a forked process, all that the server knew of ZenML's state.

    Args:
        store: The store that the server has opened. It is kept if this job uses the same database;
            it has no connections, and no memory of what it has read.
    """
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration
    from zenml.stack import stack

    time.tzset()
    if "numpy" in sys.modules:
        # Unlike Python's own generator, numpy's goes on as a copy of the server's.
        sys.modules["numpy"].random.seed()
    Client._reset_instance()  # noqa: SLF001
    GlobalConfiguration._reset_instance()  # noqa: SLF001
    stack._STACK_CACHE.clear()  # noqa: SLF001
    if store is not None and store.variables == store_variables(os.environ):
        GlobalConfiguration()._zen_store = store.store  # noqa: SLF001


if __name__ == "__main__":
    main()
