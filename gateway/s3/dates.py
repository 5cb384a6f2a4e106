"""The three spellings of time on S3's wire, to and from seconds since 1970 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

NS_PER_SECOND = 10**9
SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""

_AMZ_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")


def http_date(seconds: int) -> str:
    """RFC 9110 IMF-fixdate, as in Last-Modified: `Fri, 24 May 2013 00:00:00 GMT`."""
    return formatdate(seconds, usegmt=True)


def iso_date(seconds: int) -> str:
    """ISO 8601 as in S3's XML: `2013-05-24T00:00:00.000Z`.

    The milliseconds are always 0, so that a listing and Last-Modified name the same second.
    """
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.000Z"


def amz_date(seconds: int) -> str:
    """SigV4's basic form: `20130524T000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_amz_date(text: str) -> int | None:
    """Seconds, or None if the text is no date of the form `20130524T000000Z`."""
    if _AMZ_DATE.fullmatch(text) is None:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


def parse_iso_date(text: str) -> int | None:
    """Whole seconds, or None if the text is no ISO 8601 date; one without a zone is UTC."""
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError:
        return None


def parse_http_date(text: str) -> int | None:
    """Seconds, or None if the text is none of RFC 9110's three date forms."""
    try:
        return _seconds(parsedate_to_datetime(text))
    except (ValueError, IndexError, OverflowError):
        return None


def _seconds(moment: datetime) -> int | None:
    """None outside 1970 to 9999, which an offset can leave and no spelling comes back from."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = int(moment.timestamp())
    return seconds if 0 <= seconds <= SECONDS_MAX else None
