"""Reservations: no more is handed out than there is, in order, and nothing leaks."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from engine.processes.reservations import (
    Capacity,
    Reservation,
    ReservationError,
    Reservations,
    Resources,
)
from kit.timeouts import scaled

if TYPE_CHECKING:
    from pathlib import Path


def test_no_more_is_handed_out_than_there_is(tmp_path: Path) -> None:
    capacity = Capacity(cpus=4, memory=100, gpus=("0", "1", "2"))
    held: list[Reservation] = []
    lock = threading.Lock()

    def client() -> None:
        # One each, as in separate processes.
        reservations = Reservations(tmp_path / "reservations.db", capacity)
        for _ in range(3):
            wanted = Resources(cpus=1.5, memory=30, gpus=1)
            while (mine := reservations.try_reserve(wanted)) is None:
                time.sleep(0.01)
            with lock:
                held.append(mine)
                assert len(held) <= 2  # 1.5 CPUs each, of 4.
                gpus = [gpu for reservation in held for gpu in reservation.gpus or ()]
                assert len(gpus) == len(set(gpus))
            time.sleep(0.03)
            with lock:
                held.remove(mine)
            reservations.release(mine)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(client) for _ in range(4)]:
            done.result()
    reservations = Reservations(tmp_path / "reservations.db", capacity)
    everything = reservations.try_reserve(Resources(4, 100, 3))
    assert everything is not None
    reservations.release(everything)
    many = [reservations.try_reserve(Resources(cpus=1.5)) for _ in range(3)]
    assert [each is not None for each in many] == [True, True, False]


def test_fractions_add_up(tmp_path: Path) -> None:
    reservations = Reservations(tmp_path / "reservations.db", Capacity(0.3, 1, ()))
    assert reservations.try_reserve(Resources(cpus=0.1)) is not None
    assert reservations.try_reserve(Resources(cpus=0.2)) is not None
    assert reservations.try_reserve(Resources(cpus=0.1)) is None


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    reservations = Reservations(tmp_path / "reservations.db", Capacity(1, 1, ()))
    pid = os.fork()
    if pid == 0:
        os._exit(0 if reservations.try_reserve(Resources(cpus=1)) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert reservations.try_reserve(Resources(cpus=1)) is not None


def test_nobody_overtakes(tmp_path: Path) -> None:
    reservations = Reservations(tmp_path / "reservations.db", Capacity(2, 1, ()))
    held = reservations.try_reserve(Resources(cpus=1))
    assert held is not None
    order: list[str] = []
    cancelled: set[str] = set()
    woken, waits = (
        {name: threading.Event() for name in ("big", "given up", "small")} for _ in range(2)
    )

    def wait(name: str, cpus: float) -> None:
        reservation = reservations.reserve(
            Resources(cpus=cpus), woken[name], lambda: name in cancelled, waits[name].set
        )
        if reservation is None:
            order.append(f"{name} has nothing")
        else:
            order.append(name)
            reservations.release(reservation)

    threads = []
    for name, cpus in (("big", 2), ("given up", 1), ("small", 1)):
        threads.append(threading.Thread(target=wait, args=(name, cpus)))
        threads[-1].start()
        assert waits[name].wait(scaled(5))
    cancelled.add("given up")
    woken["given up"].set()
    threads[1].join(scaled(5))
    assert order == ["given up has nothing"]  # There is enough for the small one, all the same.
    reservations.release(held)
    for thread in threads:
        thread.join(scaled(5))
    assert order == ["given up has nothing", "big", "small"]


def test_a_database_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "reservations.db"
    file.write_text("This is no database. " * 100)
    in_vain = Reservations(file / "below" / "reservations.db", Capacity(1, 1, ()))
    for reservations in (in_vain, Reservations(file, Capacity(1, 1, ()))):
        with pytest.raises(ReservationError, match=r"reservations.db, where .* user write it"):
            reservations.try_reserve(Resources(cpus=1))


def test_a_database_of_another_user_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservations = Reservations(tmp_path / "reservations.db", Capacity(1, 1, ()))
    held = reservations.try_reserve(Resources(cpus=1))
    assert held is not None
    connect = sqlite3.connect

    def connect_to_read(path: Path, **more: Any) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", uri=True, **more)

    # As root, who may run this, any file can be written.
    monkeypatch.setattr(sqlite3, "connect", connect_to_read)
    with pytest.raises(ReservationError, match=r"reservations.db, .*readonly database.* delete it"):
        reservations.release(held)
