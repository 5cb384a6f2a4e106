"""The authorization matrix of the sFTP door: operation x actor, among the same parties as the
others.

What is hidden is no such file, what may not be done is refused: with one event, and without a call
of any store.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPClient, SFTPServer

from tests.security.attempts import (
    ACTORS,
    EMPTY,
    MEMBER,
    NARROWED,
    OUTSIDER,
    READER,
    SERVED,
    SKIPPED,
    WITHDRAWN,
    WRITER,
)
from tests.security.filing import Filing, password_of
from tests.security.world import SECRET_BODY, SECRET_KEY, Prey, Watched

NONE, DENIED = "no such file", "denied"
ERRORS: Mapping[str, type[asyncssh.SFTPError]] = MappingProxyType(
    {NONE: asyncssh.SFTPNoSuchFile, DENIED: asyncssh.SFTPPermissionDenied}
)


def _row(*actors: str) -> Mapping[str, str]:
    return MappingProxyType(dict(zip(ACTORS, actors, strict=True)))


# fmt: off
EXPECTED: Mapping[str, Mapping[str, str]] = MappingProxyType({
    #                  outsider  member    withdrawn reader    writer    narrowed
    "root":       _row(EMPTY,    EMPTY,    EMPTY,    SERVED,   SERVED,   SERVED),
    "bucket":     _row(NONE,     SERVED,   SERVED,   SERVED,   SERVED,   SERVED),
    "list":       _row(NONE,     EMPTY,    EMPTY,    SERVED,   EMPTY,    EMPTY),
    "folder":     _row(NONE,     NONE,     NONE,     SERVED,   EMPTY,    NONE),
    "vault":      _row(NONE,     NONE,     NONE,     SERVED,   SERVED,   SERVED),
    "vault-read": _row(NONE,     NONE,     NONE,     SERVED,   DENIED,   NONE),
    "see":        _row(NONE,     NONE,     NONE,     SERVED,   NONE,     NONE),
    "read":       _row(NONE,     NONE,     NONE,     SERVED,   DENIED,   NONE),
    "write":      _row(NONE,     DENIED,   DENIED,   DENIED,   SKIPPED,  DENIED),
    "onto":       _row(NONE,     DENIED,   DENIED,   SKIPPED,  SKIPPED,  DENIED),
    "take":       _row(NONE,     NONE,     NONE,     DENIED,   SKIPPED,  NONE),
    "times":      _row(NONE,     NONE,     NONE,     DENIED,   NONE,     NONE),
    "make":       _row(NONE,     DENIED,   SKIPPED,  DENIED,   SKIPPED,  SKIPPED),
    "unmake":     _row(NONE,     DENIED,   NONE,     DENIED,   NONE,     NONE),
    "above":      _row(DENIED,   DENIED,   DENIED,   DENIED,   DENIED,   DENIED),
})
# fmt: on
"""By kind and actor. Who may only write is shown nothing but what it is writing."""

SECRET = f"/orders/{SECRET_KEY}"
HELD = "/acme-vault/held"
OWN: Mapping[str, str] = MappingProxyType(
    {
        OUTSIDER: "/umbra-own",
        MEMBER: "/globex-own",
        WITHDRAWN: "/hooli-own",
        READER: "/orders/other",
        WRITER: "/orders/other",
        NARROWED: "/orders/other",
    }
)
ABSENT = "/orders/invoices/absent/"
TMP, MINE = "draft.tmp", "mine.csv"
ACMES = ("secret.csv", "acme-vault", "invoices")

Act = Callable[[SFTPClient, str], Awaitable[Any]]


@dataclass(frozen=True)
class Attempt:
    """`act` gets the client, and a folder in which the actor may write, if it may write at all."""

    operation: str
    kind: str
    act: Act

    @property
    def name(self) -> str:
        return f"{self.operation}-{self.kind}"


async def lists(sftp: SFTPClient, path: str) -> list[str]:
    return [str(each) for each in await sftp.listdir(path)]


async def reads(sftp: SFTPClient, path: str) -> bytes:
    async with sftp.open(path, "rb") as file:
        return await file.read()


async def writes(sftp: SFTPClient, path: str, mode: str) -> None:
    async with sftp.open(path, mode) as file:
        await file.write(b"x")


async def times(sftp: SFTPClient, path: str) -> None:
    await sftp.utime(path, (1, 1))


ATTEMPTS = (
    Attempt("scandir", "root", lambda s, _: lists(s, "/")),
    Attempt("scandir", "list", lambda s, _: lists(s, "/orders")),
    Attempt("scandir", "folder", lambda s, _: lists(s, "/orders/invoices")),
    Attempt("scandir", "vault", lambda s, _: lists(s, "/acme-vault")),
    Attempt("stat", "bucket", lambda s, _: s.stat("/orders")),
    Attempt("stat", "vault", lambda s, _: s.stat("/acme-vault")),
    Attempt("stat", "see", lambda s, _: s.stat(SECRET)),
    Attempt("lstat", "see", lambda s, _: s.lstat(SECRET)),
    Attempt("setstat", "see", lambda s, _: s.chmod(SECRET, 0o600)),
    Attempt("setstat", "times", lambda s, _: times(s, SECRET)),
    Attempt("open", "read", lambda s, _: reads(s, SECRET)),
    Attempt("open", "vault-read", lambda s, _: reads(s, HELD)),
    *(Attempt("open", "write", lambda s, _, m=mode: writes(s, SECRET, m))  # type: ignore[misc]
      for mode in ("wb", "ab", "r+b", "xb")),
    Attempt("open", "write", lambda s, _: writes(s, f"{ABSENT}x", "wb")),
    Attempt("remove", "take", lambda s, _: s.remove(SECRET)),
    Attempt("rename", "take", lambda s, own: s.rename(SECRET, f"{own}/{MINE}")),
    Attempt("rename", "take", lambda s, own: s.rename("/orders/invoices", f"{own}/all")),
    Attempt("rename", "onto", lambda s, own: s.rename(f"{own}/{TMP}", SECRET)),
    Attempt("posix_rename", "take", lambda s, own: s.posix_rename(SECRET, f"{own}/{MINE}")),
    Attempt("posix_rename", "onto", lambda s, own: s.posix_rename(f"{own}/{TMP}", SECRET)),
    Attempt("mkdir", "make", lambda s, _: s.mkdir(f"{ABSENT}f")),
    Attempt("rmdir", "unmake", lambda s, _: s.rmdir(f"{ABSENT}f")),
    Attempt("mkdir", "above", lambda s, _: s.mkdir("/acme-fresh")),
    Attempt("rmdir", "above", lambda s, _: s.rmdir("/orders")),
    Attempt("rename", "above", lambda s, _: s.rename("/orders", "/mine")),
)  # fmt: skip

OF_HANDLES = {"close", "read", "write", "fsync", "fstat", "fsetstat"}
"""What is done with a file that was opened, which is where its right was asked for; a read asks
again (test_isolation)."""
OF_NAMES_ALONE = {"realpath"}
"""Tells what a name leads to, and not whether there is anything."""
NOT_SERVED = {
    *("open56", "lsetstat", "readlink", "symlink", "link", "lock", "unlock"),
    *("statvfs", "fstatvfs"),
}
INNER = {"convert_attrs", "format_longname", "format_user", "format_group", "exit"}
INNER |= {"map_path", "reverse_map_path", "channel", "connection", "env", "logger"}


def test_every_operation_has_a_row_in_the_matrix() -> None:
    public = {name for name, _ in inspect.getmembers(SFTPServer) if not name.startswith("_")}
    tried = {attempt.operation for attempt in ATTEMPTS}
    assert tried | OF_HANDLES | OF_NAMES_ALONE | NOT_SERVED == public - INNER


@pytest.fixture(scope="module")
def filing(watched: Watched, prey: Prey) -> Iterator[Filing]:
    assert prey
    with Filing(watched) as filing:
        for actor in ACTORS:
            filing.enter(actor)
            if actor != READER:
                draft = f"{OWN[actor]}/{TMP}"
                filing.ask(actor, lambda s, path=draft: writes(s, path, "wb"))  # type: ignore[misc]
        yield filing
        for actor in ACTORS:
            if actor != READER:
                draft = f"{OWN[actor]}/{TMP}"
                filing.ask(actor, lambda s, path=draft: s.remove(path))  # type: ignore[misc]


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda a: a.name)
def test_operation_refuses_whoever_has_no_right(
    watched: Watched, filing: Filing, attempt: Attempt, actor: str
) -> None:
    expected = EXPECTED[attempt.kind][actor]
    if expected == SKIPPED:
        return  # it may, and that would change what the other cells look at
    watch = watched.watch()
    found: Any = None
    error: asyncssh.SFTPError | None = None
    try:
        found = filing.ask(actor, lambda s: attempt.act(s, OWN[actor]))
    except asyncssh.SFTPError as raised:
        error = raised
    if expected in (SERVED, EMPTY):
        assert error is None
        assert not watch.refusals
        assert expected == SERVED or shows_nothing(found, actor)
        return
    assert type(error) is ERRORS[expected], error
    assert watch.journal == []
    (refusal,) = watch.refusals
    assert f"{refusal.party}/{refusal.principal}" == actor
    assert refusal.door == "sftp"


def shows_nothing(found: list[str], actor: str) -> bool:
    """A writer is told which folders it may write into."""
    hidden = ACMES[:-1] if actor == WRITER else ACMES
    return not any(name in hidden for name in found)


def test_a_served_read_is_the_secret(filing: Filing) -> None:
    assert filing.ask(READER, lambda s: reads(s, SECRET)) == SECRET_BODY


# --- strangers ---------------------------------------------------------------------------------

STRANGERS: Mapping[str, tuple[str, Mapping[str, object]]] = MappingProxyType(
    {
        "no proof": ("acme.erp", {"password": None}),
        "another password": ("acme.erp", {"password": password_of("globex.wms")}),
        "an empty password": ("acme.erp", {"password": ""}),
        "no such user": ("acme.nobody", {}),
        "no such party": ("nobody.erp", {}),
        "the name in capitals": ("ACME.ERP", {"password": password_of("acme.erp")}),
        "a space behind it": ("acme.erp ", {"password": password_of("acme.erp")}),
        "no name": ("", {"password": ""}),
    }
)


@pytest.mark.parametrize("how", STRANGERS)
def test_strangers_get_no_session(watched: Watched, filing: Filing, how: str) -> None:
    user, options = STRANGERS[how]
    watch = watched.watch()

    async def comes() -> None:
        async with await filing.connect(user, **options) as connection:
            await connection.start_sftp_client()

    with pytest.raises(asyncssh.PermissionDenied):
        watched.run(comes())
    assert (watch.journal, watch.events) == ([], [])
    proved = options.get("password", "x") is not None
    assert watch.strangers == (["127.0.0.1"] if proved else [])
