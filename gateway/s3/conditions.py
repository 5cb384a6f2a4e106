"""If-* headers: judged on reads in the order of RFC 9110 (13.2.2), read for writes.

A write's conditions are only parsed here; the catalog judges them inside its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import NotModified, PreconditionFailed
from gateway.model import Version
from gateway.s3.dates import NS_PER_SECOND, parse_http_date

COPY_SOURCE = "x-amz-copy-source-"
_WEAK = "W/"


def etags(header: str) -> tuple[str, ...]:
    """The entity tags of If-Match or If-None-Match without quotes, or ("*",).

    S3 takes bare tags too. A weak tag keeps its `W/`: it never matches strongly.
    """
    found = (tag.strip() for tag in header.split(","))
    return tuple(_unquoted(tag) for tag in found if tag)


def _unquoted(tag: str) -> str:
    weak = _WEAK if tag.startswith(_WEAK) else ""
    text = tag.removeprefix(_WEAK)
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return weak + text


def check_read(headers: Mapping[str, str], version: Version, now: int) -> None:
    """Judge a GET's or HEAD's conditions on what it would answer with; `now` is in seconds.

    Raises PreconditionFailed (412) or NotModified (304, with the version). Unreadable dates, and
    future ones in If-Modified-Since, are ignored.
    """
    modified = version.at // NS_PER_SECOND
    if not _holds(headers, "", version.etag, modified):
        raise PreconditionFailed
    if _is_known(headers, "", version.etag, modified, now):
        raise NotModified(version=version)


def check_copy_source(headers: Mapping[str, str], version: Version, now: int) -> None:
    """Judge `x-amz-copy-source-if-*` on the source: all that fails is a PreconditionFailed."""
    modified = version.at // NS_PER_SECOND
    if not _holds(headers, COPY_SOURCE, version.etag, modified) or _is_known(
        headers, COPY_SOURCE, version.etag, modified, now
    ):
        raise PreconditionFailed


def _holds(headers: Mapping[str, str], prefix: str, etag: str, modified: int) -> bool:
    """If-Match, or where it is absent If-Unmodified-Since."""
    wanted = headers.get(f"{prefix}if-match")
    if wanted is not None:
        tags = etags(wanted)
        return "*" in tags or etag in tags
    since = _date(headers, f"{prefix}if-unmodified-since")
    return since is None or modified <= since


def _is_known(headers: Mapping[str, str], prefix: str, etag: str, modified: int, now: int) -> bool:
    """If-None-Match, or where it is absent If-Modified-Since: the client has this already."""
    unwanted = headers.get(f"{prefix}if-none-match")
    if unwanted is not None:
        tags = [tag.removeprefix(_WEAK) for tag in etags(unwanted)]
        return "*" in tags or etag in tags
    since = _date(headers, f"{prefix}if-modified-since")
    return since is not None and modified <= since <= now


def _date(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    return None if text is None else parse_http_date(text)
