"""One principal looking at its tree: what a path leads to, what a folder holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from gateway.errors import BadInput, CrossdockError, Denied, KeyTooLong, NoSuchKey
from gateway.exchange import Entry as Row
from gateway.exchange import Exchange, Page, Span, Staged
from gateway.habits import Habits
from gateway.model import Caller, Event, May, ObjectRef, Principal, Version
from gateway.sftp.listing import Names
from gateway.sftp.recent import Recent
from gateway.sftp.tree import Spot, Tree, normal
from gateway.sftp.writing import Upload

S_NS = 10**9
FOLDER_SPAN = 1

Whose = tuple[str, str, ObjectRef]
"""A party, its principal, and a name under which that one writes."""
HabitsOf = Callable[[Principal], Habits]


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies under a name. `at` is in seconds since 1970."""

    name: str
    folder: bool = False
    size: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """What the sessions of one gateway have in common: files that are open for writing, by who
    writes them, and what was written lately."""

    writing: dict[Whose, Upload]
    recent: Recent[Whose, Entry]
    observe: Callable[[Event], None]
    clock: Callable[[], int]


class Visit:
    """`standing` gives the caller as the mesh has it now, or raises Denied. `began` is in seconds
    since 1970."""

    def __init__(
        self,
        exchange: Exchange,
        standing: Callable[[], Caller],
        habits_of: HabitsOf,
        shared: Shared,
        began: int = 0,
    ) -> None:
        self.exchange = exchange
        self.standing = standing
        self.shared = shared
        self.began = began
        self._habits_of = habits_of

    def habits(self, caller: Caller) -> Habits:
        return self._habits_of(caller.principal)

    def spot(self, path: bytes) -> Spot:
        """Where a path leads; NoSuchKey where there can be nothing."""
        found = self._tree().spot(normal(path))
        if found is None:
            raise NoSuchKey
        return found

    def seen(self, path: bytes) -> Spot:
        """As spot, for looking: nothing is there under a name that no key is shown as."""
        path = normal(path).encode()
        try:
            return self.spot(path)
        except KeyTooLong:
            raise
        except BadInput as error:
            raise NoSuchKey from error

    def file(self, path: bytes) -> tuple[Spot, ObjectRef]:
        """A path that is to name a file: BadInput for one that can't."""
        spot = self.spot(path)
        if spot.key is None:
            raise BadInput("no file can be here, only folders")
        return spot, ObjectRef(spot.bucket, spot.key)

    def folder(self, path: bytes) -> tuple[Spot, ObjectRef]:
        """A path that is to name a folder below a bucket: Denied above, where an operator says
        what there is."""
        spot = self.spot(path)
        if not spot.bucket or not spot.prefix or spot.key is None:
            raise self.above(spot)
        return spot, ObjectRef(spot.bucket, spot.prefix)

    def above(self, spot: Spot) -> CrossdockError:
        """Folders above all keys are not a client's to make, rename or remove."""
        error = Denied("the policy files say what folders there are up here")
        return self.refused(self.standing(), ObjectRef(spot.bucket, spot.prefix or ""), error)

    def refused(self, caller: Caller, ref: ObjectRef, error: CrossdockError) -> CrossdockError:
        """Notes a refusal of the door's own, and gives the error back to be raised."""
        self.shared.observe(
            Event(
                "refusal",
                self.shared.clock(),
                caller.party,
                caller.principal.name,
                caller.door,
                caller.request,
                bucket=ref.bucket,
                key=ref.key,
                revision=self.exchange.mesh.revision,
                outcome=type(error).__name__,
                readers=(caller.party,),
            )
        )
        return error

    async def absent(self, caller: Caller, spot: Spot) -> CrossdockError:
        """What is told of a name under which the caller sees nothing; the refusal is noted."""
        ref = ObjectRef(spot.bucket, spot.key or spot.prefix or "")
        if spot.key is None or self.upload_only(caller, spot.path):
            return self.refused(caller, ref, NoSuchKey())
        try:
            await self.exchange.objects.look(caller, ref)
        except CrossdockError as error:
            return error
        return NoSuchKey()

    def upload_only(self, caller: Caller, path: str) -> bool:
        """Whether the caller is shown nothing there but what it is writing."""
        if caller.principal.may is May.WRITE:
            return True
        folders = self.habits(caller).upload_only
        return any(f"{path}/".startswith(f"{each.rstrip('/')}/") for each in folders)

    def key(self, caller: Caller, ref: ObjectRef) -> Whose:
        return caller.party, caller.principal.name, ref

    # --- looking -------------------------------------------------------------------------------

    async def look(self, spot: Spot) -> Entry:
        """What a path leads to; NoSuchKey for what is absent or hidden alike."""
        caller = self.standing()
        if not spot.bucket:
            return Entry(spot.name, folder=True)
        await self.exchange.buckets.one(caller, spot.bucket)
        if spot.key is not None:
            found = await self._file(caller, spot, ObjectRef(spot.bucket, spot.key))
            if found is not None:
                return found
        if await self.is_folder(caller, spot):
            return Entry(spot.name, folder=True)
        raise await self.absent(caller, spot)

    async def _file(self, caller: Caller, spot: Spot, ref: ObjectRef) -> Entry | None:
        writing = self.shared.writing.get(self.key(caller, ref))
        if writing is not None:
            return Entry(spot.name, size=writing.size, at=writing.at)
        staged = await self.exchange.staging.look(caller, ref)
        if staged is not None:
            return _draft(spot.name, staged)
        if self.upload_only(caller, spot.path):
            return self.shared.recent.get(self.key(caller, ref))
        found = await self.exchange.objects.peek(caller, ref)
        if found is None:
            return None
        at = await self.modified(caller, found.version)
        return Entry(spot.name, size=found.version.size, at=at)

    async def modified(self, caller: Caller, version: Version) -> int:
        times = await self.exchange.staging.shown_times(caller, [version.id])
        return times.get(version.id, version.at // S_NS)

    async def exists(self, caller: Caller, ref: ObjectRef) -> bool:
        """Whether the caller sees a file of that name, or is writing one."""
        if self.key(caller, ref) in self.shared.writing:
            return True
        if await self.exchange.staging.look(caller, ref) is not None:
            return True
        return await self.exchange.objects.peek(caller, ref) is not None

    async def is_folder(self, caller: Caller, spot: Spot) -> bool:
        """Whether the caller sees a folder of that name."""
        if spot.prefix is None:
            return False
        prefix = spot.prefix
        if spot.key is None and not spot.path.endswith("%2F"):
            return True  # a bucket, or what the party's file maps
        if self._tree().below(spot.path) or prefix in await self._granted(caller, spot.bucket):
            return True
        return not await self.empty(caller, ObjectRef(spot.bucket, prefix), own=True)

    async def empty(self, caller: Caller, ref: ObjectRef, *, own: bool) -> bool:
        """Whether nothing lies below a prefix. `own`: the folder itself counts, if it was made."""
        staging = self.exchange.staging
        made = await staging.folders(caller, ref, FOLDER_SPAN + 1)
        if any(own or key != ref.key for key in made):
            return False
        if await staging.page(caller, ref.bucket, ref.key, limit=FOLDER_SPAN):
            return False
        if caller.principal.may is May.WRITE:
            return True
        span = Span(prefix=ref.key, limit=FOLDER_SPAN)
        return not (await self.exchange.listing.keys(caller, ref.bucket, span)).entries

    async def _granted(self, caller: Caller, bucket: str) -> frozenset[str]:
        """Folders that are always there: those into which the party may write."""
        found = await self.exchange.buckets.one(caller, bucket)
        patterns = found.members.get(caller.party, ())
        literal = (folder for each in patterns for folder in _folders_of(each))
        return frozenset(folder for folder in literal if _leads_to(caller.principal, folder))

    # --- listing -------------------------------------------------------------------------------

    async def entries(self, spot: Spot) -> AsyncIterator[Entry]:
        """What a folder holds, in no particular order; NoSuchKey for what is none."""
        below = self._tree().below(spot.path)
        if not spot.bucket and not below and spot.path == "/":
            below = [each.name for each in await self.exchange.buckets.all(self.standing())]
        for name in below:
            yield Entry(name, folder=True)
        if spot.bucket:
            async for entry in self._inside(spot, Names(spot.prefix or "", below)):
                yield entry

    async def _inside(self, spot: Spot, names: Names) -> AsyncIterator[Entry]:
        caller = self.standing()
        if not await self.is_folder(caller, spot):
            raise await self.absent(caller, spot)
        async for entry in self._drafts(caller, spot, names):
            yield entry
        if not self.upload_only(caller, spot.path):
            async for entry in self._published(caller, spot, names):
                yield entry
        for key in await self._made(caller, spot):
            if name := names.folder(key):
                yield Entry(name, folder=True)

    async def _drafts(self, caller: Caller, spot: Spot, names: Names) -> AsyncIterator[Entry]:
        after, more = "", True
        while more:
            page = await self.exchange.staging.page(caller, spot.bucket, spot.prefix or "", after)
            for staged in page:
                ref = staged.upload.ref
                writing = self.shared.writing.get(self.key(caller, ref))
                if name := names.draft(ref.key):
                    size = writing.size if writing else staged.size
                    yield Entry(name, size=size, at=staged.touched // S_NS)
                elif name := names.folder(ref.key):
                    yield Entry(name, folder=True)
            more = bool(page)
            after = page[-1].upload.ref.key if page else ""

    async def _published(self, caller: Caller, spot: Spot, names: Names) -> AsyncIterator[Entry]:
        span = Span(prefix=spot.prefix or "", delimiter="/")
        while True:
            page = await self.exchange.listing.keys(self.standing(), spot.bucket, span)
            versions = [each.version for each in page.entries]
            times = await self.exchange.staging.shown_times(caller, versions)
            for key, each in _by_key(page):
                if each is None:
                    if name := names.folder(key):
                        yield Entry(name, folder=True)
                elif name := names.file(key, each.size):
                    yield Entry(name, size=each.size, at=times.get(each.version, each.at // S_NS))
            if not page.truncated:
                return
            span = Span(prefix=span.prefix, delimiter="/", after=page.last)

    async def _made(self, caller: Caller, spot: Spot) -> list[str]:
        prefix = spot.prefix or ""
        made = await self.exchange.staging.folders(caller, ObjectRef(spot.bucket, prefix))
        granted = await self._granted(caller, spot.bucket)
        return [*made, *(each for each in sorted(granted) if each.startswith(prefix))]

    def _tree(self) -> Tree:
        return Tree(self.habits(self.standing()).folders)


def _leads_to(principal: Principal, folder: str) -> bool:
    """Whether a folder lies among a principal's keys, or on the way to them."""
    return principal.covers(folder) or any(key.startswith(folder) for key in principal.keys)


def _by_key(page: Page) -> list[tuple[str, Row | None]]:
    """Files and folders of a page in S3's order, by bytes."""
    rows: list[tuple[str, Row | None]] = [(each.key, each) for each in page.entries]
    rows += [(prefix, None) for prefix in page.prefixes]
    return sorted(rows, key=lambda row: row[0].encode())


def _draft(name: str, staged: Staged) -> Entry:
    return Entry(name, size=staged.size, at=staged.touched // S_NS)


def _folders_of(pattern: str) -> list[str]:
    """The literal folders at the beginning of a pattern of keys: "a/" and "a/b/" of "a/b/*"."""
    found, way = [], ""
    for segment in pattern.split("/")[:-1]:
        if "*" in segment or not segment:
            break
        way += f"{segment}/"
        found.append(way)
    return found
