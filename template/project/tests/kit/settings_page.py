# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The page of settings, docs/settings.md: `python tests/kit/settings_page.py` writes it anew.

It is made from the config class that `tests/harness.py` names, and the texts in it. A test of the
contract fails if the page is not current.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

# The kit's modules are not to be found under their bare names.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from pydantic import BaseModel
from zenml.config.base_settings import BaseSettings
from zenml.orchestrators import BaseOrchestratorConfig
from zenml.stack import StackComponentConfig

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PATH = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
COMMAND = "python tests/kit/settings_page.py"

HEAD = f"<!-- Made from config.py by `{COMMAND}`: edit that, and run this. -->"
INTRODUCTION = """\
# Settings

On the component they are options of `zenml orchestrator register` and `zenml orchestrator update`,
`--name=value`. For a pipeline or a step they are `settings={"orchestrator": {"name": value}}`, and
win over the component's.
"""
COLUMNS = "| name | type | default | what it does |\n| --- | --- | --- | --- |"

# Attributes of pydantic's limits.
LIMITS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def page(config: type[BaseOrchestratorConfig]) -> str:
    """Writes the page.

    Args:
        config: The config class. One of its bases is the class of the settings.
    """
    settings = next(
        each
        for each in config.__mro__
        if issubclass(each, BaseSettings) and not issubclass(each, StackComponentConfig)
    )
    per_step = rows(settings, BaseSettings)
    # What the config declares anew, it lists anew.
    others = [row for row in rows(config, BaseOrchestratorConfig) if row not in per_step]
    parts = [
        HEAD,
        INTRODUCTION,
        section("Of the component, a pipeline or a step", settings, per_step),
        section("Of the component only", config, others),
    ]
    parts += [
        section(f"`{each.__name__}`", each, rows(each, BaseSettings))
        for each in parts_of(config, config.__module__.partition(".")[0])
    ]
    return "\n".join(part for part in parts if part)


def section(title: str, model: type[BaseModel], found: list[str]) -> str:
    """Writes a heading, what a class says of itself, and a table; nothing without rows."""
    if not found:
        return ""
    return "\n".join([f"## {title}\n\n{inspect.getdoc(model)}\n\n{COLUMNS}", *found, ""])


def rows(model: type[BaseModel], base: type[BaseModel]) -> list[str]:
    """Writes a row for each field that a class has beside those of its base."""
    return [
        row(name, field)
        for name, field in model.model_fields.items()
        if name not in base.model_fields
    ]


def row(name: str, field: FieldInfo) -> str:
    """Writes the row of a field."""
    default = "required"
    if not field.is_required():
        value = field.get_default(call_default_factory=True)
        default = "" if value is None else f"`{value!r}`"
    kind = type_in_words(field.annotation, *field.metadata)
    cells = (f"`{name}`", kind, default, markdown(field.description or ""))
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |".replace("|  |", "| |")


def markdown(text: str) -> str:
    """Writes a text in one line, with no `<` that would be read as markup: in code it is not."""
    prose_and_code = " ".join(text.split()).split("`")
    return "`".join(
        part if number % 2 else part.replace("<", r"\<")
        for number, part in enumerate(prose_and_code)
    )


def type_in_words(annotation: Any, *metadata: Any) -> str:
    """Writes a type, the same in each version of Python, with the limits that are set."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return type_in_words(arguments[0], *arguments[1:], *metadata)
    if get_origin(annotation) in (Union, UnionType):
        kinds = [each for each in arguments if each is not type(None)]
        return " or ".join(type_in_words(each, *metadata) for each in kinds)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{each!r}`" for each in arguments)
    limits = [
        f" {sign} {getattr(each, name)}"
        for each in metadata
        for name, sign in LIMITS.items()
        if getattr(each, name, None) is not None
    ]
    return f"`{name_of(annotation)}`{','.join(limits)}"


def name_of(annotation: Any) -> str:
    """Returns the name of a type, without the modules that it and its parameters are from."""
    if annotation is Ellipsis:
        return "..."
    if get_origin(annotation) is Annotated:
        return name_of(get_args(annotation)[0])
    name = getattr(get_origin(annotation) or annotation, "__name__", str(annotation))
    inner = ", ".join(name_of(each) for each in get_args(annotation))
    return f"{name}[{inner}]" if inner else name


def parts_of(model: type[BaseModel], package: str) -> list[type[BaseModel]]:
    """Lists the classes of a package that are in the types of a class's fields, each once."""
    found: list[type[BaseModel]] = []
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        each = waiting.pop(0)
        waiting.extend(get_args(each))
        is_model = inspect.isclass(each) and issubclass(each, BaseModel) and each not in found
        if is_model and each.__module__.partition(".")[0] == package:
            found.append(each)
    return found


def main() -> None:
    """Writes the page of this project, and says where."""
    from kit.harness import current

    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(page(current().config), encoding="utf-8", newline="\n")
    sys.stdout.write(f"{PATH}\n")


if __name__ == "__main__":
    main()
