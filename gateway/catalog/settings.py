"""Access keys, the policy in force, and small values that outlive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.rows import dumps, loads
from gateway.catalog.values import SealedKey
from gateway.catalog.writer import Transaction
from gateway.model import Event

KEYS = "SELECT id, party, principal, sealed, created, revoked FROM keys ORDER BY created, id"
POLICY = "SELECT revision, files FROM policies ORDER BY number DESC LIMIT 1"
PUT = "INSERT INTO policies (number, revision, files, reached, total) VALUES (?, ?, ?, ?, ?)"
START = "INSERT OR IGNORE INTO rule_starts SELECT value, ?1 FROM json_each(?2)"
STARTS = """
SELECT s.rule, s.number FROM json_each(?) wanted JOIN rule_starts s ON s.rule = wanted.value"""
STEP_RULES = 1000
"""Rules looked up between two turns of the event loop."""
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

    async def put_policy(
        self,
        revision: str,
        files: Mapping[str, str],
        event: Event,
        *,
        starting: Collection[str] = (),
    ) -> None:
        def work(tx: Transaction) -> None:
            number = tx.number()
            tx.run(PUT, (number, revision, dumps(dict(files)), number, tx.versions))
            tx.run(START, (number, dumps(sorted(starting))))
            tx.record(event, number)

        await self.write(work)

    async def policy(self) -> tuple[str, Mapping[str, str]] | None:
        row = self.reader.one(POLICY)
        return (row[0], loads(row[1])) if row else None

    async def rule_starts(self, rules: Collection[str]) -> Mapping[str, int]:
        wanted, found = sorted(rules), dict[str, int]()
        for first in range(0, len(wanted), STEP_RULES):
            some = dumps(wanted[first : first + STEP_RULES])
            found.update(self.reader.all(STARTS, (some,)))
            await asyncio.sleep(0)
        return found

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
