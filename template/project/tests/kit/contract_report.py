# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The contract report: each promise in a sentence, and whether it is kept.

A promise is a test of the contract, or a scenario. Its sentence is the first line of the test's
docstring, or its name.
"""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

from .contract import CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pytest

# What may become of a promise, the worst first: of tests with several parameters it counts.
BROKEN = "not kept"
SKIPPED = "skipped"
OPEN = "not run"
UNAVAILABLE = "cannot be shown on this platform"
UNSEEN = "cannot be seen live"
DECLINED = "not offered"
KEPT = "kept"
# Of what is refused, though it is offered: there is nothing to keep, so no report has it.
IRRELEVANT = "irrelevant"
STATES = (BROKEN, SKIPPED, OPEN, UNAVAILABLE, UNSEEN, DECLINED, KEPT)

# Words that a test's name cannot spell.
SPELLINGS = {"id": "ID", "mysql": "MySQL", "zenml": "ZenML"}

PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2rem 0 .3rem; font-size: 1.1rem; }
li { display: flex; gap: .8rem; padding: .25rem 0; border-top: 1px solid #8884; }
ul { list-style: none; margin: 0; padding: 0; break-inside: avoid; }
b { flex: 0 0 8rem; font-weight: 600; color: light-dark(#666, #aaa); }
.kept b { color: light-dark(#176b2c, #6fd08c); }
.broken b { color: light-dark(#b00020, #ff8a80); }
code { display: block; font-size: .75rem; opacity: .7; overflow-wrap: anywhere; }
@media (max-width: 30rem) { li { flex-direction: column; gap: 0; } b { flex: none; } }
@media print { body { margin: 0; max-width: none; } }
</style>
<h1>$title</h1>
<p>$summary</p>
$topics
</html>
""")


@dataclass
class Promise:
    """A promise of the contract.

    Attributes:
        topic: The contract's class, in a sentence.
        sentence: What is promised.
        test: The node ID of the test that shows it.
        state: One of `STATES`.
        why: Why it cannot be seen live, if it cannot.
    """

    topic: str
    sentence: str
    test: str
    state: str = KEPT
    why: str = ""


class ContractReport:
    """What became of each promise in a test run."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        """Takes the tests that were collected; none has run yet."""
        self._states = {item: OPEN for item in items if topic_of(item)}

    def note(self, item: pytest.Item, state: str) -> None:
        """Notes what became of a test; what is worse stays."""
        if state == IRRELEVANT:
            self._states.pop(item, None)
        before = self._states.get(item)
        if before is not None and (before == OPEN or STATES.index(state) < STATES.index(before)):
            self._states[item] = state

    def promises(self) -> list[Promise]:
        """Returns all promises, in the order of the tests."""
        found: dict[str, Promise] = {}
        for item, state in self._states.items():
            sentence, test = sentence_of(item)
            promise = found.setdefault(test, Promise(topic_of(item), sentence, test))
            promise.state = min(promise.state, state, key=STATES.index)
            mark = item.get_closest_marker("not_live")
            if mark is not None and state == UNSEEN:
                promise.why = mark.args[0]
        return [*found.values()]

    def summary(self) -> str:
        """Says in a line how many promises are kept, and what became of the others."""
        counts = Counter(promise.state for promise in self.promises())
        said = [f"{counts[state]} {state}" for state in reversed(STATES) if counts[state]]
        return ", ".join(said) or "none of its tests was chosen"

    def broken(self) -> Iterator[Promise]:
        """Returns the promises that are not kept."""
        return (promise for promise in self.promises() if promise.state == BROKEN)

    def write(self, path: Path, project: str) -> None:
        """Writes a page that needs nothing else."""
        topics: dict[str, list[str]] = {}
        for promise in self.promises():
            kind = {KEPT: "kept", BROKEN: "broken"}.get(promise.state, "open")
            topics.setdefault(promise.topic, []).append(
                f'<li class="{kind}"><b>{promise.state}</b><span>{html.escape(promise.sentence)}'
                f"{html.escape(f' Not seen live, as {promise.why}.' if promise.why else '')}"
                f"<code>{html.escape(promise.test)}</code></span></li>"
            )
        written = "\n".join(
            f"<h2>{html.escape(topic)}</h2>\n<ul>\n{chr(10).join(rows)}\n</ul>"
            for topic, rows in topics.items()
        )
        title = html.escape(f"The contract of {project}")
        path.parent.mkdir(parents=True, exist_ok=True)
        page = PAGE.substitute(title=title, summary=html.escape(self.summary()), topics=written)
        path.write_text(page, encoding="utf-8")


def topic_of(item: pytest.Item) -> str:
    """Returns what a test of the contract is about; nothing for other tests."""
    found = getattr(item, "cls", None)
    if found is None:
        return ""
    return next((first_line(each) for each in CONTRACTS if issubclass(found, each)), "")


def sentence_of(item: pytest.Item) -> tuple[str, str]:
    """Returns what a test promises, in a sentence, and the node ID of what shows it."""
    name, _, parameters = item.name.partition("[")
    if item.get_closest_marker("scenario"):
        return in_words(parameters.removesuffix("]")), item.nodeid
    function = getattr(item, "function", None)
    said = first_line(function) if function is not None else ""
    return said or in_words(name.removeprefix("test_")), item.nodeid.partition("[")[0]


def first_line(documented: object) -> str:
    """Returns the first line of a docstring; nothing if there is none."""
    return (documented.__doc__ or "").partition("\n")[0]


def in_words(name: str) -> str:
    """Makes a sentence of a name."""
    words = [SPELLINGS.get(word, word) for word in name.split("_")]
    text = " ".join(words).replace(" s ", "'s ")
    return f"{text[:1].upper()}{text[1:]}."
