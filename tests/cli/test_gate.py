"""A build on which the gateway would not be safe is refused, and the message names the mend."""

import resource
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import StartRefused
from gateway.operations.gate import check, connections, this_build


def test_this_build_is_good_enough() -> None:
    check(this_build())


@pytest.mark.parametrize(
    ("changed", "mend"),
    [
        ({"python": (3, 10, 9)}, r"Python 3\.11 or newer, not 3\.10\.9"),
        ({"aiohttp": (3, 14, 2)}, r"aiohttp 3\.14\.3 or newer"),
        ({"c_parser": False}, "AIOHTTP_NO_EXTENSIONS"),
        ({"asserts": False}, "without -O"),
        ({"openssl": (1, 1)}, r"OpenSSL 3\.0"),
    ],
)
def test_an_unsafe_build_is_refused_with_the_mend(changed: dict[str, Any], mend: str) -> None:
    with pytest.raises(StartRefused, match=mend):
        check(replace(this_build(), **changed))


@pytest.fixture
def _files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_files")
def test_connections_fit_in_the_open_files_that_the_system_allows() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system sets no limit")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    assert connections(10) == 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard), "raised as far as it may be"
    assert connections(1 << 40) < hard / 2
