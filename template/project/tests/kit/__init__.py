# KIT: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""The test kit: the contract that every orchestrator keeps, and what its tests run on."""
