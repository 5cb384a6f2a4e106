"""`crossdock sftp import`: what lies on another sFTP server becomes versions, once or again and
again, until jobs and partners have moved over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticCustomError

from gateway.cli import show
from gateway.cli.session import NO, Session, command
from gateway.errors import BadInput, ConfigError, CrossdockError
from gateway.identity import resolve
from gateway.operations.alone import alone
from gateway.policy.values import duration

COLUMNS = ("path", "outcome", "why")
COUNTED = ("imported", "known", "waiting", "kept", "refused", "failed")
WRONG = ("kept", "refused", "failed")
KEY_FILE_BYTES_MAX = 32 * 1024
EVERY_SECONDS_MIN = 10

Round = Callable[[], Mapping[str, Any]]

_INLINE_KEY = re.compile(r"SHA256:|(ssh|ecdsa|sk)-\S+\s")


def _span(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Seconds, of 30s, 15m, 12h; and of a bare 0."""
    try:
        return 0 if value == "0" else duration(value)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message()) from None


@click.command("import")
@click.argument("depot", metavar="sftp://USER@HOST[:PORT]/PATH")
@click.argument("target", metavar="BUCKET[/PREFIX]")
@click.option("--as", "party", required=True, help="The party that is to be the files' author.")
@click.option("--principal", default="", help="The party's principal that writes them.")
@click.option("--host-key", default="", help="SHA256:…, a public key, or a FILE with keys.")
@click.option("--identity", type=click.Path(path_type=Path), help="A private key's file.")
@click.option("--passphrase-from", default="", help="Of that key: env:NAME or file:PATH.")
@click.option("--password-from", default="", help="env:NAME or file:PATH.")
@click.option(
    "--ciphers",
    type=click.Choice(["modern", "legacy"]),
    default="modern",
    help="legacy: of old servers.",
)
@click.option("--follow", callback=_span, default="0", help="Again after so long, until Ctrl-C.")
@click.option("--settled", callback=_span, default="60s", help="Leave files younger than that.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only these paths.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Not these paths.")
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and write nothing.")
@command
def import_(session: Session, **options: Any) -> None:
    """Make the files below PATH of an sFTP server versions of BUCKET, with the times that they have
    there, and leave what is known already.

    Without --host-key it prints the key that the server shows, to be compared and pinned, and sends
    nothing. Interrupted, it goes on where it was when it is called again. With --follow it looks
    again and again, so that the old server and Crossdock run side by side. Nothing is deleted here
    when it goes there. Exits 1 if anything was left out that is complete.
    """
    arguments, follow = _arguments(options), options["follow"]
    if follow and follow < EVERY_SECONDS_MIN:
        raise BadInput(f"--follow takes {EVERY_SECONDS_MIN}s at least")

    def once() -> Mapping[str, Any]:
        with show.progress("importing", quiet=session.as_json) as progress:
            done: Mapping[str, Any] = session.do("sftp.import", arguments, progress, alone)
        return done

    told = Told(session.as_json, bool(follow))
    well = following(once, follow, told, time.sleep) if follow else told.round(once())
    if not well:
        raise SystemExit(NO)


def following(once: Round, every: int, told: Told, sleep: Callable[[float], None]) -> bool:
    """Rounds until Ctrl-C; whether the last one left nothing out. A depot or store that can't be
    reached is asked again in the next one, but for the first: there somebody is looking."""
    well = False
    try:
        well = told.round(once())
        while True:
            sleep(every)
            try:
                well = told.round(once())
            except (BadInput, ConfigError):
                raise
            except CrossdockError as error:
                well = False
                told.trouble(error.message)
    except KeyboardInterrupt:
        told.end()
    return well


@dataclass(frozen=True, slots=True)
class Told:
    """Says what came of each round: tables for people, JSON for programs, one line a round where
    there are several."""

    as_json: bool
    several: bool

    def round(self, done: Mapping[str, Any]) -> bool:
        """Whether nothing was left out."""
        if self.as_json and self.several:
            show.line({"at": _now(), **done})
        elif self.as_json:
            show.as_json(done)
        else:
            rows = [[each[name] for name in COLUMNS] for each in done["left"]]
            if rows:
                show.table("left out", COLUMNS, rows)
            show.say(f"{_now()} {self._summary(done)}" if self.several else self._summary(done))
        return not any(done[name] for name in WRONG)

    def trouble(self, text: str) -> None:
        if self.as_json:
            show.line({"at": _now(), "error": text})
        else:
            click.echo(f"{_now()} {show.safe(text)}; it is tried again", err=True)

    def end(self) -> None:
        if not self.as_json:
            click.echo("stopped", err=True)

    def _summary(self, done: Mapping[str, Any]) -> str:
        counts = ", ".join(f"{done[name]:,} {name}" for name in COUNTED if done[name])
        size = f" ({show.amount(done['bytes'])})" if done["bytes"] else ""
        dry = "would be: " if done["dry"] else ""
        return f"{dry}{counts or 'nothing there'}{size}"


def _arguments(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the running gateway is asked: files and variables are this command's own, so their
    contents go over, through a socket that its owner alone can open."""
    bucket, _, prefix = options["target"].partition("/")
    if options["identity"] and options["password_from"]:
        raise BadInput("give --identity or --password-from, not both")
    return {
        "depot": options["depot"],
        "bucket": bucket,
        "prefix": f"{prefix.rstrip('/')}/" if prefix else "",
        "party": options["party"],
        "principal": options["principal"],
        "host_key": _host_key(options["host_key"]),
        "identity": _file(options["identity"], "identity") if options["identity"] else "",
        "passphrase": _secret(options["passphrase_from"]),
        "password": _secret(options["password_from"]),
        "settled": options["settled"],
        "include": list(options["include"]),
        "exclude": list(options["exclude"]),
        "dry": options["dry_run"],
        "ciphers": options["ciphers"],
    }


def _host_key(text: str) -> str:
    return text if not text or _INLINE_KEY.match(text) else _file(Path(text), "host key")


def _secret(reference: str) -> str:
    return resolve(reference, Path()).reveal() if reference else ""


def _file(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(KEY_FILE_BYTES_MAX + 1)
        text = raw.decode()
    except OSError as error:
        raise BadInput(f"the {what}'s file {path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the {what}'s file {path} is not text") from error
    if len(raw) > KEY_FILE_BYTES_MAX:
        raise BadInput(f"the {what}'s file {path} is larger than {KEY_FILE_BYTES_MAX} bytes")
    return text


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
