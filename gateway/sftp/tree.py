"""Paths and what they lead to: a party's buckets as one tree of folders.

A path is a bucket's name and a key, or begins with a folder that the party's file maps. A key that
no path can be is shown with percent signs, reversibly: `%2F` alone is a segment without a name (as
in `a//b`), and at the end of a name the folder beside a file of that name; `%2E` and `%2E%2E` alone
are segments of dots; control characters are `%00` to `%1F` and `%7F`. `%25` stands for a percent
sign that would else read as one of these; all others stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.errors import BadInput, KeyTooLong
from gateway.model import KEY_BYTES_MAX

PATH_BYTES_MAX = 4 * KEY_BYTES_MAX
"""Longer than any key is when it is shown with percent signs, as keys go."""

NAMELESS = "%2F"
_DOTS = MappingProxyType({".": "%2E", "..": "%2E%2E"})
_UNDOTTED = MappingProxyType({shown: dots for dots, shown in _DOTS.items()})
_CONTROL = "0[0-9A-F]|1[0-9A-F]|7F"
_READS = rf"(?=(?:25)*(?:{_CONTROL}|2F\Z))"
_DOTS_READ = r"(?=(?:25)*2E(?:%2E)?\Z)"
"""What makes a percent sign before it read as an escape, if it is one or would become one."""
_ESCAPE = re.compile(rf"%({_CONTROL})|%25{_READS}|\A%25{_DOTS_READ}")
_ESCAPED = re.compile(rf"[\x00-\x1f\x7f]|%{_READS}|\A%{_DOTS_READ}")


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a path leads. `key` is what it names as a file, `prefix` what lies below it as a
    folder; either is None where it can't be one. Above all buckets there is no `bucket`."""

    path: str
    bucket: str = ""
    key: str | None = None
    prefix: str | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Tree:
    """`folders` maps paths to "bucket/prefix/"; without any, each bucket is a folder."""

    folders: Mapping[str, str]

    def spot(self, path: str) -> Spot | None:
        """Where a path (see `normal`) leads; None where there can be nothing. Raises BadInput for a
        name that no key is shown as, KeyTooLong."""
        if not self.folders:
            bucket, _, rest = path[1:].partition("/")
            return _inside(path, bucket, "", rest) if bucket else Spot(path)
        over = [each for each in self.folders if _within(path, each)]
        if over:
            mapped = max(over, key=len)
            bucket, _, prefix = self.folders[mapped].partition("/")
            return _inside(path, bucket, prefix, path[len(mapped.rstrip("/")) :].lstrip("/"))
        return Spot(path) if self.below(path) or path == "/" else None

    def below(self, path: str) -> Sequence[str]:
        """The names of mapped folders, and of folders on the way to one, right below a path."""
        inside = path.rstrip("/") + "/"
        found = (each[len(inside) :] for each in self.folders if each.startswith(inside))
        return sorted({each.partition("/")[0] for each in found if each})


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _inside(path: str, bucket: str, prefix: str, rest: str) -> Spot:
    if not rest:
        return Spot(path, bucket, None, prefix)
    *folders, last = rest.split("/")
    way = prefix + "".join(f"{_folder(each)}/" for each in folders)
    key = _checked(way + _folder(last))
    beside = last != NAMELESS and last.endswith(NAMELESS)
    return Spot(path, bucket, None if beside else key or None, f"{key}/")


def _folder(name: str) -> str:
    return named(name if name == NAMELESS else name.removesuffix(NAMELESS))


def _checked(key: str) -> str:
    if len(key.encode()) > KEY_BYTES_MAX:
        raise KeyTooLong
    return key


def normal(path: bytes) -> str:
    """The absolute path without `.`, `..` and empty segments, as far up as the root. Raises
    BadInput for what is not UTF-8, has a NUL or is too long."""
    if len(path) > PATH_BYTES_MAX:
        raise BadInput(f"a path may have {PATH_BYTES_MAX} bytes")
    try:
        text = path.decode()
    except UnicodeDecodeError as error:
        raise BadInput("a file's name must be UTF-8 text") from error
    if "\0" in text:
        raise BadInput("a file's name can't hold a NUL")
    found: list[str] = []
    for segment in text.split("/"):
        if segment == "..":
            del found[-1:]
        elif segment not in ("", "."):
            found.append(segment)
    return "/" + "/".join(found)


def shown(segment: str) -> str:
    """The name under which a segment of a key is shown."""
    if not segment:
        return NAMELESS
    return _DOTS.get(segment) or _ESCAPED.sub(lambda m: f"%{ord(m[0]):02X}", segment)


def named(name: str) -> str:
    """The segment that is shown under this name; BadInput where none is."""
    if name == NAMELESS:
        return ""
    segment = _UNDOTTED.get(name) or _ESCAPE.sub(lambda m: chr(int(m[1] or "25", 16)), name)
    if shown(segment) != name:
        raise BadInput(f"no file can have the name `{name}`: percent signs in it stand for others")
    return segment


def path_below(rest: str) -> str:
    """How what is left of a key behind a folder's prefix is shown, as a path from there."""
    return "/".join(shown(segment) for segment in rest.split("/"))
