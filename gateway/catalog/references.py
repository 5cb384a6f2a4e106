"""References to extents: who still needs the bytes of a store object.

What is counted is the object in the store: slices of one extent share its fate.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.catalog.rows import extents_of, loads
from gateway.catalog.writer import Transaction
from gateway.model import Extent

ADD = """
INSERT INTO extents VALUES (?, ?, ?, ?, 1, 0)
ON CONFLICT DO UPDATE SET refs = refs + 1, idle = 0, length = max(length, excluded.length)"""
DROP = """
UPDATE extents SET refs = refs - 1, idle = CASE WHEN refs > 1 THEN 0 ELSE ? END
WHERE party = ? AND store = ? AND key = ?"""


def add(tx: Transaction, extents: Iterable[Extent]) -> None:
    """One more thing needs these bytes, however many slices of an object it uses."""
    for (party, store, key), length in _objects(extents).items():
        tx.run(ADD, (party, store, key, length))


def drop(tx: Transaction, extents: Iterable[Extent]) -> None:
    now = tx.clock()
    for place in _objects(extents):
        tx.run(DROP, (now, *place))


def release_upload(tx: Transaction, upload: str, version: str) -> None:
    """Ends an upload: its parts go, with their references; `version` is what it became, or ""."""
    for (text,) in tx.all("SELECT rest FROM parts WHERE upload = ?", (upload,)):
        drop(tx, extents_of(loads(text)[0]))
    tx.run("DELETE FROM parts WHERE upload = ?", (upload,))
    if version:
        done = "UPDATE uploads SET version = ?, done = ? WHERE id = ?"
        tx.run(done, (version, tx.clock(), upload))
    else:
        tx.run("DELETE FROM uploads WHERE id = ?", (upload,))


def _objects(extents: Iterable[Extent]) -> dict[tuple[str, str, str], int]:
    objects: dict[tuple[str, str, str], int] = {}
    for extent in extents:
        if not extent.owned:
            continue
        place = (extent.party, extent.store, extent.key)
        objects[place] = max(objects.get(place, 0), extent.offset + extent.length)
    return objects
