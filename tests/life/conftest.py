"""What is no test of the template: the toys' own are run where they are copied to."""

from __future__ import annotations

collect_ignore_glob = ["toy*"]
