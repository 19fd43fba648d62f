# YOURS: the Jobs and pods of a run, kept up to date by watching them
"""What is known of a run's Jobs and pods without asking."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine.informer import Event, ExpiredVersionError, Informer
from .client import GONE, TRANSIENT, NoAnswerError, RefusedError
from .job_status import without_ballast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3 import HTTPResponse

    from .client import Cluster, Object

# How long a watch lasts before it is opened again, and how long the first list may take, in
# seconds. The first bounds how long a connection that has died without a word goes unnoticed.
WATCH_SECONDS, START_SECONDS = 60, 60

# What a watch is asked for, and how long it may take to connect and to say something, in seconds.
WATCH = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": WATCH_SECONDS}
WATCH_TIMEOUT = (10, WATCH_SECONDS + 10)


class Listing:
    """The Jobs or pods of a run, as the engine's informer asks for them."""

    def __init__(self, cluster: Cluster, kind: str, run: str) -> None:
        """Prepares to ask for the `Job`s or `Pod`s with the label of a run."""
        self._cluster, self._kind, self._selector = cluster, kind, f"run_id={run}"
        self._response: HTTPResponse | None = None

    def list(self) -> tuple[dict[str, Object], str]:
        """Returns what is there, by name, and the version from which to watch."""
        answer = self._cluster.request("get", self._kind, labelSelector=self._selector)
        found = {each["metadata"]["name"]: without_ballast(each) for each in answer["items"]}
        return found, answer["metadata"]["resourceVersion"]

    def watch(self, version: str) -> Iterator[Event[Object]]:
        """Yields each change after a version, for a minute."""
        query: Object = {**WATCH, "labelSelector": self._selector, "resourceVersion": version}
        try:
            response = self._cluster.open("get", self._kind, timeout=WATCH_TIMEOUT, **query)
        except RefusedError as error:
            if error.status == GONE:
                raise ExpiredVersionError from error
            raise
        with response:
            self._response = response
            yield from map(read_event, response)

    def interrupt(self) -> None:
        """Ends the watch in progress."""
        with suppress(AttributeError, OSError, RuntimeError, ValueError):  # There is none any more.
            self._response.shutdown()  # type: ignore[union-attr]


def read_event(line: bytes) -> Event[Object]:
    """Reads a line of a watch, which may be an error, or half a line."""
    try:
        event = json.loads(line)
    except ValueError as error:
        raise NoAnswerError(f"The watch has broken off: {error}") from error
    thing = event["object"]
    if event["type"] == "ERROR":
        expired = thing.get("code") == GONE
        raise (ExpiredVersionError if expired else NoAnswerError)(thing.get("message"))
    metadata = thing["metadata"]
    version, name = metadata["resourceVersion"], metadata.get("name", "")
    item = None if event["type"] == "BOOKMARK" else without_ballast(thing)
    return Event(version, name, item, deleted=event["type"] == "DELETED")


class RunWatch:
    """The Jobs of a run, and the newest pod of each."""

    def __init__(self, cluster: Cluster, run: str, changed: Callable[[str | None], None]) -> None:
        """Begins to watch, and waits until all that is there is known.

        What may have changed is told by the name of the Job.
        """
        self.run, self._changed = run, changed
        self.newest_pods: dict[str, Object] = {}
        jobs, pods = (Listing(cluster, kind, run) for kind in ("Job", "Pod"))
        self.jobs = Informer(jobs, lambda name, _: changed(name), TRANSIENT)
        self._pods = Informer(pods, self._note, TRANSIENT)
        try:
            self._pods.start(START_SECONDS)
            self.jobs.start(START_SECONDS)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the watching."""
        self.jobs.close()
        self._pods.close()

    def _note(self, _: str, pod: Object) -> None:
        """Keeps the newest pod of a Job, also when it is gone: it says why its Job failed."""
        if age(pod) >= age(self.newest_pods.get(job_of(pod), pod)):
            self.newest_pods[job_of(pod)] = pod
            self._changed(job_of(pod))


def job_of(pod: Object) -> str:
    """Returns the name of the Job that has made a pod; empty if none has."""
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["name"]) for owner in owners if owner["kind"] == "Job"), "")


def age(thing: Object) -> tuple[str, str]:
    """Returns what sorts objects, the newest last."""
    return thing["metadata"]["creationTimestamp"], thing["metadata"]["name"]
