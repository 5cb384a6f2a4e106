"""Access keys, and small values that outlive a restart."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.values import SealedKey
from gateway.catalog.writer import Transaction
from gateway.model import Event

KEYS = "SELECT id, party, principal, sealed, created, revoked FROM keys ORDER BY created, id"
VALUE = "SELECT value FROM settings WHERE name = ?"


class SqliteSettings(Desk):
    async def add_key(self, key: SealedKey, event: Event) -> None:
        def work(tx: Transaction) -> None:
            row = (key.id, key.party, key.principal, key.sealed, key.created, key.revoked)
            tx.run("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
            tx.record(event, tx.number())

        await self.write(work)

    async def keys(self) -> Sequence[SealedKey]:
        return [SealedKey(*row) for row in self.reader.all(KEYS)]

    async def revoke_key(self, key_id: str, now: int, event: Event) -> bool:
        def work(tx: Transaction) -> bool:
            revoke = "UPDATE keys SET revoked = ? WHERE id = ? AND revoked = 0"
            if not tx.run(revoke, (now, key_id)):
                return False
            tx.record(event, tx.number())
            return True

        return await self.write(work)

    async def get(self, name: str) -> bytes | None:
        row = self.reader.one(VALUE, (name,))
        return bytes(row[0]) if row else None

    async def put(self, name: str, value: bytes) -> None:
        await self.write(
            lambda tx: tx.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
        )

    async def put_if_absent(self, name: str, value: bytes) -> bytes:
        def work(tx: Transaction) -> bytes:
            tx.run("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))
            return bytes(tx.all(VALUE, (name,))[0][0])

        return await self.write(work)
