"""The start-up gate: a build on which the gateway would not be safe is refused, with the mend."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
from aiohttp import http_parser

from gateway.errors import StartRefused

PYTHON_MIN = (3, 11)
AIOHTTP_MIN = (3, 14, 3)
OPENSSL_MIN = (3, 0)


@dataclass(frozen=True, slots=True)
class Build:
    """What this process runs on."""

    python: tuple[int, ...]
    aiohttp: tuple[int, ...]
    c_parser: bool
    asserts: bool
    openssl: tuple[int, ...]


def this_build() -> Build:
    return Build(
        python=sys.version_info[:3],
        aiohttp=tuple(int(part) for part in aiohttp.__version__.split(".")[:3] if part.isdigit()),
        c_parser=http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy,
        asserts=__debug__,
        openssl=ssl.OPENSSL_VERSION_INFO[:2],
    )


def check(build: Build) -> None:
    """Raises StartRefused with every mend that is needed."""
    found = list(_mends(build))
    if found:
        raise StartRefused("; ".join(found))


def _mends(build: Build) -> Iterator[str]:
    if build.python < PYTHON_MIN:
        yield f"needs Python {_dotted(PYTHON_MIN)} or newer, not {_dotted(build.python)}"
    if build.aiohttp < AIOHTTP_MIN:
        yield f"needs aiohttp {_dotted(AIOHTTP_MIN)} or newer, not {_dotted(build.aiohttp)}"
    if not build.c_parser:
        # The parser in Python is lenient in places where the C one is not, and ten times slower.
        yield "aiohttp has no C parser here: unset AIOHTTP_NO_EXTENSIONS, or install its wheel"
    if not build.asserts:
        # aiohttp's asserts have been its guards before (CVE-2025-69227).
        yield "assertions are off: run Python without -O and unset PYTHONOPTIMIZE"
    if build.openssl < OPENSSL_MIN:
        yield f"needs OpenSSL {_dotted(OPENSSL_MIN)} or newer, not {_dotted(build.openssl)}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
