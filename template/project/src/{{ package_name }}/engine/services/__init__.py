# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Platforms that walk the DAG of a static pipeline themselves (`services/protocols.py`)."""
