# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Text from elsewhere: what logs, platforms and exceptions say may have any length."""

from __future__ import annotations

# The longest text from elsewhere that goes into ZenML or an error, in bytes: twenty lines.
LONGEST = 4000

# The longest error of a run of whose steps many have failed.
LONGEST_ERROR = 16 * LONGEST

# How many bytes the note takes that something was left out.
NOTE = 40


def shorten(text: str, longest: int = LONGEST) -> str:
    """Leaves out the middle of a text that is too long, and says how much that is.

    Its beginning and its end are kept: a traceback tells most at its end, a message at its
    beginning.

    Args:
        text: The text.
        longest: How many bytes it may have, in UTF-8.
    """
    encoded = text.encode(errors="replace")
    if len(encoded) <= longest:
        return encoded.decode()
    half = (longest - NOTE) // 2
    note = f" [{len(encoded) - 2 * half} bytes left out] "
    return encoded[:half].decode(errors="ignore") + note + encoded[-half:].decode(errors="ignore")
