"""The start-up gate: a build on which the gateway would not be safe is refused, with the mend; and
what the system lets it have."""

from __future__ import annotations

import logging
import resource
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

OWN_FILES = 256
"""Open files that no connection accounts for: catalog, folders, stores, the courier's."""
FILES_OF_A_CONNECTION = 2
"""Its socket, and the file that it reads or writes."""

log = logging.getLogger(__name__)


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


def connections(wanted: int) -> int:
    """Raises the limit on open files as far as this process may, and returns the connections that
    fit in it: beyond it no file could be opened either, for anybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return wanted
    fit = max(1, (hard - OWN_FILES) // FILES_OF_A_CONNECTION)
    if fit < wanted:
        log.warning("the limit on open files allows fewer connections", extra={"connections": fit})
    return min(fit, wanted)
