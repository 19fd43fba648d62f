# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Names and labels within a platform's rules, whatever pipelines and steps are called."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Enough of a hash that names of one account do not meet by chance.
HASH_LENGTH = 12


def slugify(text: str) -> str:
    """Turns a text into lower-case letters, digits and dashes; empty if nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", to_ascii(text).lower()).strip("-")


def to_ascii(text: str) -> str:
    """Takes the accents off letters, and drops what has no letter in ASCII."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def unique_name(*parts: str, unique: str, max_length: int) -> str:
    """Makes the name of a job: what a person recognises, and a hash that tells it from all others.

    Args:
        parts: What a person should recognise in it. Each is made to fit.
        unique: What tells the job from all others, such as its key. The same text makes the same
            name, so that a request that is repeated does not make a second job.
        max_length: How long the platform lets it be, in characters.

    Returns:
        Lower-case letters, digits and dashes; it begins with a letter.
    """
    suffix = hashlib.sha256(unique.encode()).hexdigest()[:HASH_LENGTH]
    words = "-".join(word for word in map(slugify, parts) if word)
    if not words[:1].isalpha():
        words = f"x{words}"
    return f"{words[: max_length - HASH_LENGTH - 1].strip('-')}-{suffix}"


def label_value(text: str, max_length: int) -> str:
    """Makes a label's value: what is left of a text within the rules, for people to search by.

    Returns:
        Letters, digits, `-`, `_` and `.`; it begins and ends with a letter or a digit.
    """
    value = re.sub(r"[^A-Za-z0-9_.-]+", "-", to_ascii(text))
    return value.strip("-_.")[:max_length].rstrip("-_.")
