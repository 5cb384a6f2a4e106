"""Conditions of a change, judged on what its author sees there: pure."""

from __future__ import annotations

from typing import NamedTuple

from gateway.catalog.values import Expect
from gateway.errors import NoSuchKey, PreconditionFailed

SECOND = 10**9


class Face(NamedTuple):
    """What conditions look at. `at` is a moment."""

    id: str
    etag: str
    marker: bool
    size: int
    at: int


def judge_write(expect: Expect, face: Face | None) -> None:
    """A delete marker counts as absent. If-Match on nothing is NoSuchKey (AWS: conditional
    writes)."""
    present = face if face and not face.marker else None
    if expect.if_match:
        if present is None:
            raise NoSuchKey
        if not _named(present.etag, expect.if_match):
            raise PreconditionFailed
    if present is not None and _named(present.etag, expect.if_none_match):
        raise PreconditionFailed


def judge_delete(expect: Expect, face: Face | None) -> None:
    """Where there is nothing there is nothing to protect, and the delete succeeds (AWS:
    conditional deletes). A delete marker has a time, but neither content nor an etag."""
    if face is None:
        return
    wants = expect.if_match
    if wants and "*" not in wants and (face.marker or face.etag not in wants):
        raise PreconditionFailed
    if expect.if_size is not None and (face.marker or face.size != expect.if_size):
        raise PreconditionFailed
    if expect.if_modified is not None and face.at // SECOND != expect.if_modified:
        raise PreconditionFailed
    if not face.marker and _named(face.etag, expect.if_none_match):
        raise PreconditionFailed


def _named(etag: str, tags: tuple[str, ...]) -> bool:
    return etag in tags or "*" in tags
