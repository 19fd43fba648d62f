# ENGINE: the template's file, the same in every project. Do not edit; see AGENTS.md.
"""Jobs as processes of this machine: started quickly, kept within its resources, ended for sure."""
