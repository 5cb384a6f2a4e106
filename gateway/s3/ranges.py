"""Which bytes a read asks for: Range, x-amz-copy-source-range, partNumber (RFC 9110, 14)."""

from __future__ import annotations

import re

from gateway.errors import InvalidRange
from gateway.model import PART_NUMBER_MAX
from gateway.s3.errors import S3Error

# 30 digits are more than any size; longer numbers are malformed, and cost no time to read. Nor do
# blanks without end, which two open `\s*` beside each other would share in every way there is.
_RANGE = re.compile(r"bytes=\s{0,9}([0-9]{0,30})\s{0,9}-\s{0,9}([0-9]{0,30})\s{0,9}", re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,30})-([0-9]{1,30})")
_NUMBER = re.compile(r"[0-9]{1,10}")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) byte of a Range header for an object of `size` bytes, both inclusive.

    None: the header is malformed, of another unit or asks for several ranges; S3 then ignores it
    and sends everything. Raises InvalidRange (416) where no byte of the object is in the range.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return _suffix(header, int(last), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise InvalidRange(range=header, size=size)
    return int(first), min(int(last), size - 1) if last else size - 1


def _suffix(header: str, count: int, size: int) -> tuple[int, int]:
    if not count or not size:
        raise InvalidRange(range=header, size=size)
    return max(size - count, 0), size - 1


def content_range(first: int, last: int, size: int) -> str:
    """The Content-Range of a 206."""
    return f"bytes {first}-{last}/{size}"


def parse_copy_range(header: str, size: int) -> tuple[int, int]:
    """(first, last) of x-amz-copy-source-range, which must lie inside the source: InvalidArgument
    where malformed, InvalidRange where outside."""
    match = _COPY_RANGE.fullmatch(header)
    if match is None or int(match[1]) > int(match[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last.",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    if int(match[2]) >= size:
        raise InvalidRange(range=header, size=size)
    return int(match[1]), int(match[2])


def parse_part_number(text: str) -> int:
    """A part number from 1 to 10,000, or InvalidArgument."""
    if _NUMBER.fullmatch(text) is None or not 1 <= int(text) <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text,
        )
    return int(text)


def parse_count(name: str, text: str, most: int) -> int:
    """max-keys, max-parts, max-uploads: a number, cut to the most of one page, or
    InvalidArgument."""
    if _NUMBER.fullmatch(text) is None:
        message = f"{name} must be an integer from 0 to 2147483647."
        raise S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=text)
    return min(int(text), most)
