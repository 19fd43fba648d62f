# YOURS: what Google's own messages know of the API
"""Google's own messages, where what a user adds has to be looked at. They are slow to import."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .google_cloud import Object


def to_snake_case(kind: str, fields: Object) -> Object:
    """Writes JSON of the API with the names that Google's clients have: `display_name`.

    Args:
        kind: What it is, such as `CustomJob`.
        fields: The JSON.

    Raises:
        ValueError: If there is no such field, or it has no such value.
    """
    from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

    wanted: Any = getattr(import_module("google.cloud.aiplatform_v1.types"), kind)
    try:
        message = ParseDict(fields, wanted.pb()())
    except ParseError as error:
        raise ValueError(f"Vertex AI would not take this {kind}: {error}") from None
    found: Object = MessageToDict(message, preserving_proto_field_name=True)
    return found
