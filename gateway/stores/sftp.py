"""A folder on a partner's sFTP server as a store: extents and copies are files, as in a folder.

Layout below the root, which is the partner's to make: `.crossdock/<extent key>`,
`.crossdock/.staging/` (files being written), `.crossdock/.marks/` (sidecars), `%keys/` (copies
whose key no path can be, see naming.py), and everywhere else the copies, plain files at their key.
A file gets its name when it is whole, by a rename that fails if the name is taken; over our own
older copy by OpenSSH's posix-rename. The partner may take copies away whenever it likes, so each is
read back before it gets its name.

What the protocol can't do: nothing syncs a folder, so that a name may be lost when the server loses
power; and between the last look and the rename over our older copy, a file that the partner puts
there is lost. A server without posix-rename has no such moment, but one in which nothing lies
there. A write whose connection breaks at the very rename may leave an extent that nobody knows of.

An etag is a file's length, the second of its last change and, of our copy, its version. A change
within the second in which a file was written could go unseen. So a copy is dated a second back, and
every later change shows; where the server does not let us, a copy is compared by its SHA-256, up to
`sftp_copies.COMPARED_BYTES_MAX`. Of what the partner put there itself, a change within its second
that keeps its length is not seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from gateway.errors import ChangedInStore, MissingFromStore, Occupied, StoreRefused
from gateway.model import Chunks
from gateway.stores import Natural, Parcel, Placed, Stat, Written, bodies, naming
from gateway.stores.naming import Path
from gateway.stores.sftp_copies import SECOND_NS, Copies, hash_in
from gateway.stores.sftp_dial import Where
from gateway.stores.sftp_pool import Pool
from gateway.stores.sftp_reading import etag_of, is_file
from gateway.stores.sftp_wire import Staged, Tree
from gateway.stores.waiting import ended, undone

Aim = tuple[Path, str | None]
"""What is to be read, and the etag that it must have."""


class SftpStore:
    """`root` is an absolute path on the server."""

    def __init__(self, where: Where, root: str) -> None:
        self._pool = Pool(where)
        self._root = root.rstrip("/").encode()

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def tidy(self) -> int:
        async with self._tree() as tree:
            return await tree.sweep(time.time())

    # --- extents -------------------------------------------------------------------------------

    async def write(self, key: str, body: Chunks, *, size: int | None) -> Written:
        path = naming.extent_path(key)
        async with self._tree() as tree, tree.staged() as staged:
            await tree.pour(staged, bodies.exact(body, size))
            placing = asyncio.create_task(_placed(tree, staged, path))
            return await undone(placing, lambda _: tree.remove(path))

    def read(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        path = naming.extent_path(key)

        async def aim(_: Tree) -> Aim:
            return path, if_match

        return self._read(aim, start, length)

    async def stat(self, key: str) -> Stat:
        path = naming.extent_path(key)
        async with self._tree() as tree:
            about = await tree.look(path)
            if about is None or not is_file(about):
                raise MissingFromStore
        return Stat(about.size or 0, etag_of(about), (about.mtime or 0) * SECOND_NS)

    async def delete(self, key: str) -> None:
        path = naming.extent_path(key)
        async with self._tree() as tree:
            if await tree.look(path) is None:
                await tree.check_root()
            else:
                await tree.remove(path)

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        waiting: list[Path] = [()]
        while waiting:
            folder = waiting.pop()
            async with self._tree() as tree:
                if not folder:
                    await tree.check_root()
                files, folders = await tree.list(folder)
            for name in files:
                key = naming.key_of((*folder, name))
                if key is not None and key.startswith(prefix):
                    yield key
            waiting += [(*folder, name) for name in folders if naming.worth(folder, name, prefix)]

    # --- copies under natural keys -------------------------------------------------------------

    async def deliver(
        self, key: str, parcel: Parcel, body: Chunks, *, replace: str | None
    ) -> Written:
        naming.natural(key)
        seen = hashlib.sha256()
        async with self._tree() as tree, tree.staged() as staged:
            await tree.pour(staged, _hashed(bodies.exact(body, parcel.size), seen))
            # of an upload in parts nobody has hashed the whole yet
            sent = dataclasses.replace(parcel, sha256=parcel.sha256 or seen.hexdigest())
            placing = Copies(tree).deliver(key, sent, staged, replace)
            return await ended(asyncio.create_task(placing))

    async def examine(self, key: str) -> Placed | None:
        async with self._tree() as tree:
            there = await Copies(tree).find(key)
        return there.placed() if there is not None else None

    async def inspect(self, key: str) -> Natural | None:
        async with self._tree() as tree:
            there = await Copies(tree).find(key)
        return there.natural() if there is not None else None

    def read_copy(
        self, key: str, start: int = 0, length: int | None = None, *, if_match: str | None = None
    ) -> Chunks:
        async def aim(tree: Tree) -> Aim:
            copies = Copies(tree)
            there = await (copies.look(key) if if_match is None else copies.find(key))
            if there is None or not there.regular:
                raise MissingFromStore
            if if_match is None:
                return there.path, None
            if there.etag != if_match:
                raise ChangedInStore
            return there.path, there.noted

        return self._read(aim, start, length)

    async def retag(self, key: str, tags: Mapping[str, str], *, if_match: str) -> Written:
        async with self._tree() as tree:
            return await ended(asyncio.create_task(Copies(tree).retag(key, tags, if_match)))

    async def remove_copy(self, key: str, *, if_match: str) -> None:
        async with self._tree() as tree:
            await ended(asyncio.create_task(Copies(tree).remove(key, if_match)))

    async def parcel_of(self, key: str) -> Parcel | None:
        """What our copy under this key carries, as its sidecar says."""
        async with self._tree() as tree:
            there = await Copies(tree).find(key)
        return there.parcel if there is not None and there.ours else None

    # --- connections ---------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _tree(self) -> AsyncIterator[Tree]:
        async with self._pool.line() as line:
            tree = Tree(line, self._root)
            try:
                yield tree
            except MissingFromStore:
                await tree.check_root()
                raise

    async def _read(
        self, aim: Callable[[Tree], Awaitable[Aim]], start: int, length: int | None
    ) -> Chunks:
        async with self._tree() as tree:
            path, expected = await aim(tree)
            async with tree.opened(path) as file:
                about = await tree.about(file)
                if expected is not None and etag_of(about) != expected:
                    raise ChangedInStore
                size = about.size or 0
                end = size if length is None else min(size, start + length)
                async with contextlib.aclosing(tree.pieces(file, start, end)) as pieces:
                    async for piece in pieces:
                        yield piece


async def _placed(tree: Tree, staged: Staged, path: Path) -> Written:
    _, there = await asyncio.gather(tree.seal(staged), tree.look(path))
    if there is not None:  # some servers' rename does not tell
        raise Occupied
    if not await tree.place(staged, path):
        raise StoreRefused("What should be the store's own folder is none.")
    about = await tree.look(path)
    if about is None:
        raise MissingFromStore("An extent was gone as soon as it was written.")
    return Written(staged.size, etag_of(about))


async def _hashed(body: Chunks, seen: hashlib._Hash) -> Chunks:
    async for piece in body:
        await hash_in(seen, piece)
        yield piece
