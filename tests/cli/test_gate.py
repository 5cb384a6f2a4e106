"""A build on which the gateway would not be safe is refused, and the message names the mend."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import StartRefused
from gateway.operations.gate import check, this_build


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
