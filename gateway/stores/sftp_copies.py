"""Delivered copies on an sFTP server: where each lies, and whether it is ours and unaltered."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import Damaged, MissingFromStore, Occupied, StoreUnavailable
from gateway.model import Chunks
from gateway.stores import Parcel, Written, sidecars
from gateway.stores.naming import Path
from gateway.stores.sftp_reading import etag, etag_of, is_file, is_folder
from gateway.stores.sftp_wire import ASIDE, STAGING, Staged, Tree
from gateway.stores.sidecars import Entry, Lying

COMPARED_BYTES_MAX = 8 * 1024 * 1024
"""A copy whose date proves nothing is read and hashed whenever it is looked at, up to here; of a
longer one the date is believed."""

SIDECAR_BYTES_MAX = 1024 * 1024
HASH_INLINE_BYTES_MAX = 128 * 1024
SECOND_NS = 1_000_000_000
MARK_LENGTH = 16


@dataclass(frozen=True, slots=True)
class _Note:
    """What a sidecar says, and the second in which it was written."""

    entries: Sequence[Entry]
    written: int


_NO_NOTE = _Note((), 0)


class Copies:
    """Of one store, through one connection. Checks and the change that follows are not one step
    for the folder's owner, as in any folder."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    async def deliver(
        self, key: str, parcel: Parcel, staged: Staged, replace: str | None
    ) -> Written:
        """Gives the staged file, which is complete, its place. Damaged where what the server
        gives back is not what it was sent."""
        there, written = await asyncio.gather(self.find(key), self._tree.about(staged.file))
        sidecars.check_free(there, replace)
        noted = await self._seal(staged, written.mtime or 0, there)
        if await self._sha256(staged.path, staged.size) != parcel.sha256:
            raise Damaged("What was read back is not what was sent.")
        await self._note(key, sidecars.entries_for(noted, parcel, there))
        path = await self._settle(staged, key, there)
        about = await self._tree.look(path)
        # a server over an object store renames by a copy of another date
        if about is not None and about.size == staged.size and etag_of(about) != noted:
            noted = etag_of(about)
            await self._note(key, [(noted, parcel)])
        return Written(staged.size, noted + mark_of(parcel), read_back=True)

    async def retag(self, key: str, tags: Mapping[str, str], if_match: str) -> Written:
        there = await self.find(key)
        if there is None:
            raise MissingFromStore
        await self._note(key, sidecars.retagged(there, tags, if_match))
        return Written(there.size, there.etag)

    async def remove(self, key: str, if_match: str) -> None:
        there = await self.find(key)
        if there is None:
            return
        sidecars.own(there, if_match)
        await self._tree.remove(there.path)
        sidecar = sidecars.path_of(key)
        await self._tree.remove(_beside(sidecar))
        await self._tree.remove(sidecar)

    async def look(self, key: str) -> Lying | None:
        """The file (or link, or device) under this key; a folder of that name is not one."""
        paths = list(sidecars.places(key))
        looks = asyncio.gather(*map(self._tree.look, paths))
        found, is_rooted = await asyncio.gather(looks, self._tree.has_root())
        for path, about in zip(paths, found, strict=True):
            if about is not None and not is_folder(about):
                modified = (about.mtime or 0) * SECOND_NS
                return Lying(path, about.size or 0, etag_of(about), modified, is_file(about))
        if not is_rooted:
            await self._tree.check_root()
        return None

    async def find(self, key: str) -> Lying | None:
        """As `look`, and what its sidecar makes of it."""
        there, note = await asyncio.gather(self.look(key), self._noted(key, sidecars.path_of(key)))
        if there is None or not there.regular:
            return there
        if note is None:
            note = await self._noted(key, _beside(sidecars.path_of(key))) or _NO_NOTE
        try:
            parcel = await self._recognised(there, note)
        except MissingFromStore:  # its owner has taken it meanwhile
            return None
        if parcel is None:
            return there.as_altered(note.entries)
        return there.as_ours(parcel, mark_of(parcel))

    async def _recognised(self, there: Lying, note: _Note) -> Parcel | None:
        """The file's date proves that it is the one that we wrote if it is older than the sidecar
        that knows it: every change after that would have dated it anew."""
        parcel = sidecars.matching(there, note.entries)
        dated_before = there.modified < note.written * SECOND_NS
        if there.size > COMPARED_BYTES_MAX or (parcel is not None and dated_before):
            return parcel
        likely = sidecars.of_its_size(there, note.entries)
        if not likely:
            return None
        sha256 = await self._sha256(there.path, there.size)
        same = [each for each in likely if each.sha256 == sha256]
        return parcel if parcel in same else next(iter(same), None)

    async def _seal(self, staged: Staged, written: int, there: Lying | None) -> str:
        """Complete and closed, and of a date that no later change can have, for it is before the
        second in which it was written; its etag."""
        date = max(written - 1, 0)
        if there is not None and etag(staged.size, date) == there.noted:
            date = max(date - 1, 0)
        await self._tree.seal(staged, date)
        sealed = await self._tree.look(staged.path)
        if sealed is None or sealed.size != staged.size:
            raise StoreUnavailable("A file is not what was written, as soon as it is closed.")
        return etag_of(sealed)

    async def _settle(self, staged: Staged, key: str, there: Lying | None) -> Path:
        """Looked at again, for reading back may have taken long."""
        if there is not None:
            about = await self._tree.look(there.path)
            if about is None:
                raise StoreUnavailable("The older copy is gone: examine again.")
            if etag_of(about) != there.noted:
                raise Occupied
            aside = (*STAGING, secrets.token_hex(16).encode() + ASIDE)
            await self._tree.replace(staged, there.path, aside, lambda tag: tag == there.noted)
            return there.path
        for path in sidecars.places(key):
            about = await self._tree.look(path)
            if about is not None and not is_folder(about):
                raise Occupied
            if about is None and await self._tree.place(staged, path):
                return path
        raise StoreUnavailable("What should be a folder of the store is none.")

    async def _noted(self, key: str, sidecar: Path) -> _Note | None:
        try:
            text, about = await self._tree.small(sidecar, SIDECAR_BYTES_MAX)
        except MissingFromStore:
            return None
        return _Note(sidecars.load(key, text), about.mtime or 0)

    async def _note(self, key: str, entries: Sequence[Entry]) -> None:
        path = sidecars.path_of(key)
        async with self._tree.staged() as staged:
            await self._tree.pour(staged, _one(sidecars.dump(key, entries)))
            await self._tree.seal(staged)
            await self._tree.replace(staged, path, _beside(path), lambda _: True)

    async def _sha256(self, path: Path, size: int) -> str:
        digest = hashlib.sha256()
        async with self._tree.opened(path) as file:
            async for piece in self._tree.pieces(file, 0, size):
                await hash_in(digest, piece)
        return digest.hexdigest()


def mark_of(parcel: Parcel) -> str:
    """What tells our copies of one length, made in one second, from each other."""
    return "-" + hashlib.sha256(parcel.version.encode()).hexdigest()[:MARK_LENGTH]


async def hash_in(digest: hashlib._Hash, piece: bytes) -> None:
    if len(piece) > HASH_INLINE_BYTES_MAX:
        await asyncio.to_thread(digest.update, piece)
    else:
        digest.update(piece)


def _beside(path: Path) -> Path:
    return (*path[:-1], path[-1] + ASIDE)


async def _one(data: bytes) -> Chunks:
    yield data
