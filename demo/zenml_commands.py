"""Runs commands of ZenML's command line, which takes seconds to start, in one process.

Its arguments are the commands, as one would type them. A mark follows the output of each.
"""

import shlex
import sys

from zenml.cli.cli import cli

for command in sys.argv[1:]:
    cli.main(shlex.split(command)[1:], prog_name="zenml", standalone_mode=False)
    # On a line of its own: with colours, an output ends without one.
    print("\n\x1e", flush=True)
