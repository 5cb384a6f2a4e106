"""The counterparts of the contract tests, each started once by whoever asks first, then shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest

from tests.counterparts import servers

T = TypeVar("T")


def served(server: AbstractContextManager[T]) -> Iterator[T]:
    try:
        with server as endpoint:
            yield endpoint
    except servers.Absent as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    yield from served(servers.moto())


@pytest.fixture(scope="session")
def versitygw() -> Iterator[str]:
    yield from served(servers.versitygw())


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    yield from served(servers.azurite())


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[str]:
    yield from served(servers.fake_gcs())
