# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An informer: what a platform has at the moment, kept up to date by listing and then watching.

To look something up costs no request. How it works, by the example of Kubernetes:
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from zenml.logger import get_logger

from .clock import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = get_logger(__name__)

Item = TypeVar("Item")

# A watch that ends sooner than this, in seconds, and without an event, counts as a failure: a
# server that ends each watch at once is not asked all the time.
HEALTHY_SECONDS = 5.0

# How long `close` waits for the thread, in seconds. In the middle of a request it ends later.
CLOSE_SECONDS = 2.0


class ExpiredVersionError(Exception):
    """The platform has forgotten the version to watch from. The informer then lists again."""


class NotSyncedError(TimeoutError):
    """The platform did not tell in time what is there. It is worth another try."""


@dataclass(frozen=True)
class Event(Generic[Item]):
    """One event of a watch.

    Attributes:
        version: From where a later watch continues.
        name: The name of the item.
        item: The item as it is now, or was last; None if no item has changed, and only the version
            is newer (a bookmark).
        deleted: Whether it is gone.
    """

    version: str
    name: str = ""
    item: Item | None = None
    deleted: bool = False


class Source(Protocol[Item]):
    """Lists and watches the items of one kind."""

    def list(self) -> tuple[Mapping[str, Item], str]:
        """Returns all items by their names, and the version from which to watch."""

    def watch(self, version: str) -> Iterator[Event[Item]]:
        """Yields each change after a version. It may end at any time, and is then opened again.

        Raises:
            ExpiredVersionError: If the platform does not know the version any more.
        """

    def interrupt(self) -> None:
        """Ends the watch in progress, if there is one. It is called from another thread."""


@dataclass(eq=False, repr=False)
class Informer(Generic[Item]):
    """Knows the items of a source. A thread keeps it up to date from `start` to `close`.

    Attributes:
        source: Lists and watches.
        changed: Is called in the informer's thread with the name of an item that may have changed,
            and the item as it is now, or was last. It returns at once.
        transient: The errors of the source after which it is asked again. Any other is final,
            unless the source has answered before: what was allowed once will be so again.
    """

    source: Source[Item]
    changed: Callable[[str, Item], None]
    transient: tuple[type[Exception], ...]

    def __post_init__(self) -> None:
        """Asks nobody yet."""
        self._items: dict[str, Item | None] = {}  # None once it is deleted
        self._known = threading.Event()  # or it has failed for good
        self._closed = threading.Event()
        self._final: Exception | None = None
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._follow, name="informer", daemon=True)

    def start(self, seconds: float) -> None:
        """Begins to watch, and waits until all that is there is known.

        Args:
            seconds: How long to wait.

        Raises:
            NotSyncedError: If it takes longer. The informer is closed then.
            Exception: The error of the source, if it is final.
        """
        self._thread.start()
        if not self._known.wait(seconds):
            self.close()
            last = f" The last error: {self._trouble}" if self._trouble else ""
            raise NotSyncedError(f"There was no answer within {seconds:g} seconds.{last}")
        if self._final is not None:
            raise self._final

    def close(self) -> None:
        """Ends the watching, and the thread."""
        self._closed.set()
        end = time.monotonic() + CLOSE_SECONDS
        # Again and again: the thread may be just about to open another watch.
        while self._thread.is_alive() and time.monotonic() < end:
            self.source.interrupt()
            self._thread.join(0.05)

    def get(self, name: str) -> Item | None:
        """Returns an item; None if it is not known, or is gone."""
        return self._items.get(name)

    def is_gone(self, name: str) -> bool:
        """Tells whether an item was there and is not any more."""
        return name in self._items and self._items[name] is None

    def _follow(self) -> None:
        version: str | None = None
        failures = 0
        while not self._closed.is_set():
            opened, trouble = time.monotonic(), None
            try:
                if version is None:
                    version = self._list()
                    self._known.set()
                for event in self.source.watch(version):
                    version, failures = event.version, 0
                    self._take(event)
            except ExpiredVersionError:
                version = None
            except Exception as error:  # Whatever it is, a thread must not end without a word.
                if not isinstance(error, self.transient) and not self._known.is_set():
                    self._final = error
                    self._known.set()
                    return
                self._trouble = trouble = error
                if not self._closed.is_set():
                    logger.warning("It will be watched again soon: %s", error)
            if time.monotonic() - opened > HEALTHY_SECONDS:
                failures = 0
            self._closed.wait(backoff(failures, trouble) * random.uniform(0.5, 1.5))
            failures += 1

    def _list(self) -> str:
        present, version = self.source.list()
        for name, item in {**self._items, **present}.items():
            self._take(Event(version, name, item, deleted=name not in present))
        return version

    def _take(self, event: Event[Item]) -> None:
        if event.item is not None:
            self._items[event.name] = None if event.deleted else event.item
            self.changed(event.name, event.item)
