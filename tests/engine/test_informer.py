"""The informer: it keeps up with what a source has, whatever the source does."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING

import pytest
from engine import clock
from engine.informer import Event, ExpiredVersionError, Informer, NotSyncedError
from kit import timeouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class AwayError(Exception):
    """The source does not answer."""


END = Event("end")


class FakeSource:
    """A source that says what the test puts into it."""

    def __init__(self) -> None:
        """Has one item, and no events."""
        self.present: dict[str, int] = {"a": 1}
        self.errors: list[Exception] = []
        self.events: queue.Queue[Event[int] | Exception] = queue.Queue()
        self.lists = 0
        self.watched_from: list[str] = []
        self.ends_at_once = False

    def list(self) -> tuple[dict[str, int], str]:
        """Returns what is there."""
        self.lists += 1
        if self.errors:
            raise self.errors.pop(0)
        return dict(self.present), f"list-{self.lists}"

    def watch(self, version: str) -> Iterator[Event[int]]:
        """Yields the events until there is an `END`."""
        self.watched_from.append(version)
        while not self.ends_at_once:
            event = self.events.get()
            if isinstance(event, Exception):
                raise event
            if event is END:
                return
            yield event

    def interrupt(self) -> None:
        """Ends the watch."""
        self.events.put(END)


def wait_until(condition: Callable[[], object]) -> None:
    """Waits until a condition holds, for at most ten seconds."""
    timeouts.wait_until(condition, 10, what="the condition", pause=0.005)


@pytest.fixture
def source() -> FakeSource:
    """A source with one item."""
    return FakeSource()


@pytest.fixture
def changed() -> list[tuple[str, int]]:
    """What the informer has told."""
    return []


@pytest.fixture
def watcher(source: FakeSource, changed: list[tuple[str, int]]) -> Iterator[Informer[int]]:
    """An informer of the source, which is not started."""
    made = Informer(source, lambda *item: changed.append(item), (AwayError,))
    yield made
    made.close()


def test_what_is_there_is_known_and_each_change_is_told(
    source: FakeSource, watcher: Informer[int], changed: list[tuple[str, int]]
) -> None:
    watcher.start(5)
    assert (watcher.get("a"), watcher.get("b")) == (1, None)
    source.events.put(Event("v1", "b", 2))
    source.events.put(Event("v2"))
    source.events.put(Event("v3", "a", 7, deleted=True))
    wait_until(lambda: watcher.is_gone("a"))
    assert (watcher.get("a"), watcher.get("b")) == (None, 2)
    assert not watcher.is_gone("b")
    assert not watcher.is_gone("never")
    wait_until(lambda: changed == [("a", 1), ("b", 2), ("a", 7)])
    source.events.put(Event("v4", "a", 3))
    wait_until(lambda: watcher.get("a") == 3)
    assert not watcher.is_gone("a")


def test_a_watch_that_breaks_off_goes_on_from_the_last_event(
    source: FakeSource, watcher: Informer[int]
) -> None:
    watcher.start(5)
    source.events.put(Event("v7", "b", 2))
    source.events.put(AwayError())
    wait_until(lambda: source.watched_from == ["list-1", "v7"])
    assert source.lists == 1


def test_an_expired_version_is_listed_again_and_what_is_not_there_is_gone(
    source: FakeSource, watcher: Informer[int], changed: list[tuple[str, int]]
) -> None:
    watcher.start(5)
    source.present = {"c": 3}
    for version in ("list-2", "list-3"):
        source.events.put(ExpiredVersionError())
        wait_until(lambda: source.watched_from[-1] == version)  # noqa: B023
        assert watcher.is_gone("a")
        assert watcher.get("c") == 3
    # That `a` is gone is told once.
    assert changed == [("a", 1), ("a", 1), ("c", 3), ("c", 3)]


def test_a_source_that_is_away_at_first_is_asked_again(
    source: FakeSource, watcher: Informer[int]
) -> None:
    source.errors = [AwayError(), AwayError()]
    watcher.start(5)
    assert watcher.get("a") == 1


def test_start_does_not_wait_for_ever(
    source: FakeSource, watcher: Informer[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source.errors = [AwayError("on holiday") for _ in range(1000)]
    monkeypatch.setattr(clock, "LONGEST_PAUSE", 0.01)
    with pytest.raises(NotSyncedError, match="on holiday"):
        watcher.start(0.2)
    lists = source.lists
    time.sleep(0.1)
    assert source.lists == lists


def test_an_error_that_is_final_at_first_is_raised(
    source: FakeSource, watcher: Informer[int]
) -> None:
    source.errors = [PermissionError("not you")]
    with pytest.raises(PermissionError, match="not you"):
        watcher.start(5)


def test_what_was_allowed_once_will_be_so_again(source: FakeSource, watcher: Informer[int]) -> None:
    watcher.start(5)
    source.events.put(PermissionError("not now"))
    wait_until(lambda: len(source.watched_from) == 2)


def test_a_server_that_ends_each_watch_at_once_is_not_asked_all_the_time(
    source: FakeSource, watcher: Informer[int]
) -> None:
    source.ends_at_once = True
    watcher.start(5)
    time.sleep(1.0)
    assert len(source.watched_from) < 10


def test_nothing_is_left_of_one_that_is_closed(source: FakeSource) -> None:
    for _ in range(10):
        opened = Informer(source, lambda *_: None, (AwayError,))
        opened.start(5)
        assert opened._thread.is_alive()
        opened.close()
        assert not opened._thread.is_alive()
