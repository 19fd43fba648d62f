# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""What a stack has to be like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenml.enums import StackComponentType
from zenml.stack import StackValidator

if TYPE_CHECKING:
    from collections.abc import Callable

    from zenml.stack import Stack


def stack_validator(
    name: str, problem_of: Callable[[Stack], str | None], *, images: bool
) -> StackValidator:
    """Makes the check of a stack.

    Args:
        name: The orchestrator's name.
        problem_of: Says what is wrong with a stack, and the remedy; None if nothing is.
        images: Whether the steps run in images that ZenML builds.
    """

    def validate(stack: Stack) -> tuple[bool, str]:
        problem = problem_of(stack)
        return (False, f"Orchestrator `{name}`: {problem}") if problem else (True, "")

    needed = {StackComponentType.CONTAINER_REGISTRY, StackComponentType.IMAGE_BUILDER}
    return StackValidator(
        required_components=needed if images else None, custom_validation_function=validate
    )


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
