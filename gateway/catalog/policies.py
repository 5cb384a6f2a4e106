"""The policy in force and every one before it, each kept whole: what changed from one to the next,
and each file's text once."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Collection, Mapping, Sequence

from gateway.catalog.desk import Desk
from gateway.catalog.rows import Row, dumps, loads
from gateway.catalog.values import Applied
from gateway.catalog.writer import Transaction
from gateway.model import Event

NEWEST = "SELECT revision, number FROM policies ORDER BY number DESC LIMIT 1"
PUT = """
INSERT INTO policies (number, revision, files, reached, total, door, party, principal)
VALUES (?, ?, '', ?, ?, ?, ?, ?)"""
WHOLE = """
SELECT number, files FROM policies WHERE number <= ? AND files <> ''
ORDER BY number DESC LIMIT 1"""
CHANGED = """
SELECT name, digest FROM policy_changes c WHERE number > ?1 AND number <= ?2 AND number = (
  SELECT max(number) FROM policy_changes WHERE name = c.name AND number <= ?2)"""
CHANGE = "INSERT INTO policy_changes VALUES (?, ?, ?)"
KEEP = "INSERT OR IGNORE INTO policy_texts VALUES (?, ?)"
TEXT = "SELECT text FROM policy_texts WHERE digest = ?"
START = "INSERT OR IGNORE INTO rule_starts SELECT value, ?1 FROM json_each(?2)"
STARTS = """
SELECT s.rule, s.number FROM json_each(?) wanted JOIN rule_starts s ON s.rule = wanted.value"""
STEP_RULES = 1000
"""Rules looked up between two turns of the event loop."""

_APPLIED = "SELECT number, revision, door, party, principal FROM policies"
BEFORE = f"{_APPLIED} WHERE number < ? ORDER BY number DESC LIMIT ?"
NAMED = f"""
{_APPLIED} p WHERE revision >= ?1 AND revision < ?1 || 'g' AND number = (
  SELECT max(number) FROM policies WHERE revision = p.revision) ORDER BY number DESC LIMIT ?2"""
CHANGES_OF = "SELECT name FROM policy_changes WHERE number = ? ORDER BY name"
OF_FILE = """
SELECT p.number, p.revision, p.door, p.party, p.principal, c.digest
FROM policy_changes c JOIN policies p ON p.number = c.number
WHERE c.name = ? ORDER BY c.number DESC LIMIT ?"""
WAS_ONCE = """
SELECT t.text FROM policy_texts t WHERE t.digest = ?2 AND EXISTS (
  SELECT 1 FROM policy_changes WHERE name = ?1 AND digest = ?2)"""

FOLLOWED = """
SELECT EXISTS (SELECT 1 FROM policies WHERE reached = 0 AND number >= coalesce(
  (SELECT max(number) FROM policy_changes WHERE name = ?), 0))"""

Digests = Mapping[str, str]
"""A file's name -> SHA-256 (hex) of its text."""


class SqlitePolicies(Desk):
    async def put_policy(
        self,
        revision: str,
        files: Mapping[str, str],
        event: Event,
        *,
        starting: Collection[str] = (),
    ) -> None:
        digests = {name: _digest(text) for name, text in files.items()}
        packed = {digests[name]: text for name, text in files.items()}

        def work(tx: Transaction) -> None:
            before = _digests_in_force(tx)
            number = tx.number()
            who = (event.door, event.party, event.principal)
            tx.run(PUT, (number, revision, number, tx.versions, *who))
            for name in sorted(before.keys() | digests.keys()):
                digest = digests.get(name, "")
                if digest != before.get(name, ""):
                    tx.run(CHANGE, (name, number, digest))
                    if digest:
                        tx.run(KEEP, (digest, zlib.compress(packed[digest].encode())))
            tx.run(START, (number, dumps(sorted(starting))))
            tx.record(event, number)

        await self.write(work)

    async def policy(self) -> tuple[str, Mapping[str, str]] | None:
        row = self.reader.one(NEWEST)
        return (row[0], self._files(row[1])) if row else None

    async def policy_files(self, number: int) -> Mapping[str, str]:
        return self._files(number)

    async def policies(self, before: int, limit: int) -> Sequence[Applied]:
        return [self._applied(row) for row in self.reader.all(BEFORE, (before, limit))]

    async def policies_named(self, prefix: str, limit: int) -> Sequence[Applied]:
        return [self._applied(row) for row in self.reader.all(NAMED, (prefix, limit))]

    async def policy_changes(self, name: str, limit: int) -> Sequence[tuple[Applied, str]]:
        rows = self.reader.all(OF_FILE, (name, limit))
        return [
            (Applied(number, revision, door, party, principal, (name,)), digest)
            for number, revision, door, party, principal, digest in rows
        ]

    async def policy_followed(self, name: str) -> bool:
        return self.reader.one(FOLLOWED, (name,)) == (1,)

    async def policy_text(self, name: str, digest: str) -> str | None:
        row = self.reader.one(WAS_ONCE, (name, digest))
        return zlib.decompress(row[0]).decode() if row else None

    def _applied(self, row: Row) -> Applied:
        changed = self.reader.all(CHANGES_OF, (row[0],))
        number, revision, door, party, principal = row
        names = tuple(name for (name,) in changed)
        return Applied(number, revision, door, party, principal, names)

    def _files(self, number: int) -> Mapping[str, str]:
        base, whole = self.reader.one(WHOLE, (number,)) or (0, "{}")
        changed: Digests = dict(self.reader.all(CHANGED, (base, number)))
        kept = {name: text for name, text in loads(whole).items() if name not in changed}
        return kept | {name: self._text(digest) for name, digest in changed.items() if digest}

    def _text(self, digest: str) -> str:
        row = self.reader.one(TEXT, (digest,))
        return zlib.decompress(row[0]).decode() if row else ""

    async def rule_starts(self, rules: Collection[str]) -> Mapping[str, int]:
        wanted, found = sorted(rules), dict[str, int]()
        for first in range(0, len(wanted), STEP_RULES):
            some = dumps(wanted[first : first + STEP_RULES])
            found.update(self.reader.all(STARTS, (some,)))
            await asyncio.sleep(0)
        return found


def _digests_in_force(tx: Transaction) -> Digests:
    newest = tx.one(NEWEST)
    if newest is None:
        return {}
    base, whole = tx.one(WHOLE, (newest[1],)) or (0, "{}")
    before = {name: _digest(text) for name, text in loads(whole).items()}
    return before | dict(tx.all(CHANGED, (base, newest[1])))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
