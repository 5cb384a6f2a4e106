"""A pytest plugin for the suite's own process: every test gets bucket names of its own.

The suite clears away, before and after each test, whatever bears its prefix; one clean-up that
fails would otherwise fail every test that follows.
"""

from __future__ import annotations

import secrets
import sys

import pytest

PACKAGE = "s3tests.functional"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    package = sys.modules.get(PACKAGE)
    if getattr(package, "prefix", None) is not None:
        package.prefix = f"test-{secrets.token_hex(6)}-"  # type: ignore[union-attr]
