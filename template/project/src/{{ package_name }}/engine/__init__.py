# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The engine: everything about an orchestrator that is the same on all platforms.

A platform is what implements the protocols in `protocols.py`. This package imports nothing of the
project that it is in.
"""
