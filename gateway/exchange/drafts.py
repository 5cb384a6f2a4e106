"""What a client may say of a version: the limits on metadata and tags."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import InvalidTag, MetadataTooLarge
from gateway.exchange.terms import Draft
from gateway.model import METADATA_BYTES_MAX, TAGS_MAX

TAG_KEY_CHARS_MAX = 128
TAG_VALUE_CHARS_MAX = 256


def check_draft(draft: Draft) -> None:
    """Raises MetadataTooLarge beyond 2,048 bytes of names and values, InvalidTag as below."""
    size = sum(_bytes(name) + _bytes(value) for name, value in draft.metadata.items())
    if size > METADATA_BYTES_MAX:
        raise MetadataTooLarge(size=size, limit=METADATA_BYTES_MAX)
    check_tags(draft.tags)


def check_tags(tags: Mapping[str, str]) -> None:
    """At most 10 tags, keys of 1 to 128 and values of up to 256 characters (AWS: Object tags)."""
    if len(tags) > TAGS_MAX:
        raise InvalidTag("Object tags cannot be greater than 10", count=len(tags))
    for key, value in tags.items():
        if not key or len(key) > TAG_KEY_CHARS_MAX:
            raise InvalidTag("The TagKey you have provided is invalid", key=key)
        if len(value) > TAG_VALUE_CHARS_MAX:
            raise InvalidTag("The TagValue you have provided is invalid", key=key)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
