"""Natural keys as the names that a store can hold: reversible, never colliding, never escaping.

A folder names most keys as they are: `a/b.csv` is the file `b.csv` in the folder `a`. What no path
can be (empty, `.` and `..` segments, a segment over 255 bytes, NUL, a key that is a file and a
folder at once) lies in the folder `%keys` under its percent-encoded text, cut into pieces; a key
that itself begins with `%keys/` lies there too, so that the two never meet. Linux tells upper from
lower case and NFC from NFD; a folder on a file system that does not can't serve as a store.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, unquote

from gateway.errors import InvalidArgument, KeyTooLong
from gateway.model import KEY_BYTES_MAX, RESERVED_PREFIX

ENCODED_FOLDER = b"%keys"
SEGMENT_BYTES_MAX = 255  # NAME_MAX of every Linux file system in use
PIECE_BYTES = 240
OWN_FOLDER = RESERVED_PREFIX.rstrip("/").encode()

Path = tuple[bytes, ...]
"""A path beneath a store's root, segment by segment."""


def natural(key: str) -> bytes:
    """The key's UTF-8; KeyTooLong or InvalidArgument if it can't be a natural key at all."""
    try:
        raw = key.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument("A key must be valid Unicode text.", name="key") from error
    if len(raw) > KEY_BYTES_MAX:
        raise KeyTooLong
    if not raw or key.startswith(RESERVED_PREFIX):
        raise InvalidArgument("No copy may lie under this key.", name="key", value=key)
    return raw


def plain_path(key: str) -> Path | None:
    """The path that is exactly the key, None where no path can be."""
    segments = tuple(natural(key).split(b"/"))
    if segments[0] in (OWN_FOLDER, ENCODED_FOLDER) or not all(map(_is_a_name, segments)):
        return None
    return segments


def encoded_path(key: str) -> Path:
    """The path in `%keys` that any key can have. Every piece but the last ends with one more `%`,
    which no encoded text ends with, so that no file's name is another's folder."""
    natural(key)
    text = escape(key).encode()
    pieces = [text[at : at + PIECE_BYTES] for at in range(0, len(text), PIECE_BYTES)]
    return (ENCODED_FOLDER, *(piece + b"%" for piece in pieces[:-1]), pieces[-1])


def key_of(path: Path) -> str | None:
    """The key whose place this path is; None if it is none (not UTF-8, or not of our making)."""
    try:
        if path[0] != ENCODED_FOLDER:
            return b"/".join(path).decode()
        key = unescape(b"".join((*(piece[:-1] for piece in path[1:-1]), path[-1])).decode())
        return key if encoded_path(key) == path else None
    except (UnicodeDecodeError, InvalidArgument, KeyTooLong):
        return None


def escape(key: str) -> str:
    """ASCII letters, digits, `-`, `_`, `~` and `%XX` alone: fit for one name in any store."""
    return quote(key, safe="").replace(".", "%2E")


def unescape(text: str) -> str:
    return unquote(text, errors="strict")


def _is_a_name(segment: bytes) -> bool:
    return (
        segment not in (b"", b".", b"..")
        and len(segment) <= SEGMENT_BYTES_MAX
        and b"\0" not in segment
    )


def extent_path(key: str) -> Path:
    """The path of an extent: its key, which must be plain and lie below `.crossdock/`; a segment
    there that begins with a dot is the store's own."""
    path = plain_path(key.removeprefix(RESERVED_PREFIX) or "/") if key.isascii() else None
    if path is None or not key.startswith(RESERVED_PREFIX) or any(s[:1] == b"." for s in path):
        raise InvalidArgument("This is not the key of an extent.", name="key", value=key)
    return (OWN_FOLDER, *path)


def worth(folder: Path, name: bytes, prefix: str) -> bool:
    """Whether keys that begin with `prefix` can lie in this folder; the store's own aside."""
    if folder == (OWN_FOLDER,) and name.startswith(b"."):
        return False
    here = b"/".join((*folder, name, b""))
    start = prefix.encode()
    if here.startswith(ENCODED_FOLDER + b"/"):
        return True
    return here.startswith(start) or start.startswith(here)


BLOB_NAME_MAX = 1024  # characters on Azure, bytes on GCS
_NOT_IN_XML = frozenset(map(chr, (*range(32), 127, 0xFFFE, 0xFFFF)))
_OWN_BLOBS = frozenset((ENCODED_FOLDER.decode(), OWN_FOLDER.decode()))
_NOT_ON_GCS = ".well-known/acme-challenge/"


def azure_name(key: str) -> str:
    """The name of a copy on Azure: the key, or `%keys/` and its escaped text. InvalidArgument
    where that is longer than a name may be. What is escaped: empty, `.` and `..` segments,
    segments that end with a dot and backslashes (Azure changes both), and characters that a
    listing in XML can't hold."""
    segments = key.split("/")
    odd = any(not segment or segment.endswith(".") for segment in segments)
    return _blob_name(key, odd or "\\" in key)


def gcs_name(key: str) -> str:
    """As azure_name, for GCS, which takes nearly every key as it is. What is escaped: `.`, `..`,
    and control characters (cloud.google.com/storage/docs/objects#naming)."""
    return _blob_name(key, key in (".", "..") or key.startswith(_NOT_ON_GCS))


def key_of_azure(name: str) -> str | None:
    """The key whose copy has this name; None if the name is not of our making."""
    return _key_of_blob(name, azure_name)


def key_of_gcs(name: str) -> str | None:
    """The key whose copy has this name; None if the name is not of our making."""
    return _key_of_blob(name, gcs_name)


def _blob_name(key: str, odd: bool) -> str:
    natural(key)
    if odd or _NOT_IN_XML & set(key) or key.partition("/")[0] in _OWN_BLOBS:
        key = f"{ENCODED_FOLDER.decode()}/{escape(key)}"
    if len(key) > BLOB_NAME_MAX:
        raise InvalidArgument("The key has too many odd characters for this store.", name="key")
    return key


def _key_of_blob(name: str, named: Callable[[str], str]) -> str | None:
    folder, _, text = name.partition("/")
    if folder != ENCODED_FOLDER.decode():
        return name
    try:
        key = unescape(text)
        return key if named(key) == name else None
    except (UnicodeDecodeError, InvalidArgument, KeyTooLong):
        return None
