"""One furnished gateway for all tests that only try to get what they may not have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.world import Prey, Watched, furnish


@pytest.fixture(scope="session")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watched, Prey]]:
    with Watched(tmp_path_factory.mktemp("watched")) as running:
        yield running, furnish(running)


@pytest.fixture(scope="session")
def watched(_furnished: tuple[Watched, Prey]) -> Watched:
    return _furnished[0]


@pytest.fixture(scope="session")
def prey(_furnished: tuple[Watched, Prey]) -> Prey:
    return _furnished[1]
