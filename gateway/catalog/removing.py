"""Copies that are taken away again, inside the catalog: by a delete marker, a recall, an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from gateway.catalog import promises, telling
from gateway.catalog.asking import Recall, Recalled, Removal, Request
from gateway.catalog.desk import Desk
from gateway.catalog.promises import AT_TARGET, CANCELLED, COPY, END, PARKED, SUPERSEDED, Place
from gateway.catalog.rows import KINDS, VERSION, Row, version_of
from gateway.catalog.values import Promise
from gateway.catalog.writer import Transaction
from gateway.errors import NoSuchVersion
from gateway.model import AGREED, DeliveryKind, Event, ObjectRef, Version

BY_ID = f"SELECT {VERSION} FROM versions v WHERE v.id = ? AND v.bucket = ? AND v.key = ?"
BY_NUMBER = f"SELECT {VERSION}, v.hides FROM versions v WHERE v.number = ?"
COPIES_OF = """
SELECT store, target FROM deliveries
WHERE number = ? AND party = ? AND kind = 'copy' AND state <= 2 AND gone = ''"""
CLAIMED = "SELECT token > 0 AND code <> 'DstObjectOccupied' FROM deliveries WHERE id = ?"
TAKEN_BACK = "UPDATE deliveries SET gone = ?1 WHERE id = ?2 AND kind = 'copy' AND ?1 = 'recall'"
OPEN = """
SELECT name FROM requests INDEXED BY requests_of_version
WHERE number = ? AND party = ? AND kind = ? AND answer = '' LIMIT 1"""
ASK = """
INSERT INTO requests (name, kind, number, author, party, asked_by, asked)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
ANSWER = "UPDATE requests SET answer = ?, answered = ?, answerer = ?, note = ? WHERE name = ?"
REQUEST = """
SELECT r.name, r.kind, v.bucket, v.key, v.id, v.author, r.party, r.asked_by, r.asked, r.answer,
       r.answered, r.answerer, r.note, r.number
FROM requests r JOIN versions v ON v.number = r.number"""
ONE = f"{REQUEST} WHERE r.name = ? AND r.answer = '' AND ? IN ('', r.party)"
NAMED = f"{REQUEST} WHERE r.name = ?"
EVERY = f"{REQUEST} WHERE r.id > coalesce((SELECT id FROM requests WHERE name = ?), 0)"
OF_PARTY = f"{EVERY} AND r.party = ?"
OF_AUTHOR = f"{EVERY} AND r.author = ?"
OPEN_ONLY = " AND r.answer = ''"
IN_ORDER = " ORDER BY r.id LIMIT ?"

NAME_BYTES = 8
REMOVAL, RECALL = DeliveryKind.REMOVAL, DeliveryKind.RECALL


class SqliteAsking(Desk):
    async def recall(self, recall: Recall) -> Recalled:
        return await self.write(partial(_recall, recall=recall))

    async def requests(
        self,
        *,
        party: str = "",
        author: str = "",
        open_only: bool = False,
        after: str = "",
        limit: int = 1000,
    ) -> Sequence[Request]:
        one = OF_PARTY if party else OF_AUTHOR if author else EVERY
        sql = f"{one}{OPEN_ONLY if open_only else ''}{IN_ORDER}"
        of = (party or author,) if party or author else ()
        return [_request(row) for row in self.reader.all(sql, (after, *of, limit))]

    async def request(self, request: str) -> Request | None:
        row = self.reader.one(NAMED, (request,))
        return _request(row) if row else None

    async def answer(
        self, request: str, party: str, answer: str, note: str, tell: Callable[[Request], Event]
    ) -> Request | None:
        said = (answer, note, tell)
        return await self.write(partial(_answer, request=request, party=party, said=said))


# --- a delete marker ---------------------------------------------------------------------------


def follow(
    tx: Transaction, marker: Version, hides: int, removals: Iterable[Removal], number: int
) -> None:
    """The copies of what a marker hides follow it, or their owners are asked."""
    for each in removals:
        places = _places(tx, each.party, hides)
        if each.target:
            places.add((each.party, each.store, each.target))
        there = [place for place in sorted(places) if _has_copy(tx, marker.ref, place)]
        for place in there if each.agreed else ():
            _promise(tx, marker, place, REMOVAL, each.rule, number)
        if there and not each.agreed and not _open_request(tx, marker, each.party, REMOVAL):
            _ask(tx, marker, each.party, REMOVAL, marker.author, number)
            tx.record(each.event, number)


def _places(tx: Transaction, party: str, number: int) -> set[Place]:
    """Where a version's copies lie, or are on their way to."""
    return {(party, store, target) for store, target in tx.all(COPIES_OF, (number, party))}


def _has_copy(tx: Transaction, ref: ObjectRef, place: Place) -> bool:
    return any(
        kind == COPY and (bucket, key) == (ref.bucket, ref.key)
        for _, _, kind, _, _, bucket, key, _ in tx.all(AT_TARGET, place)
    )


def _promise(
    tx: Transaction, version: Version, place: Place, kind: DeliveryKind, rule: str, number: int
) -> bool:
    """Ends what was not sent to a place yet (of a recall: of that version alone); promises to
    remove what lies there, or may lie there by now. Returns whether there is anything to remove."""
    now = tx.clock()
    there = waits = False
    for id_, about, was, state, lease, *ref, _ in tx.all(AT_TARGET, place):
        ours = tuple(ref) == (version.ref.bucket, version.ref.key)
        ours = ours and (kind is REMOVAL or about == version.number)
        stands = kind is REMOVAL and was == RECALL.value  # a recall does, whatever is deleted
        if ours and not stands and promises.unsent(state, lease, now):
            there = there or KINDS[was].removes or bool(tx.all(CLAIMED, (id_,))[0][0])
            tx.run(END, (SUPERSEDED if kind is REMOVAL else CANCELLED, id_))
            tx.run(TAKEN_BACK, (kind.value, id_))
            telling.delivered(tx, id_)
        else:
            there = there or ours
            waits = waits or state <= PARKED
    if there:
        promise = Promise(*place, rule, kind)
        promises.insert(tx, version, promise, number, head=not waits)
    tx.run(promises.PROMOTE, place)
    return there


# --- recalls and requests ----------------------------------------------------------------------


def _recall(tx: Transaction, recall: Recall) -> Recalled:
    row = tx.one(BY_ID, (recall.version, recall.ref.bucket, recall.ref.key))
    if row is None:
        raise NoSuchVersion
    version = version_of(row)
    places = sorted(_places(tx, recall.party, version.number))
    if not places:
        return Recalled()
    open_one = _open_request(tx, version, recall.party, RECALL)
    if not recall.rule and open_one:
        return Recalled(request=open_one)
    number = tx.number()
    tx.record(recall.event, number)
    if recall.rule:
        made = [_promise(tx, version, place, RECALL, recall.rule, number) for place in places]
        return Recalled(sum(made))
    return Recalled(request=_ask(tx, version, recall.party, RECALL, recall.asked_by, number))


def _answer(
    tx: Transaction,
    request: str,
    party: str,
    said: tuple[str, str, Callable[[Request], Event]],
) -> Request | None:
    row = tx.one(ONE, (request, party))
    if row is None:
        return None
    answer, note, tell = said
    number = tx.number()
    tx.run(ANSWER, (answer, number, party, note, request))
    *columns, about = row
    version_row = tx.all(BY_NUMBER, (about,))[0]
    version, hides = version_of(version_row[:-1]), version_row[-1]
    found = _request((*columns, about))
    if answer == "yes":
        copied = hides if found.kind is REMOVAL else version.number
        for place in sorted(_places(tx, found.party, copied)):
            _promise(tx, version, place, found.kind, f"{AGREED}{request}", number)
    tx.record(tell(found), number)
    return _request((*columns[:9], answer, number, party, note, about))


def _open_request(tx: Transaction, version: Version, party: str, kind: DeliveryKind) -> str:
    row = tx.one(OPEN, (version.number, party, kind.value))
    return row[0] if row else ""


def _ask(
    tx: Transaction, version: Version, party: str, kind: DeliveryKind, by: str, number: int
) -> str:
    name = tx.salts(NAME_BYTES).hex()
    tx.run(ASK, (name, kind.value, version.number, version.author, party, by, number))
    return name


def _request(row: Row) -> Request:
    """From the columns of REQUEST."""
    id_, kind, bucket, key, *rest, _ = row
    return Request(id_, KINDS[kind], ObjectRef(bucket, key), *rest)
