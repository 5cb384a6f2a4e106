"""Where bytes are: the contracts that every kind of store keeps.

A store belongs to one party. Below `.crossdock/` it holds that party's extents, written once under
fresh keys (`Store`); everywhere else lie delivered copies under their natural keys (`Inbox`).

Errors, for every verb: MissingFromStore for an absent key, StoreUnavailable for anything worth
retrying (time-outs, 5xx, throttling, a connection that broke, a broken or short answer of the
store), StoreRefused for access denied or an absent bucket, container or folder, StoreFull where
there is no room. An exception raised by the body that is being written passes through unchanged,
and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.model import EMPTY, Chunks, ObjectRef


@dataclass(frozen=True, slots=True)
class Written:
    """What a store says of an object that it has just made durable."""

    size: int
    etag: str  # the store's own, opaque; for conditions on later reads
    native_version: str = ""
    read_back: bool = False
    """The store has read a copy back, and compared its SHA-256, before it got its name: where its
    owner takes copies away, nobody may be able to do so afterwards."""


@dataclass(frozen=True, slots=True)
class Stat:
    size: int
    etag: str
    modified: int  # moment, by the store's clock
    native_version: str = ""


@runtime_checkable
class Store(Protocol):
    """Opaque keys below `.crossdock/`: ASCII letters, digits, `-`, `_`, `.` and `/` alone; no
    segment is empty or begins with a dot, for those are the store's own (staging, sidecars).
    Another key raises InvalidArgument."""

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        """All or nothing: when this returns, the object is durable and whole; when it raises,
        nothing is visible under `key`. With `size` given, a body of another length raises
        BrokenSource. An existing key raises Occupied where the store can tell (conditional
        create)."""
        ...

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        """The bytes [start, start+length); reading past the end yields what there is (nothing,
        if start is at or past the end). `if_match` is an etag of this store: another content
        raises ChangedInStore before the first byte. Ending early is StoreUnavailable, never a
        clean end."""
        ...

    async def stat(self, key: str) -> Stat: ...

    async def delete(self, key: str) -> None:
        """Durable when it returns. An absent key is not an error."""
        ...

    def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that starts with `prefix`, in any order, extents and natural keys alike; for
        reconciliation and adoption. What is the store's own is not listed."""
        ...


@runtime_checkable
class CanTidy(Protocol):
    """A store in which a killed process may leave something half written behind."""

    async def tidy(self) -> int:
        """Removes what was left a day ago or more; says how many."""
        ...


@runtime_checkable
class CanClose(Protocol):
    """A store that holds connections."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes with a delivered copy: enough for the target to say whose and which it is.

    `headers` are standard content headers by lower-case name; `metadata` the user's own;
    `version`, `ref` and `number` name our version; `sha256` (hex) is of the whole content.
    """

    ref: ObjectRef
    version: str
    number: int
    author: str
    size: int
    sha256: str
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    metadata: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Natural:
    """An object as its owner put it under a natural key. `ours`: it is a delivered copy, of this
    Crossdock or of another one."""

    size: int
    etag: str  # the store's own, for conditions on reads
    modified: int  # moment, by the store's clock
    native_version: str = ""
    shown_etag: str = ""  # S3's, where the store has one
    ours: bool = False
    parcel: Parcel | None = None  # what its marks say, where they can be read
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    metadata: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@runtime_checkable
class CanInspect(Protocol):
    """A store that tells all about what its owner put there: for adoption."""

    async def inspect(self, key: str) -> Natural | None:
        """None where nothing lies there. `keys` lists what may be asked about."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """What lies under a natural key. `version` is empty where it isn't a copy of ours; `number`
    and `ref` are then meaningless. `altered` tells that it carries our marks but is no longer
    what we wrote (a file changed in place)."""

    size: int
    etag: str
    native_version: str = ""
    version: str = ""
    number: int = 0
    ref: ObjectRef | None = None
    altered: bool = False


@runtime_checkable
class Inbox(Protocol):
    """A recipient's store also takes deliveries: the one way to write a natural key.

    Keys are any UTF-8 text of 1 to 1,024 bytes, not below `.crossdock/`. In a cloud bucket a copy
    lies under exactly that key, in a folder it is a plain file at that path; what a store can't
    name or hold goes into a documented encoding or sidecar, reversible and never colliding.
    """

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        """Writes the copy with its headers, metadata and marks, atomically. `replace` is the etag
        of our older copy that lies there (from `examine`), or None where nothing may lie there.
        Anything else found raises Occupied and nothing is changed; where `replace` is given and
        nothing lies there any more, StoreUnavailable: examine again. A body of another length
        than `parcel.size` raises BrokenSource."""
        ...

    async def examine(self, key: str) -> Placed | None:
        """What lies under a natural key now, None if nothing does."""
        ...

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        """As Store.read, for a natural key."""
        ...

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        """Replaces the tags of our copy as the store can hold them; ChangedInStore if another
        content lies there."""
        ...

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        """Deletes our copy; ChangedInStore if another content lies there, absent is no error."""
        ...
