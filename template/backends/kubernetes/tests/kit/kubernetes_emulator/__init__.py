# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""An emulator of a Kubernetes cluster: an API server for the official client, and a node.

`cluster.py` starts the API server with the controllers of Jobs; `node.py` runs the containers of
pods as processes of this machine. Neither knows of ZenML.
"""

from .cluster import Call, Cluster, Faults
from .node import Node

__all__ = ["Call", "Cluster", "Faults", "Node"]
