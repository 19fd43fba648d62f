# YOURS: a program for the tests of what only your platform does.
"""A client of its own: runs two pipelines, one after the other, until it is killed.

Arguments: a folder for marks, and the names of the pipelines.
"""

import signal
import sys
from pathlib import Path

import platform_pipelines
from kit.pipelines import note

# A shell that runs the tests in the background lets them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

marks, *names = sys.argv[1:]
for name in names:
    folder = Path(marks, name)
    folder.mkdir()
    try:
        platform_pipelines.stopped_as(name)(str(folder))
    except KeyboardInterrupt as interrupt:
        note(Path(folder, "interrupt"), str(interrupt))
