"""What the demo looks like: calm lines, in colour and alive only on a terminal."""

import itertools
import os
import shutil
import sys
import time

# Consoles of older Windows print the codes instead of obeying them.
LIVE = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and os.name != "nt"
COLOURS = (LIVE or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")
BOLD, DIM, RED, GREEN, BLUE = "1", "2", "31", "32", "34"
ERASE = "\r\x1b[K"
CHART_WIDTH = 44


def paint(text: str, colour: str) -> str:
    """Colours a text, where colours are wanted."""
    return f"\x1b[{colour}m{text}\x1b[0m" if COLOURS else text


def heading(text: str) -> None:
    """Begins a chapter."""
    print(f"\n{paint(text, BOLD)}\n")


def clip(text: str, taken: int) -> str:
    """Shortens a text to what a line has room for. A log's lines have room for all."""
    room = shutil.get_terminal_size().columns - taken - 1
    return text if not LIVE or len(text) <= room else text[: max(0, room - 1)] + "…"


class Progress:
    """A line that says what is going on, and for how long."""

    def __init__(self, title: str) -> None:
        """Begins."""
        self._title = title
        self._began = time.monotonic()
        self._ended = False
        self._spinner = itertools.cycle("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
        self.tick()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def tick(self) -> None:
        """Shows that it still goes on."""
        if LIVE and not self._ended:
            line = clip(f"{next(self._spinner)} {self._title:<36}{self.seconds:6.1f} s", 2)
            print(f"{ERASE}  {line}", end="", flush=True)

    def say(self, who: str, what: str) -> None:
        """Shows, above the line, what somebody says."""
        erase = ERASE if LIVE else ""
        print(f"{erase}  {self.seconds:6.1f} s  {paint(f'{who:<12}', BLUE)} {clip(what, 24)}")
        self.tick()

    def end(self, done: bool, remark: str = "") -> None:
        """Ends the line, with a remark beside it."""
        self._ended = True
        erase = ERASE if LIVE else ""
        line = f"{self._title:<36}{self.seconds:6.1f} s   {paint(clip(remark, 51), DIM)}"
        print(f"{erase}  {mark(done)} {line}".rstrip())


def mark(good: bool) -> str:
    """Draws a check mark or a cross."""
    return paint("✓", GREEN) if good else paint("✗", RED)


def table(rows: list[dict[str, str]]) -> None:
    """Prints rows under the names of their columns, as wide as they need to be."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}

    def line(cells: dict[str, str]) -> str:
        padded = (cells[name].ljust(width) for name, width in widths.items())
        return "  " + "  ".join(padded).rstrip()

    print(paint(line({name: name for name in widths}), DIM))
    for row in rows:
        print(line(row))
    print()


def chart(spans: dict[str, tuple[float, float]]) -> None:
    """Draws when each of some things began and ended, one below the other."""
    start = min(began for began, _ in spans.values())
    length = max(ended for _, ended in spans.values()) - start
    scale = CHART_WIDTH / max(length, 0.001)
    margin = max(len(name) for name in spans)
    for name, (began, ended) in spans.items():
        before = round((began - start) * scale)
        bar = "█" * max(1, round((ended - start) * scale) - before)
        print(f"  {name:<{margin}}  {' ' * before}{paint(bar, BLUE)}")
    end = f"{length:.1f} s"
    print(paint(f"  {'':<{margin}}  0 s{end:>{CHART_WIDTH - 3}}", DIM))
