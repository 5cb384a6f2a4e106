"""The check of a whole log names the first record that was tampered with, and how."""

from dataclasses import replace

import pytest

from gateway.audit import records
from gateway.audit.check import Check, Fault
from gateway.audit.notes import Checkpoint
from gateway.errors import InvalidArgument, LogDamaged
from tests.unit.audit.samples import ORIGIN, Log, log_of, row, sample

SIZE = 600
PLACES = [0, 1, 100, 254, 255, 256, 511, 512, 598]


@pytest.fixture(scope="module")
def log() -> Log:
    return sample(SIZE)


@pytest.fixture(scope="module")
def old(log: Log) -> Log:
    """The log as it was at 300 records: what a partner took away."""
    return log_of(log.rows[:300])


def found(log: Log, *kept: Checkpoint, export: Log | None = None) -> tuple[Fault, int] | None:
    finding = log.check(kept, export).finding
    return (finding.fault, finding.index) if finding else None


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257])
def test_a_whole_log_has_no_finding(size: int) -> None:
    log = sample(size)
    report = log.check([log_of(log.rows[: size // 2]).head], log_of(log.rows[: size // 3]))
    assert (report.sealed, report.unsealed, report.finding) == (size, 0, None)
    report.require_whole()


def test_records_after_the_checkpoint_are_counted_and_not_yet_vouched_for(log: Log) -> None:
    later = replace(log, rows=(*log.rows, row(600), row(601)))
    report = later.check()
    assert (report.sealed, report.unsealed, report.finding) == (600, 2, None)
    unsigned = Check(None)
    unsigned.feed(log.rows[:3], {})
    assert (unsigned.finish().unsealed, unsigned.finish().finding) == (3, None)


@pytest.mark.parametrize("at", [*PLACES, 599])
def test_a_changed_entry_is_named(log: Log, at: int) -> None:
    rows = list(log.rows)
    rows[at] = row(at, "forged")
    assert found(log.with_rows(rows)) == (Fault.CHANGED, at)


@pytest.mark.parametrize("at", [*PLACES, 599])
def test_a_flipped_bit_of_an_entry_is_named(log: Log, at: int) -> None:
    rows = list(log.rows)
    entry = bytearray(rows[at].entry)
    entry[-1] ^= 1
    rows[at] = replace(rows[at], entry=bytes(entry))
    assert found(log.with_rows(rows)) == (Fault.CHANGED, at)


@pytest.mark.parametrize("at", PLACES)
def test_a_dropped_record_is_named_whether_or_not_the_rest_was_renumbered(
    log: Log, at: int
) -> None:
    rows = [*log.rows[:at], *log.rows[at + 1 :]]
    assert found(log.with_rows(rows)) == (Fault.DROPPED, at)
    assert found(replace(log, rows=tuple(rows))) == (Fault.DROPPED, at)


@pytest.mark.parametrize("at", PLACES)
def test_an_inserted_record_is_named(log: Log, at: int) -> None:
    rows = [*log.rows[:at], row(at, "forged"), *log.rows[at:]]
    assert found(log.with_rows(rows)) == (Fault.INSERTED, at)


@pytest.mark.parametrize("at", PLACES)
def test_swapped_records_are_named(log: Log, at: int) -> None:
    rows = list(log.rows)
    rows[at], rows[at + 1] = rows[at + 1], rows[at]
    assert found(log.with_rows(rows)) == (Fault.MOVED, at)


@pytest.mark.parametrize("left", [0, 1, 255, 256, 599])
def test_a_log_cut_off_is_named_at_its_new_end(log: Log, left: int) -> None:
    assert found(log.with_rows(log.rows[:left])) == (Fault.CUT_OFF, left)


def test_a_value_changed_in_the_catalog_alone_is_named(log: Log) -> None:
    rows = list(log.rows)
    spoilt = rows[77].openings.replace(b"file-77", b"file-78")
    rows[77] = replace(rows[77], openings=spoilt)
    assert found(log.with_rows(rows)) == (Fault.VALUE, 77)
    rows[77] = replace(rows[77], openings=spoilt[:-1])
    assert found(log.with_rows(rows)) == (Fault.VALUE, 77)
    rows[77] = replace(log.rows[77], number=5)
    assert found(log.with_rows(rows)) == (Fault.VALUE, 77)


def test_only_the_first_of_several_is_named(log: Log) -> None:
    rows = list(log.rows)
    for at in (400, 20, 300):
        rows[at] = row(at, "forged")
    assert found(log.with_rows(rows)) == (Fault.CHANGED, 20)


def test_an_erasure_is_no_fault_and_is_counted(log: Log) -> None:
    rows = list(log.rows)
    rows[9] = replace(rows[9], openings=records.erase(rows[9].openings, ["key", "principal"]))
    report = log.with_rows(rows).check()
    assert (report.erased, report.finding) == (2, None)


@pytest.mark.parametrize("at", [3, 255, 256, 599])
def test_a_damaged_tile_is_told_from_a_changed_record(log: Log, at: int) -> None:
    name = (0, at // 256)
    tile = bytearray(log.tiles[name])
    tile[at % 256 * 32] ^= 1
    hurt = replace(log, tiles={**log.tiles, name: bytes(tile)})
    assert found(hurt) == (Fault.HASHES, at)


def test_a_damaged_upper_tile_and_a_missing_one_are_found(log: Log) -> None:
    for data in (bytes(64), b""):
        assert found(replace(log, tiles={**log.tiles, (1, 0): data})) == (Fault.HASHES, 0)
    without = {name: data for name, data in log.tiles.items() if name != (0, 1)}
    assert found(replace(log, tiles=without)) == (Fault.HASHES, 256)


def test_tiles_rewritten_with_the_records_do_not_give_the_signed_root(log: Log) -> None:
    rows = list(log.rows)
    rows[300] = row(300, "forged")
    rewritten = replace(log.with_rows(rows).resealed(), head=log.head)
    finding = rewritten.check().finding
    assert finding
    assert (finding.fault, finding.index, finding.until) == (Fault.REWRITTEN, 0, 600)


def test_a_leaf_tile_rewritten_under_old_upper_tiles_is_named_by_its_page(log: Log) -> None:
    rows = list(log.rows)
    rows[300] = row(300, "forged")
    new = log.with_rows(rows).resealed()
    mixed = replace(log, rows=new.rows, tiles={**new.tiles, (1, 0): log.tiles[1, 0]})
    finding = mixed.check().finding
    assert finding
    assert (finding.fault, finding.index, finding.until) == (Fault.HASHES, 256, 512)


# --- with the key stolen, only what was kept elsewhere tells ---


def forged(log: Log, at: int) -> Log:
    rows = list(log.rows)
    rows[at] = row(at, "forged")
    return log.with_rows(rows).resealed()


def test_a_fork_signed_anew_shows_against_a_kept_checkpoint(log: Log, old: Log) -> None:
    assert found(forged(log, 250)) is None
    finding = forged(log, 250).check([log_of(log.rows[:200]).head, old.head]).finding
    assert finding
    assert (finding.fault, finding.index, finding.until) == (Fault.REWRITTEN, 200, 300)
    assert found(forged(log, 400), old.head) is None


def test_a_fork_signed_anew_is_named_exactly_against_a_kept_export(log: Log, old: Log) -> None:
    assert found(forged(log, 250), export=old) == (Fault.CHANGED, 250)
    assert found(forged(log, 250), old.head, export=old) == (Fault.CHANGED, 250)


@pytest.mark.parametrize("left", [100, 256, 299])
def test_a_log_cut_off_and_signed_anew_shows_against_what_was_kept(
    log: Log, old: Log, left: int
) -> None:
    short = log_of(log.rows[:left])
    assert found(short) is None
    assert found(short, old.head) == (Fault.CUT_OFF, left)
    assert found(short, export=old) == (Fault.CUT_OFF, left)


def test_a_checkpoint_rolled_back_shows_against_a_newer_one(log: Log, old: Log) -> None:
    rolled = replace(log, head=old.head, tiles=old.tiles)
    assert found(rolled) is None
    assert found(rolled, log.head) == (Fault.ROLLED_BACK, 300)


def test_two_roots_signed_for_one_size_are_a_fork(log: Log) -> None:
    assert found(log, forged(log, 5).head) == (Fault.REWRITTEN, 0)


def test_an_order_of_numbers_that_goes_back_is_found(log: Log) -> None:
    rows = [*log.rows[:10], log.rows[11], log.rows[10], *log.rows[12:20]]
    assert found(log.with_rows(rows).resealed()) == (Fault.ORDER, 11)


def test_a_checkpoint_of_another_log_is_refused(log: Log) -> None:
    with pytest.raises(InvalidArgument):
        Check(log.head, [replace(log.head, origin=ORIGIN + "2")])


def test_a_report_with_a_finding_raises_with_index_and_kind(log: Log) -> None:
    with pytest.raises(LogDamaged) as caught:
        log.with_rows(log.rows[:9]).check().require_whole()
    assert caught.value.details == {"index": 9, "kind": "cut off"}
