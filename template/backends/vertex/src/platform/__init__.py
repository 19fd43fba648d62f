# YOURS: how pipelines and jobs run on Vertex AI
"""Vertex AI, as the engine sees it: `service.VertexService`."""
