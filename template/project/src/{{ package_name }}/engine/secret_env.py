# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Which environment variables are secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Variables that begin like this say how to reach ZenML and its secrets, with the token.
SECRET_PREFIXES = ("ZENML_STORE_", "ZENML_SECRETS_STORE_", "ZENML_BACKUP_SECRETS_STORE_")


def split_secrets(environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Splits an environment into the variables that anybody may read, and the secret ones."""
    secret = {n: value for n, value in environment.items() if n.startswith(SECRET_PREFIXES)}
    return {n: value for n, value in environment.items() if n not in secret}, secret
