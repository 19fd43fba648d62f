# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a stack has to be like for jobs that run elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenml.enums import StackComponentType

if TYPE_CHECKING:
    from zenml.stack import Stack


def local_component(stack: Stack, who: str, remedy: str) -> str | None:
    """Says which component of a stack is on this machine alone, if there is one.

    Args:
        stack: The stack.
        who: Who cannot reach it.
        remedy: What to do if they can.
    """
    for component in stack.all_components:
        registry = component.type is StackComponentType.CONTAINER_REGISTRY
        if component.local_path is not None or (registry and component.config.is_local):
            return (
                f"{who} cannot reach the {component.type.value} `{component.name}`, which is local "
                f"(flavor `{component.flavor}`). Use a remote one, or {remedy} if you know that "
                "they can."
            )
    return None
