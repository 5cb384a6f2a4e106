"""Copies that are plain files: the sidecars beside them, and what these make of what lies there.

A sidecar (JSON, below `.crossdock/.marks/`, named by the SHA-256 of the key) holds a list of what
may lie under the key, each with the etag of the file that it speaks of. It is written before the
file takes its name, with the older copy's entry kept beside the new one: whichever file a crash
leaves there, it is recognised, and one without an entry of its own is not ours.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import ChangedInStore, Occupied, StoreUnavailable
from gateway.stores import Natural, Parcel, Placed, marks, naming
from gateway.stores.naming import OWN_FOLDER, Path

MARKS: Path = (OWN_FOLDER, b".marks")

Entry = tuple[str, Parcel]
"""A file's etag, and the parcel that the file is."""


@dataclass(frozen=True, slots=True)
class Lying:
    """What lies under a key. `noted` is the etag by which a sidecar knows it, `mark` what the
    store's own etag adds to that. `parcel` is its own if it is our copy, unaltered; else what the
    sidecar says last lay there, or None without one."""

    path: Path
    size: int
    noted: str
    modified: int
    regular: bool
    parcel: Parcel | None = None
    ours: bool = False
    mark: str = ""

    @property
    def etag(self) -> str:
        return self.noted + self.mark

    def as_ours(self, parcel: Parcel, mark: str = "") -> Lying:
        return dataclasses.replace(self, parcel=parcel, ours=True, mark=mark)

    def as_altered(self, entries: Sequence[Entry]) -> Lying:
        """None of the files that the sidecar speaks of."""
        return dataclasses.replace(self, parcel=entries[0][1]) if entries else self

    def placed(self) -> Placed:
        if self.parcel is None:
            return Placed(self.size, self.etag)
        return Placed(
            self.size,
            self.etag,
            version=self.parcel.version,
            number=self.parcel.number,
            ref=self.parcel.ref,
            altered=not self.ours,
        )

    def natural(self) -> Natural | None:
        """A link, a device, a pipe is nothing that could be adopted."""
        if not self.regular:
            return None
        parcel = self.parcel if self.ours else None
        return Natural(self.size, self.etag, self.modified, ours=self.ours, parcel=parcel)


def check_free(there: Lying | None, replace: str | None) -> None:
    """Whether a delivery may be written here, as Inbox.deliver has it."""
    if there is None and replace is not None:
        raise StoreUnavailable("The older copy is gone: examine again.")
    if there is not None and not (there.ours and there.etag == replace):
        raise Occupied


def own(there: Lying, if_match: str) -> Parcel:
    """The parcel of our copy; ChangedInStore if it is not, or no longer, the one that is meant."""
    if there.parcel is None or not there.ours or there.etag != if_match:
        raise ChangedInStore
    return there.parcel


def places(key: str) -> Iterator[Path]:
    """The paths at which a key's copy may lie."""
    plain = naming.plain_path(key)
    if plain is not None:
        yield plain
    yield naming.encoded_path(key)


def matching(there: Lying, entries: Sequence[Entry]) -> Parcel | None:
    """The entry of exactly this file."""
    return next((parcel for etag, parcel in entries if etag == there.noted), None)


def of_its_size(there: Lying, entries: Sequence[Entry]) -> list[Parcel]:
    """Whose content this may be, whatever its etag says: a restored or moved folder has other
    ones, and the same bytes are our copy still."""
    return [parcel for _, parcel in entries if parcel.size == there.size]


def entries_for(etag: str, parcel: Parcel, there: Lying | None) -> list[Entry]:
    """What the sidecar says while this file takes the place of what lies there."""
    older = [] if there is None or there.parcel is None else [(there.noted, there.parcel)]
    return [(etag, parcel), *older]


def retagged(there: Lying, tags: Mapping[str, str], if_match: str) -> list[Entry]:
    return [(there.noted, dataclasses.replace(own(there, if_match), tags=tags))]


def path_of(key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest().encode()
    return (*MARKS, name[:2], name)


def dump(key: str, entries: Sequence[Entry]) -> bytes:
    copies = [{"etag": etag, **marks.to_document(parcel)} for etag, parcel in entries]
    return marks.dump({"at": key, "copies": copies})


def load(key: str, text: bytes) -> list[Entry]:
    """Nothing where it is damaged, or another key's: then nothing says that the file is ours."""
    try:
        document: Any = json.loads(text)
        entries = [(each["etag"], marks.from_document(each)) for each in document["copies"]]
    except (ValueError, KeyError, TypeError):
        return []
    return entries if document.get("at") == key else []
