"""One event's proof verifies offline; a folder that a partner keeps needs the vkey alone."""

import base64
import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from gateway.audit import notes, proofs, records, tiles
from gateway.audit.check import Fault
from gateway.audit.disclosure import open_for
from gateway.audit.export import export_files, open_export, verify_export
from gateway.errors import BadInput, LogDamaged
from gateway.model import Event
from tests.unit.audit.samples import KEY, Log, Row, log_of, row, sample

VKEYS = [KEY.verifier]


class Batch(NamedTuple):
    record: records.Sealed
    events: tuple[bytes, ...]


def prove(log: Log, index: int) -> str:
    record = log.rows[index]
    opened = records.decode(record.openings)
    hash_at = tiles.hash_at(log.read, log.head.size)
    return proofs.make_proof(
        log.note, log.head.size, index, hash_at, entry=record.entry, openings=opened.fields
    )


@pytest.fixture(scope="module")
def log() -> Log:
    return sample(300)


@pytest.mark.parametrize("index", [0, 255, 256, 299])
def test_a_proof_says_what_was_disclosed(log: Log, index: int) -> None:
    proven = proofs.verify_proof(prove(log, index), VKEYS)
    assert (proven.index, proven.checkpoint) == (index, log.head)
    assert proven.fields["key"] == f"file-{index}"
    assert proven.signatures[0].verifier == KEY.verifier


def test_the_format_is_c2sps(log: Log) -> None:
    lines = prove(log, 7).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 7"
    assert prove(log, 7).endswith("\n\n" + log.note)


def changed_extra(proof: str, change: Callable[[Any], None]) -> str:
    lines = proof.split("\n")
    extra = json.loads(base64.b64decode(lines[1].removeprefix("extra ")))
    change(extra)
    lines[1] = "extra " + base64.b64encode(json.dumps(extra).encode()).decode()
    return "\n".join(lines)


def lie(extra: Any) -> None:
    extra["openings"][8][2] = "another-file"


def repeat(extra: Any) -> None:
    extra["openings"].append(extra["openings"][0])


def other_entry(extra: Any) -> None:
    extra["entry"] = base64.b64encode(row(7).entry).decode()


def no_list(extra: Any) -> None:
    extra["openings"] = 7


def short_salt(extra: Any) -> None:
    extra["openings"][0][1] = "AA=="


@pytest.mark.parametrize("change", [lie, repeat, other_entry, no_list, short_salt])
def test_a_proof_with_other_contents_proves_nothing(
    log: Log, change: Callable[[Any], None]
) -> None:
    with pytest.raises(BadInput):
        proofs.verify_proof(changed_extra(prove(log, 7), change), VKEYS)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("index 7", "index 8"),
        lambda text: text.replace("index 7", "index 07"),
        lambda text: text.replace("index 7", "index 9999999999999999999"),
        lambda text: text.replace("@v1", "@v2"),
        lambda text: text.replace("extra ", "other "),
        lambda text: text.replace("\n\n", "\nAAAA\n\n", 1),
        lambda text: text.replace("\n300\n", "\n301\n"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text + "x" * (1 << 20),
    ],
)
def test_a_damaged_proof_is_refused(log: Log, edit: Callable[[str], str]) -> None:
    damaged = edit(prove(log, 7))
    assert damaged != prove(log, 7)
    with pytest.raises(BadInput):
        proofs.verify_proof(damaged, VKEYS)


def test_a_proof_under_a_strangers_key_proves_nothing(log: Log) -> None:
    stranger = notes.Signer(KEY.name, bytes(32))
    with pytest.raises(BadInput):
        proofs.verify_proof(prove(log, 7), [stranger.verifier])


# --- reads ---


def batch_of(count: int) -> tuple[Log, Batch]:
    reads = [
        Event(
            kind="read",
            at=5,
            party="globex" if n % 2 else "hooli",
            principal=f"CANARY{n}",
            key=f"read-{n}",
            detail={"author": "acme"},
            readers=("acme", "globex" if n % 2 else "hooli"),
        )
        for n in range(count)
    ]
    batch = records.batch_of(5, [records.seal_read(r, os.urandom) for r in reads], os.urandom)
    sealed = records.seal(batch.record, 1002, os.urandom)
    record = Row(2, 1002, sealed.entry, sealed.openings)
    return log_of([row(0), row(1), record, row(3)]), Batch(sealed, batch.events)


def prove_read(log: Log, batch: Batch, index: int, party: str) -> str:
    events = [records.unpack(item) for item in batch.events]
    place = proofs.in_batch(
        index,
        batch.record.entry,
        records.decode(batch.record.openings),
        [item.entry for item in events],
    )
    event = events[index]
    return proofs.make_proof(
        log.note,
        log.head.size,
        2,
        tiles.hash_at(log.read, log.head.size),
        entry=event.entry,
        openings=open_for(records.decode(event.openings), party),
        batch=place,
    )


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_a_read_is_proved_through_its_batch(count: int) -> None:
    log, batch = batch_of(count)
    for index in range(count):
        proven = proofs.verify_proof(prove_read(log, batch, index, "acme"), VKEYS)
        assert proven.index == 2
        assert proven.fields["key"] == f"read-{index}"
        assert proven.fields["principal"] == f"CANARY{index}"


def test_the_proof_of_a_read_tells_nothing_of_the_others_in_its_batch() -> None:
    log, batch = batch_of(5)
    lines = prove_read(log, batch, 1, "globex").split("\n")
    extra = base64.b64decode(lines[1].removeprefix("extra "))
    assert b"CANARY1" in extra
    assert not any(f"CANARY{n}".encode() in extra for n in (0, 2, 3, 4))
    assert b"events" not in extra
    assert records.decode(batch.record.openings).value("detail/pad").encode() not in extra


def test_a_read_of_another_batch_is_not_proved() -> None:
    log, batch = batch_of(5)
    _, other = batch_of(5)

    def swap(extra: Any) -> None:
        extra["entry"] = base64.b64encode(records.unpack(other.events[1]).entry).decode()
        extra["openings"] = []

    def other_root(extra: Any) -> None:
        extra["batch"]["root"][0][2] = "00" * 32

    def other_field(extra: Any) -> None:
        opened = records.decode(batch.record.openings).fields[-2]
        salt = base64.b64encode(opened.salt).decode()
        extra["batch"]["root"] = [[opened.field, salt, opened.value]]

    def no_number(extra: Any) -> None:
        extra["batch"]["index"] = "1"

    for change in (swap, other_root, other_field, no_number):
        with pytest.raises(BadInput):
            proofs.verify_proof(changed_extra(prove_read(log, batch, 1, "acme"), change), VKEYS)


def test_an_erased_value_can_no_longer_be_shown_but_the_rest_still_proves(log: Log) -> None:
    record = log.rows[9]
    opened = records.decode(records.erase(record.openings, ["key"]))
    proof = proofs.make_proof(
        log.note,
        300,
        9,
        tiles.hash_at(log.read, 300),
        entry=record.entry,
        openings=opened.fields,
    )
    fields = proofs.verify_proof(proof, VKEYS).fields
    assert "key" not in fields
    assert fields["party"] == "acme"


# --- folders ---


def folder(log: Log) -> dict[str, bytes]:
    entries = (item.entry for item in log.rows)
    return dict(export_files(log.note, log.head.size, log.read, entries))


def test_an_exported_folder_verifies_with_the_vkey_alone(log: Log) -> None:
    files = folder(log)
    assert sorted(files) == [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ]
    export = open_export(files.get, VKEYS)
    report = verify_export(export, [log_of(log.rows[:100]).head])
    assert (report.sealed, report.finding) == (300, None)


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("tile/entries/001.p/44", (Fault.CUT_OFF, 256)),
        ("tile/0/001.p/44", (Fault.HASHES, 256)),
        ("tile/1/000.p/1", (Fault.HASHES, 0)),
    ],
)
def test_a_missing_file_is_named(log: Log, path: str, finding: tuple[Fault, int]) -> None:
    files = folder(log)
    del files[path]
    found = verify_export(open_export(files.get, VKEYS)).finding
    assert found
    assert (found.fault, found.index) == finding


def test_a_changed_entry_in_a_folder_is_named(log: Log) -> None:
    files = folder(log)
    entry = row(280).entry
    bundle = tiles.unbundle(files["tile/entries/001.p/44"], 44)
    files["tile/entries/001.p/44"] = tiles.bundle([*bundle[:24], entry, *bundle[25:]])
    found = verify_export(open_export(files.get, VKEYS)).finding
    assert found
    assert (found.fault, found.index) == (Fault.CHANGED, 280)


def test_a_folder_without_a_checkpoint_of_this_log_is_refused(log: Log) -> None:
    with pytest.raises(BadInput):
        open_export(lambda path: None, VKEYS)
    with pytest.raises(BadInput):
        open_export({"checkpoint": b"\xff"}.get, VKEYS)


def test_an_export_of_a_damaged_log_is_refused(log: Log) -> None:
    with pytest.raises(LogDamaged):
        list(export_files(log.note, 300, lambda name: b"", ()))
    with pytest.raises(LogDamaged):
        list(export_files(log.note, 300, log.read, [log.rows[0].entry]))
