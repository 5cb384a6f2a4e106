"""The operator's file, gateway.yaml, as one immutable value; every mistake has its place."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.errors import BadInput, ConfigError, DocumentErrors, Problem
from gateway.policy.complaints import parsed, place
from gateway.policy.costs import Prices
from gateway.policy.nodes import Tree
from gateway.policy.nodes import read as read_yaml
from gateway.policy.schema import Entry
from gateway.policy.values import Network, Reference, Text, mistake
from gateway.pricing import PricesEntry
from gateway.sections import (
    AuditEntry,
    LifecycleEntry,
    LimitsEntry,
    LogEntry,
    ScrubEntry,
    SftpEntry,
)

FILE_BYTES_MAX = 1024**2
SQLITE = "sqlite:///"
DOORS = ("s3", "sftp", "admin")

# --- single values -----------------------------------------------------------------------------


def host_and_port(text: str) -> str:
    """HOST:PORT, an IPv6 host in brackets; port 0 takes any free one."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})", text)
    if not match or int(match[2]) > 65535:
        raise mistake(f"`{text}` is no address; expected HOST:PORT like 127.0.0.1:9000")
    return text


def catalog_url(text: str) -> str:
    if text.startswith("postgresql:"):
        raise mistake("a catalog in PostgreSQL is not built yet; expected sqlite:///PATH")
    if not text.startswith(SQLITE) or text == SQLITE:
        raise mistake(f"`{text}` is no catalog; expected sqlite:///PATH, four slashes if absolute")
    return text


def door(value: Any) -> Any:
    """The short way to write a door without TLS."""
    return {"address": value} if isinstance(value, str) else value


def url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]+)?", text.rstrip("/")):
        raise mistake(f"`{text}` is no URL; expected one like https://files.example.com")
    return text.rstrip("/")


def host_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", text):
        raise mistake(f"`{text}` is no host name; expected one like s3.example.com, in lower case")
    return text


# --- the file's shape --------------------------------------------------------------------------


class TlsEntry(Entry):
    cert: Text = Field(description="The certificate chain, a PEM file.")
    key: Text = Field(description="Its private key, a PEM file.")


class DoorEntry(Entry):
    address: Annotated[str, AfterValidator(host_and_port)] = Field(description="HOST:PORT.")
    tls: TlsEntry | None = Field(default=None, description="Without it the door speaks plain HTTP.")


Door = Annotated[DoorEntry, BeforeValidator(door)]


def no_tls(value: Any) -> Any:
    """SSH brings its own protection."""
    if isinstance(value, dict) and "tls" in value:
        raise mistake("the sFTP door has no `tls`: SSH is protection of its own; leave it out")
    return door(value)


SftpDoor = Annotated[DoorEntry, BeforeValidator(no_tls)]


class ListenEntry(Entry):
    s3: Door | None = Field(default=None, description="The S3 door; without it, it stays shut.")
    admin: Door | None = Field(
        default=None, description="Health in detail and metrics; no keys asked."
    )
    sftp: SftpDoor | None = Field(
        default=None, description="The sFTP door; without it, it stays shut."
    )


class GatewayFile(Entry):
    """gateway.yaml: how one gateway runs. Every field has a default."""

    listen: ListenEntry = Field(
        default=ListenEntry(
            s3=DoorEntry(address="127.0.0.1:9000"), admin=DoorEntry(address="127.0.0.1:9001")
        ),
        description="The doors; one left out stays shut.",
    )
    catalog: Annotated[str, AfterValidator(catalog_url)] = Field(
        default="sqlite:///data/catalog.db", description="What is true: the one thing to back up."
    )
    state: Text = Field(default="data", description="Staging and the control socket; can be lost.")
    seal_key: Reference = Field(
        default="file:data/seal.key", description="Seals secrets in the catalog; made if absent."
    )
    policies: Text = Field(
        default="policies", description="The folder that the parties' staff edit."
    )
    apply: Literal["watch", "command"] = Field(
        default="watch",
        description="`watch`: an edit is in force within 2 s; `command`: the folder is a draft "
        "until `crossdock policy apply`.",
    )
    audit: AuditEntry = Field(default=AuditEntry(), description="The log of reads.")
    region: Text = Field(default="us-east-1", description="The region that clients sign for.")
    domain: Annotated[str, AfterValidator(host_name)] | None = Field(
        default=None,
        description="Virtual-hosted addressing below this name; absent: path style alone.",
    )
    external_url: Annotated[str, AfterValidator(url)] | None = Field(
        default=None, description="What clients sign for, behind a reverse proxy."
    )
    trusted_proxies: Annotated[list[Network], Field(max_length=100)] = Field(
        default=[], description="Networks whose X-Forwarded-For, -Host and -Proto count."
    )
    limits: LimitsEntry = Field(default=LimitsEntry(), description="What one client may take.")
    lifecycle: LifecycleEntry = Field(
        default=LifecycleEntry(), description="When buckets' lifecycle rules are applied."
    )
    scrub: ScrubEntry = Field(
        default=ScrubEntry(), description="How copies are compared with their receipts."
    )
    sftp: SftpEntry = Field(default=SftpEntry(), description="What jobs may take at the sFTP door.")
    prices: PricesEntry = Field(
        default=PricesEntry(), description="What storing and moving costs, for `costs` and plans."
    )
    log: LogEntry = Field(default=LogEntry(), description="What goes to stderr.")


# --- the value ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listen:
    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None
    door: str = ""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "sftp" if self.door == "sftp" else "https" if self.cert else "http"
        return f"{scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Config:
    """What gateway.yaml says; all paths absolute. `seal_key` stays a reference, and relative to
    `folder`. Durations in seconds, sizes in bytes."""

    file: Path
    listen: Mapping[str, Listen]
    catalog: Path
    state: Path
    seal_key: str
    policies: Path
    region: str
    domain: str
    external_url: str
    trusted_proxies: tuple[str, ...]
    audit: AuditEntry
    limits: LimitsEntry
    lifecycle: LifecycleEntry
    scrub: ScrubEntry
    sftp: SftpEntry
    prices: Prices
    log: LogEntry
    apply: Literal["watch", "command"] = "watch"

    @property
    def folder(self) -> Path:
        return self.file.parent


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the file. Its paths count from the working folder."""

    catalog: str = ""
    state: str = ""
    listen: Sequence[str] = ()  # DOOR=HOST:PORT


def read(file: Path, overrides: Overrides | None = None) -> Config:
    """DocumentErrors with every mistake and its place; BadInput for one on the command line."""
    name = str(file)
    tree = read_yaml(name, _text(file))
    entry, problems = parsed(name, tree, GatewayFile)
    if entry is None:
        raise DocumentErrors(problems)
    config = _config(file.absolute(), entry)
    absent = tuple(_absent(name, tree, config))
    if absent:
        raise DocumentErrors(absent)
    return _overridden(config, overrides or Overrides())


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigError(f"{file}: larger than {FILE_BYTES_MAX} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _config(file: Path, entry: GatewayFile) -> Config:
    folder = file.parent
    doors = {name: getattr(entry.listen, name) for name in DOORS}
    return Config(
        file=file,
        listen=MappingProxyType(
            {name: _listen(name, door, folder) for name, door in doors.items() if door is not None}
        ),
        catalog=_path(folder, entry.catalog.removeprefix(SQLITE)),
        state=_path(folder, entry.state),
        seal_key=entry.seal_key,
        policies=_path(folder, entry.policies),
        region=entry.region,
        domain=entry.domain or "",
        external_url=entry.external_url or "",
        trusted_proxies=tuple(entry.trusted_proxies),
        audit=entry.audit,
        limits=entry.limits,
        lifecycle=entry.lifecycle,
        scrub=entry.scrub,
        sftp=entry.sftp,
        prices=entry.prices.prices,
        log=entry.log,
        apply=entry.apply,
    )


def _listen(name: str, door: DoorEntry, folder: Path) -> Listen:
    host, _, port = door.address.rpartition(":")
    listen = Listen(host.strip("[]"), int(port), door=name)
    if door.tls is None:
        return listen
    return replace(listen, cert=_path(folder, door.tls.cert), key=_path(folder, door.tls.key))


def _path(folder: Path, text: str) -> Path:
    return Path(os.path.normpath(folder / text))


def _absent(name: str, tree: Tree, config: Config) -> Iterator[Problem]:
    """What the file names and the disk lacks."""
    if not config.policies.is_dir():
        text = f"there is no folder {config.policies}"
        yield Problem(name, *place(tree, ("policies",)), text)
    for door, listen in config.listen.items():
        for field, path in (("cert", listen.cert), ("key", listen.key)):
            if path is not None and not path.is_file():
                where = place(tree, ("listen", door, "tls", field))
                yield Problem(name, *where, f"there is no file {path}")


def _overridden(config: Config, given: Overrides) -> Config:
    here = Path.cwd()
    if given.catalog:
        url_of_it = _checked(catalog_url, given.catalog)
        config = replace(config, catalog=_path(here, url_of_it.removeprefix(SQLITE)))
    if given.state:
        config = replace(config, state=_path(here, given.state))
    listen = dict(config.listen)
    for text in given.listen:
        name, equals, where = text.partition("=")
        if name not in DOORS or not equals:
            raise BadInput(f"--listen {text}: expected {'=, '.join(DOORS)}= and HOST:PORT")
        door_there = listen.get(name)
        made = _listen(name, DoorEntry(address=_checked(host_and_port, where)), config.folder)
        tls = (door_there.cert, door_there.key) if door_there else (None, None)
        listen[name] = replace(made, cert=tls[0], key=tls[1])
    return replace(config, listen=MappingProxyType(listen))


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise BadInput(str(error)) from error
