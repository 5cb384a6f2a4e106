"""Requests that make sense, in an order that does not, by two sessions at once: whatever becomes of
the files, nothing goes wrong inside, and nothing is left when the sessions are over."""

from __future__ import annotations

from random import Random

import pytest

from gateway.habits import Habits, Settle
from tests.sftp import raw
from tests.sftp.bed import Bed
from tests.sftp.raw import channel, text, u32, u64

SEEDS = 25
REQUESTS = 60
PATHS = (
    *("/", "/orders", "/orders/in", "/orders/in/", "/orders/in/x", "/orders/in/x.tmp"),
    *("/orders/in/x.done", "/orders/in/d", "/orders/in/d/y", "/orders/tmp/a/b", "/orders/out/z"),
    *("/orders/%2F", "/orders/in/x%2F", "/orders/in/d%2F/y", "/vault/q", "/vault/.", "..", ""),
    "/nope/x",
)
FLAGS = (0x01, 0x02, 0x03, 0x08, 0x0A, 0x0E, 0x1A, 0x1E, 0x2A, 0x3A)
OFFSETS = (0, 0, 5, 10, 15, 100, 1 << 63)
KINDS = (
    *(raw.OPEN,) * 6,
    *(raw.WRITE,) * 6,
    *(raw.CLOSE,) * 4,
    *(raw.RENAME,) * 4,
    *(raw.READ, raw.READ, raw.EXTENDED, raw.EXTENDED),
    *(raw.FSTAT, raw.READDIR, raw.STAT, raw.LSTAT, raw.OPENDIR, raw.REMOVE),
    *(raw.RMDIR, raw.SETSTAT, raw.MKDIR, raw.FSETSTAT),
)


class Asks:
    """What is asked next, by a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)

    def request(self) -> tuple[int, bytes]:
        kind = self.draw.choice(KINDS)
        return kind, self._fields(kind)

    def _fields(self, kind: int) -> bytes:
        if kind == raw.OPEN:
            return self._path() + u32(self.draw.choice(FLAGS)) + self._attrs()
        if kind == raw.READ:
            return self._handle() + self._offset() + u32(self.draw.choice((0, 5, 0xFFFFFFFF)))
        if kind == raw.WRITE:
            return self._handle() + self._offset() + text(b"x" * self.draw.choice((0, 5, 5, 50)))
        if kind in (raw.CLOSE, raw.FSTAT, raw.READDIR):
            return self._handle()
        if kind == raw.FSETSTAT:
            return self._handle() + self._attrs()
        if kind in (raw.SETSTAT, raw.MKDIR):
            return self._path() + self._attrs()
        if kind == raw.RENAME:
            return self._path() + self._path()
        if kind == raw.EXTENDED:
            renames = text("posix-rename@openssh.com") + self._path() + self._path()
            syncs = text("fsync@openssh.com") + self._handle()
            return self.draw.choice((renames, syncs))
        return self._path()

    def _path(self) -> bytes:
        return text(self.draw.choice(PATHS))

    def _handle(self) -> bytes:
        return text(bytes([0, 0, 0, self.draw.randrange(8)]))

    def _offset(self) -> bytes:
        return u64(self.draw.choice(OFFSETS))

    def _attrs(self) -> bytes:
        times = u32(8) + u32(self.draw.randrange(1 << 31)) * 2
        sizes = u32(1) + u64(self.draw.choice((0, 5, 10)))
        return self.draw.choice((raw.NO_ATTRS, times, u32(4) + u32(0o600), sizes))


@pytest.mark.parametrize("other", ["acme.erp", "acme.reader", "globex.erp"])
@pytest.mark.parametrize("settle", Settle)
def test_any_order(bed: Bed, settle: Settle, other: str, caplog: pytest.LogCaptureFixture) -> None:
    bed.habits["acme.erp"] = Habits(settle=settle)

    async def acts(asks: Asks) -> None:
        async with (
            bed.connection() as mine,
            bed.connection(other) as theirs,
            channel(mine) as first,
            channel(theirs) as second,
        ):
            await first.begin()
            await second.begin()
            for _ in range(REQUESTS):
                speaks = asks.draw.choice((first, first, second))
                kind, fields = asks.request()
                answer = await speaks.ask(kind, fields)
                if answer.kind == raw.STATUS:
                    assert "inside" not in answer.said
                    assert "xception" not in answer.said
        await bed.left()

    for seed in range(SEEDS):
        bed.run(acts(Asks(seed)))
        assert not bed.door._shared.writing
        assert bed.door._slots.left == 48
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []
