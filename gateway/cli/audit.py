"""`crossdock audit`: check the log, take a checkpoint away, prove one event, export it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from gateway.audit.check import Report
from gateway.audit.check import audit as check_log
from gateway.audit.disclosure import open_for
from gateway.audit.export import export_files, open_export, verify_export
from gateway.audit.notes import Checkpoint, Verifier, open_checkpoint, parse_vkey
from gateway.audit.proofs import InBatch, in_batch, make_proof, verify_proof
from gateway.audit.records import Opened, decode, unpack
from gateway.audit.tiles import hash_at
from gateway.catalog import Catalog
from gateway.cli import show
from gateway.cli.log import LogReader, beside
from gateway.cli.session import NO, Session, command, quiet, ref_of
from gateway.errors import BadInput, NotFound
from gateway.model import ObjectRef
from gateway.operations.keys import LOG_VERIFIER

FILE_CHARS_MAX = 1_100_000
T = TypeVar("T")
key_option = click.option(
    "--key", "vkey", default="", help="The log's public key, from where you keep it."
)


@click.group()
def audit() -> None:
    """The log of all that happened: verify, checkpoint, prove, export."""


@audit.command()
@click.option(
    "--checkpoint",
    "kept",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A checkpoint that was kept elsewhere.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Verify an export, not a catalog.")
@click.option("--proof", type=click.Path(path_type=Path), help="Verify one proof alone.")
@key_option
@command
def verify(
    session: Session, kept: Sequence[Path], folder: Path | None, proof: Path | None, vkey: str
) -> None:
    """Recompute the whole log, and name the first record that was changed, inserted, dropped or
    cut off. Without a checkpoint kept elsewhere, a log that was rewritten whole and signed anew
    looks right. With --folder or --proof (and --key) no gateway is needed."""
    if proof is not None:
        _verify_proof(session, _text(proof), vkey)
    elif folder is not None:
        _report(session, _verify_folder(folder, kept, parse_vkey(vkey)))
    else:
        _report(session, _read(session, "verifying", partial(_verify_log, kept, vkey)))


def _verify_log(kept: Sequence[Path], vkey: str, reader: LogReader) -> Report:
    verifier = _verifier(reader, vkey)
    notes = [open_checkpoint(_text(path), [verifier])[0] for path in kept]
    head = _head(reader, verifier)
    return check_log(reader.records(), reader.tile, head, kept=notes)


def _verify_folder(folder: Path, kept: Sequence[Path], verifier: Verifier) -> Report:
    def read_file(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.is_file() else None

    notes = [open_checkpoint(_text(path), [verifier])[0] for path in kept]
    return verify_export(open_export(read_file, [verifier]), notes)


def _verify_proof(session: Session, text: str, vkey: str) -> None:
    proven = verify_proof(text, [parse_vkey(vkey)])
    if session.as_json:
        show.as_json({"index": proven.index, "log": proven.checkpoint.size, **proven.fields})
        return
    title = f"record {proven.index} of {proven.checkpoint.origin}, as disclosed"
    show.table(title, ("field", "value"), list(proven.fields.items()))


def _report(session: Session, report: Report) -> None:
    if session.as_json:
        finding = asdict(report.finding) if report.finding else None
        if finding and report.finding:
            finding["fault"] = report.finding.fault.value
        show.as_json({"whole": finding is None, **asdict(report), "finding": finding})
    elif report.finding is None:
        show.say(f"The log is whole: {report.sealed} records under the newest checkpoint,")
        show.say(f"{report.unsealed} newer ones; {report.erased} values were erased.")
    else:
        show.say(f"NOT WHOLE at record {report.finding.index}: {report.finding.text}")
    if report.finding is not None:
        raise SystemExit(NO)


@audit.command()
@command
def checkpoint(session: Session) -> None:
    """Seal what the log holds and print its signed checkpoint. Keep it where nobody who runs this
    gateway can reach it."""
    made = session.do("audit.checkpoint", {}, quiet)
    if session.as_json:
        show.as_json(made)
    else:
        click.echo(made["checkpoint"], nl=False)
        click.echo(f"Verify it with --key {made['key']}", err=True)


@audit.command()
@click.argument("what", metavar="INDEX|BUCKET/KEY")
@click.option("--event", type=int, help="Which event, in a batch of reads.")
@click.option("--version", default="", help="Of a key: the version whose write is to be proved.")
@click.option("--party", default="", help="Disclose only what this party may learn.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; else stdout.")
@command
def prove(
    session: Session, what: str, event: int | None, version: str, party: str, out: Path | None
) -> None:
    """The proof of one event, as a file that verifies offline (`audit verify --proof`)."""

    def work(reader: LogReader) -> str:
        index = int(what) if what.isdecimal() else _find(reader, ref_of(what), version)
        return _proof(reader, index, event, party)

    proof = _read(session, "proving", work)
    if out is not None:
        out.write_text(proof)
    elif session.as_json:
        show.as_json({"proof": proof})
    else:
        click.echo(proof, nl=False)


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path))
@command
def export(session: Session, folder: Path) -> None:
    """The log as a folder of static files (C2SP tlog-tiles): entries, hashes and checkpoint, no
    openings. Anybody may have it."""

    def work(reader: LogReader) -> int:
        size, note = _published(reader)
        entries = (record.entry for record in reader.records(size))
        count = 0
        for name, data in export_files(note, size, reader.tile, entries):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            count += 1
        return count

    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty")
    count = _read(session, "exporting", work)
    if session.as_json:
        show.as_json({"folder": str(folder), "files": count})
    else:
        show.say(f"{count} files in {folder}")


def _read(session: Session, title: str, work: Callable[[LogReader], T]) -> T:
    with show.progress(title, quiet=session.as_json) as progress:

        async def story(catalog: Catalog) -> T:
            return await beside(catalog, progress, work)

        return session.read(story)


def _verifier(reader: LogReader, vkey: str) -> Verifier:
    """The key to believe: the one given, else the one that the catalog itself names."""
    if vkey:
        return parse_vkey(vkey)
    stored = reader.wait(reader.catalog.get(LOG_VERIFIER))
    if stored is None:
        raise NotFound("this catalog has no log key yet: start the gateway once")
    return parse_vkey(stored.decode())


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(FILE_CHARS_MAX)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} can't be read: {error}") from error


def _head(reader: LogReader, verifier: Verifier) -> Checkpoint | None:
    published = reader.wait(reader.catalog.checkpoint())
    return open_checkpoint(published[2], [verifier])[0] if published else None


def _published(reader: LogReader) -> tuple[int, str]:
    published = reader.wait(reader.catalog.checkpoint())
    if published is None:
        raise NotFound("the log has no checkpoint yet: `crossdock audit checkpoint`")
    return published[0], published[2]


def _find(reader: LogReader, ref: ObjectRef, version: str) -> int:
    """The newest record of a write of this key (and version)."""
    found = None
    for record in reader.records():
        opened = decode(record.openings)
        same_key = (opened.value("bucket"), opened.value("key")) == (ref.bucket, ref.key)
        same_version = version in ("", opened.value("version"))
        if same_key and same_version and opened.value("kind") == "write":
            found = record.index
    if found is None:
        raise NotFound(f"the log holds no write of {ref} {version}".rstrip())
    return found


def _proof(reader: LogReader, index: int, event: int | None, party: str) -> str:
    size, note = _published(reader)
    found = reader.opened(index)
    if found is None:
        raise NotFound(f"the log holds no record {index}")
    if index >= size:
        raise NotFound(f"record {index} is newer than the checkpoint: `crossdock audit checkpoint`")
    record, opened = found
    entry, batch = record.entry, None
    if event is not None:
        entry, opened, batch = _event_in(reader, index, event, record.entry, opened)
    openings = open_for(opened, party) if party else opened.fields
    if not openings:
        raise NotFound(f"nothing of record {index} is {party}'s to know")
    hashes = hash_at(reader.tile, size)
    return make_proof(note, size, index, hashes, entry=entry, openings=openings, batch=batch)


def _event_in(
    reader: LogReader, index: int, event: int, record: bytes, opened: Opened
) -> tuple[bytes, Opened, InBatch]:
    stored = [unpack(each) for each in reader.wait(reader.catalog.reads_of(index))]
    if not 0 <= event < len(stored):
        raise NotFound(f"record {index} keeps {len(stored)} events, counted from 0")
    batch = in_batch(event, record, opened, [each.entry for each in stored])
    return stored[event].entry, decode(stored[event].openings), batch
