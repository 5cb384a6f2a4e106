"""How a depot is named and pinned, and what becomes of a file: pure, so properties hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import quote

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import Imported
from gateway.errors import BadInput, ConfigError, DepotRefused, DepotUnavailable
from gateway.model import KEY_BYTES_MAX, OBJECT_BYTES_MAX, Grant, Held, Mode, ObjectRef, Version
from gateway.operations.depot import Depot, depot_of, pins_for
from gateway.operations.depot_walk import RemoteFile, Selection, Walk, depot_errors
from gateway.operations.importing import IMPORTED, KEPT, KNOWN, MTIME, judged
from gateway.policy.patterns import compiled
from tests.contract.memory import peak_growth_bytes

HOST = Depot("u", "files.example.com", 22, b"/")
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(names, st.integers(1, 65535), st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_an_address_says_what_was_put_into_it(user: str, port: int, path: bytes) -> None:
    text = f"sftp://{quote(user, safe='')}@h.example:{port}/{quote(path)}"
    found = depot_of(text)
    assert (found.user, found.host, found.port) == (user, "h.example", port)
    whole = b"/" + path
    expected = (whole[3:] or b".") if whole.startswith(b"/~/") else whole
    assert found.path == (expected.rstrip(b"/") or b"/")


@given(st.text())
def test_any_text_is_an_address_or_bad_input(text: str) -> None:
    try:
        found = depot_of(text)
    except BadInput:
        return
    assert found.user
    assert found.host


def test_an_address_with_ipv6_is_shown_as_it_was_written() -> None:
    found = depot_of("sftp://u@[::1]:2022/~/in/")
    assert (found.host, found.place, found.path) == ("::1", "[::1]:2022", b"in")


@given(st.text())
def test_any_text_is_a_host_key_or_bad_input(text: str) -> None:
    try:
        pins = pins_for(text, HOST)
    except (BadInput, ConfigError):
        return
    assert pins.fingerprints


def test_of_known_hosts_the_lines_of_this_host_count_alone() -> None:
    ours, theirs = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    lines = [f"{ours.export_public_key().decode().strip()}", theirs.export_public_key().decode()]
    text = f"ssh-files.example.com,files.example.com {lines[0]}\nssh-other.example {lines[1]}"
    assert pins_for(text, HOST).fingerprints == {ours.get_fingerprint()}
    with pytest.raises(BadInput, match="no key of"):
        pins_for(text, Depot("u", "ftp.example.com", 22, b"/"))
    assert pins_for("\n".join(lines), HOST).fingerprints == {
        ours.get_fingerprint(),
        theirs.get_fingerprint(),
    }


# --- what becomes of a file --------------------------------------------------------------------

seconds = st.integers(0, 2**33)
sizes = st.integers(0, 2**42)


def held(at: int, size: int, **how: Any) -> Held:
    version = Version("v", ObjectRef("b", "k"), "acme", "erp", "sftp", at * 10**9, size=size, **how)
    return Held(version, Grant("acme", Mode.OWN, "author", "r"))


@given(seconds, sizes, seconds)
def test_what_the_version_says_of_itself_is_known(mtime: int, size: int, at: int) -> None:
    file = RemoteFile("k", b"k", mtime, size)
    for text in (str(mtime), f"{mtime}.123456789"):
        assert judged(file, None, held(at, size, metadata={MTIME: text})) == KNOWN


@given(seconds, sizes, seconds, sizes)
def test_its_own_version_is_replaced_whichever_way_time_went(
    mtime: int, size: int, before: int, old: int
) -> None:
    file, known = RemoteFile("k", b"k", mtime, size), Imported(before, old, "v")
    same = (mtime, size) == (before, old)
    found = judged(file, known, held(2**33, old, metadata={MTIME: str(before)}))
    assert found == (KNOWN if same else IMPORTED)


@given(seconds, sizes, seconds, st.booleans(), st.sampled_from(["", "x", "-1", "1e3"]))
def test_of_what_others_wrote_the_newer_one_stays(
    mtime: int, size: int, at: int, marker: bool, text: str
) -> None:
    there = held(at, size + 1, marker=marker, metadata={MTIME: text} if text else {})
    found = judged(RemoteFile("k", b"k", mtime, size), Imported(1, 1, "other"), there)
    assert found == (KEPT if at > mtime else IMPORTED)
    assert judged(RemoteFile("k", b"k", mtime, size), None, None) == IMPORTED


# --- walking -----------------------------------------------------------------------------------


class Listed:
    """A depot's folders, made up as they are asked for."""

    def __init__(self, folders: dict[bytes, Any]) -> None:
        self.folders = folders

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        found = self.folders[path]
        if isinstance(found, Exception):
            raise found
        for name, kind in found:
            attrs = asyncssh.SFTPAttrs(type=kind, size=3, mtime=7)
            yield asyncssh.SFTPName(name, attrs=attrs)


DIR, FILE = asyncssh.FILEXFER_TYPE_DIRECTORY, asyncssh.FILEXFER_TYPE_REGULAR


def walked(
    folders: dict[bytes, Any],
    selection: Selection | None = None,
    client: type[Listed] = Listed,
) -> tuple[list[str], list[tuple[str, str]]]:
    left: list[tuple[str, str]] = []

    async def run() -> list[str]:
        session = cast(asyncssh.SFTPClient, client(folders))
        walk = Walk(
            session,
            b"/r",
            selection or Selection(),
            lambda path, what, _: left.append((path, what)),
        )
        return [file.path async for page in walk.pages() for file in page]

    return asyncio.run(run()), left


def test_names_that_lead_elsewhere_are_no_names() -> None:
    listed = [
        (b".", DIR),
        (b"..", DIR),
        (b"../up", FILE),
        (b"a/b", DIR),
        (b"", FILE),
        (b"ok", FILE),
    ]
    found, left = walked({b"/r": listed})
    assert found == ["ok"]
    assert [what for _, what in left] == ["refused"] * 3


def test_a_folder_that_is_not_given_holds_up_no_other() -> None:
    folders = {
        b"/r": [(b"no", DIR), (b"gone", DIR), (b"yes", DIR)],
        b"/r/no": asyncssh.SFTPPermissionDenied("not yours"),
        b"/r/gone": asyncssh.SFTPNoSuchFile("away"),
        b"/r/yes": [(b"a", FILE)],
    }
    found, left = walked(folders)
    assert found == ["yes/a"]
    assert sorted(left) == [("gone/", "failed"), ("no/", "failed")]
    with pytest.raises(DepotRefused):
        walked({b"/r": asyncssh.SFTPPermissionDenied("not yours")})
    with pytest.raises(DepotUnavailable):
        walked({**folders, b"/r/yes": asyncssh.SFTPConnectionLost("gone")})


def test_what_is_excluded_whole_is_not_looked_into() -> None:
    exclude = Selection(exclude=(compiled("archive/**"), compiled("*/old/**")))
    folders = {
        b"/r": [(b"archive", DIR), (b"in", DIR)],
        b"/r/in": [(b"old", DIR), (b"temp", DIR), (b"a", FILE)],
    }
    found, left = walked(folders, exclude)
    assert (found, left) == (["in/a"], [("in/temp/", "waiting")])


def test_what_a_listing_does_not_tell_is_asked_for() -> None:
    class Terse(Listed):
        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            for name in (b"file", b"gone", b"link", b"odd"):
                yield asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs())

        async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
            kinds = {b"/r/file": FILE, b"/r/link": asyncssh.FILEXFER_TYPE_SYMLINK}
            if path == b"/r/gone":
                raise asyncssh.SFTPNoSuchFile("away")
            return asyncssh.SFTPAttrs(
                type=kinds.get(path, asyncssh.FILEXFER_TYPE_UNKNOWN), size=1, mtime=1
            )

    found, left = walked({}, client=Terse)
    assert found == ["file"]
    assert left == [("gone", "failed"), ("link", "refused"), ("odd", "refused")]


def test_folders_without_end_come_to_one() -> None:
    class Endless(dict[bytes, Any]):
        def __missing__(self, key: bytes) -> Any:
            return [(b"deep", DIR)]

    found, left = walked(Endless())
    assert found == []
    ((path, what),) = left
    assert what == "refused"
    assert len(path) == KEY_BYTES_MAX + 1


def test_a_size_that_no_object_has_is_refused() -> None:
    class Huge(Listed):
        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            for size in (2**64 - 1, OBJECT_BYTES_MAX + 1, OBJECT_BYTES_MAX):
                attrs = asyncssh.SFTPAttrs(type=FILE, size=size, mtime=7)
                yield asyncssh.SFTPName(b"%d" % size, attrs=attrs)

    found, left = walked({}, client=Huge)
    assert found == [str(OBJECT_BYTES_MAX)]
    assert [what for _, what in left] == ["refused"] * 2


@given(st.text())
def test_a_depots_own_words_steer_no_terminal(text: str) -> None:
    with pytest.raises(DepotRefused) as caught, depot_errors(text):
        raise asyncssh.SFTPFailure(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1100


def test_a_folder_of_very_many_files_takes_no_more_memory_than_a_page() -> None:
    count = 300_000

    class Many:
        def __iter__(self) -> Any:
            return ((b"file-%07d.csv" % n, FILE) for n in range(count))

    async def run() -> int:
        client = cast(asyncssh.SFTPClient, Listed({b"/r": Many()}))
        pages = Walk(client, b"/r", Selection(), lambda *_: None).pages()
        return sum([len(page) async for page in pages])

    with peak_growth_bytes() as grown:
        assert asyncio.run(run()) == count
        assert grown() < 16 * 1024 * 1024
