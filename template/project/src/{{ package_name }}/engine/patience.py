# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a process of a run does while its ZenML server is away: the run is late, and nothing else.

ZenML's own client (`RestZenStore.session`) gives up after 31 s if connections are refused, and
after eight minutes if a server does not answer, or says that it is busy. A step that has ended
meanwhile would be lost. And a server that was killed over a request is busy with it for ever.
"""

from __future__ import annotations

import functools
from math import inf
from typing import TYPE_CHECKING, Any, cast

from zenml.client import Client

from .clock import LONGEST_PAUSE, call_with_retries
from .run_store import TRANSIENT, asking_zenml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zenml.zen_stores.rest_zen_store import RestZenStore

# How often a request is sent again under its key, by which a server that has got it knows not to
# carry it out twice: without an answer, after half a minute each time, and to a busy server for
# half a minute in all. After that it fails, or becomes another request.
READS = 60
BUSY = 6


def wait_for_zenml(first_answer_seconds: float = inf) -> None:
    """Lets every request of this process wait for the server, for as long as the process lives.

    Args:
        first_answer_seconds: How long to wait until the server has answered for the first time.
            Before, it may be one that can never be reached.
    """
    from zenml.zen_stores.rest_zen_store import RestZenStore

    ask = asking_zenml()(RestZenStore._request)  # noqa: SLF001

    @functools.wraps(ask)
    def ask_until_answered(store: RestZenStore, *arguments: Any, **options: Any) -> Any:
        nonlocal first_answer_seconds
        set_tries(store, read=READS, status=BUSY)
        answer = call_with_retries(
            lambda: ask(store, *arguments, **options), TRANSIENT, seconds=first_answer_seconds
        )
        first_answer_seconds = inf
        return answer

    RestZenStore._request = cast("Any", ask_until_answered)  # type: ignore[method-assign]  # noqa: SLF001


def give_up_busy_requests() -> None:
    """Lets the requests of a client fail sooner if the server is busy; the engine repeats them."""
    from zenml.zen_stores.rest_zen_store import RestZenStore

    store = Client().zen_store
    if isinstance(store, RestZenStore):
        set_tries(store, status=BUSY)


def set_tries(store: RestZenStore, **tries: int) -> None:
    """Sets how often ZenML's client sends a request again, as urllib3's `Retry` counts it."""
    adapters: Iterable[Any] = store.session.adapters.values()
    for adapter in adapters:
        adapter.max_retries = adapter.max_retries.new(total=None, **tries)
        adapter.max_retries.backoff_max = LONGEST_PAUSE
