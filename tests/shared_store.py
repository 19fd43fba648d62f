"""An artifact store for the tests: a folder that all processes of this machine share."""

from __future__ import annotations

from zenml.artifact_stores.local_artifact_store import (
    LocalArtifactStore,
    LocalArtifactStoreConfig,
    LocalArtifactStoreFlavor,
)


class Config(LocalArtifactStoreConfig):
    """A folder that all processes share. The orchestrator refuses one that calls itself local."""

    @property
    def is_local(self) -> bool:
        """Says that it is not."""
        return False


class Store(LocalArtifactStore):
    """The store. The orchestrator refuses one that says where on this machine it is."""

    @property
    def local_path(self) -> None:
        """Says nothing."""


class Flavor(LocalArtifactStoreFlavor):
    """The flavor of it."""

    @property
    def name(self) -> str:
        """Its name."""
        return "shared"

    @property
    def config_class(self) -> type[Config]:
        """How it is configured."""
        return Config

    @property
    def implementation_class(self) -> type[Store]:
        """What it is."""
        return Store
