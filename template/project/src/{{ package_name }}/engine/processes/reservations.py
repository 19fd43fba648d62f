# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Who has reserved what: one small database for all runs of this user on this machine.

Two runs at the same time, from two terminals, must not be given the same GPU. So reservations are
in a file, and SQLite's lock decides who is first. A reservation names the process that holds it,
and ends with it: a crash leaks nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import psutil

from .process_identity import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS reservation (
    id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    started REAL NOT NULL,
    cpus REAL NOT NULL,
    memory INTEGER NOT NULL,
    gpus TEXT NOT NULL
)
"""

# Sums of fractions such as 0.1 + 0.2 may miss a whole number by this little.
EPSILON = 1e-9

# How often a process looks whether another one has given something back, in seconds.
POLL_SECONDS = 0.2


class ReservationError(RuntimeError):
    """The database cannot be read or written. Its text names the file and the remedy."""


@dataclass(frozen=True)
class Resources:
    """What one process asks for.

    Attributes:
        cpus: CPUs, fractions allowed.
        memory: Bytes.
        gpus: GPUs. None leaves the CUDA_VISIBLE_DEVICES of the user alone; 0 hides all GPUs.
    """

    cpus: float = 0.0
    memory: int = 0
    gpus: int | None = None


@dataclass(frozen=True)
class Capacity:
    """What all processes together can reserve.

    Attributes:
        cpus: CPUs.
        memory: Bytes.
        gpus: The GPUs' names, as CUDA_VISIBLE_DEVICES has them.
    """

    cpus: float
    memory: int
    gpus: tuple[str, ...]


@dataclass(frozen=True)
class Reservation:
    """A share of the capacity.

    Attributes:
        id: Its key in the database.
        gpus: The names of the GPUs it holds, or None if it did not ask for any number.
    """

    id: str
    gpus: tuple[str, ...] | None


class Reservations:
    """Hands out the machine's CPUs, memory and GPUs."""

    # Who waits in this process: nobody overtakes. Each is woken when it is first, when something
    # was given back, and when it shall wait no longer.
    _queue: ClassVar[deque[threading.Event]] = deque()
    _queue_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path, capacity: Capacity) -> None:
        """Prepares to hand out; asks for nothing yet.

        Args:
            path: The database file; it and its folder are created if missing.
            capacity: What there is to hand out.
        """
        self.capacity = capacity
        self._path = path

    def reserve(
        self,
        wanted: Resources,
        woken: threading.Event,
        is_cancelled: Callable[[], bool],
        on_wait: Callable[[], None],
    ) -> Reservation | None:
        """Reserves as soon as there is enough. In this process, first come is first served.

        Args:
            wanted: What to reserve.
            woken: An event of the caller's own; set it after `is_cancelled` has changed.
            is_cancelled: Whether to give up.
            on_wait: Called once, if there is not enough at the moment.

        Returns:
            The reservation, or None if it was cancelled.
        """
        with self._queue_lock:
            self._queue.append(woken)
            is_first = self._queue[0] is woken
        has_waited = False
        try:
            if not is_first:
                on_wait()
                has_waited = True
                woken.wait()
            while not is_cancelled():
                if reservation := self.try_reserve(wanted):
                    return reservation
                if not has_waited:
                    on_wait()
                    has_waited = True
                woken.clear()
                woken.wait(POLL_SECONDS)
            return None
        finally:
            with self._queue_lock:
                self._queue.remove(woken)
            self._wake_first()

    def try_reserve(self, wanted: Resources) -> Reservation | None:
        """Reserves without waiting.

        Returns:
            The reservation, or None if there is not enough at the moment.

        Raises:
            ReservationError: If the database cannot be read or written.
        """
        owner = identify(os.getpid())
        with self._connected() as connection:
            # Take the write lock first: nobody may reserve between our look and our entry.
            connection.execute("BEGIN IMMEDIATE")
            remove_those_of_dead_processes(connection)
            held = connection.execute("SELECT cpus, memory, gpus FROM reservation").fetchall()
            taken = {gpu for row in held for gpu in json.loads(row[2])}
            free = [gpu for gpu in self.capacity.gpus if gpu not in taken]
            if (
                sum(row[0] for row in held) + wanted.cpus > self.capacity.cpus + EPSILON
                or sum(row[1] for row in held) + wanted.memory > self.capacity.memory
                or (wanted.gpus or 0) > len(free)
            ):
                return None
            gpus = None if wanted.gpus is None else tuple(free[: wanted.gpus])
            reservation = Reservation(str(uuid.uuid4()), gpus)
            row = (reservation.id, *owner, wanted.cpus, wanted.memory, json.dumps(gpus or ()))
            connection.execute("INSERT INTO reservation VALUES (?, ?, ?, ?, ?, ?)", row)
            return reservation

    def release(self, reservation: Reservation) -> None:
        """Gives a reservation back.

        Raises:
            ReservationError: If the database cannot be read or written.
        """
        with self._connected() as connection:
            connection.execute("DELETE FROM reservation WHERE id = ?", (reservation.id,))
        self._wake_first()

    def _wake_first(self) -> None:
        with self._queue_lock:
            if self._queue:
                self._queue[0].set()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # autocommit (isolation_level=None): transactions begin where we say so.
            opened = sqlite3.connect(self._path, timeout=60, isolation_level=None)
            with closing(opened) as connection, connection:
                connection.execute(SCHEMA)
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise ReservationError(
                f"{self._path}, where it is noted which steps use what of this machine, cannot be "
                f"used: {error}. Let this user write it and its folder, or delete it while no "
                "pipeline runs."
            ) from error


def remove_those_of_dead_processes(connection: sqlite3.Connection) -> None:
    """Deletes the reservations whose processes have ended."""
    for key, pid, started in connection.execute(
        "SELECT id, pid, started FROM reservation"
    ).fetchall():
        if not is_alive(pid, started):
            connection.execute("DELETE FROM reservation WHERE id = ?", (key,))


@cache
def identify(pid: int) -> tuple[int, float]:
    """Returns what tells this process from all others: its ID, and when it was created."""
    return pid, psutil.Process(pid).create_time()
