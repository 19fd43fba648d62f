# YOURS: fixtures of your own tests.
"""Brings the fixtures of the contract."""

import pytest

pytest.register_assert_rewrite("kit")

from kit.plugin import *  # noqa: E402, F403
