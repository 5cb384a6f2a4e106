"""A site: gateway.yaml and a policies folder, with every store in a folder beside them."""

from pathlib import Path

import pytest

from tests.cli.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.make()
    return made
