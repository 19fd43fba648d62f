# YOURS: how the engine's jobs become Kubernetes' Jobs
"""Kubernetes, as the engine sees it: `KubernetesPlatform`."""

from .jobs import KubernetesPlatform

__all__ = ["KubernetesPlatform"]
