"""The door from outside: nothing of asyncssh acts on our disk; errors, and their texts."""

from __future__ import annotations

import inspect
from typing import Any

import asyncssh
import pytest
from asyncssh.sftp import SFTPServerHandler

from gateway import errors
from gateway.sftp.channel import EXTENSIONS, Handler
from gateway.sftp.errors import STATUSES, status_of, text_of
from gateway.sftp.session import Session
from tests.sftp.bed import FILES, Bed
from tests.unit.test_errors import every

HARMLESS = {"channel", "connection", "env", "logger", "convert_attrs", "format_longname"}
"""Of asyncssh's server: what touches nothing but the session."""


def methods(cls: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(cls) if not name.startswith("_")}


def test_every_method_of_the_server_is_our_own() -> None:
    inherited = {
        name
        for name in methods(asyncssh.SFTPServer)
        if getattr(Session, name) is getattr(asyncssh.SFTPServer, name)
    }
    assert inherited == HARMLESS


def test_extensions_are_offered_only_where_they_mean_something() -> None:
    offered = {name for name, _ in Handler._extensions}
    assert offered == EXTENSIONS
    assert {name for name, _ in SFTPServerHandler._extensions} >= EXTENSIONS


def test_asyncssh_still_closes_files_where_we_step_in() -> None:
    """What channel.py overrides is there, and has the form that it had."""
    for name, ours in (("_cleanup", 2), ("_process_packet", 4), ("_process_limits", 2)):
        theirs = inspect.signature(getattr(SFTPServerHandler, name))
        assert len(theirs.parameters) == ours


DOMAIN = [kind for kind in every(errors.CrossdockError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", DOMAIN, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_text_without_anybodys_store(
    kind: type[errors.CrossdockError],
) -> None:
    error = errors.DocumentErrors([]) if kind is errors.DocumentErrors else kind("globex-inbox")
    status = status_of(error)
    assert isinstance(status, asyncssh.SFTPError)
    told = text_of(error)
    assert told or kind is errors.DocumentErrors
    named = issubclass(kind, errors.Unavailable | errors.StoreFault | errors.Damaged)
    assert not (named and "globex-inbox" in told)


def test_the_table_names_errors_alone() -> None:
    assert all(issubclass(kind, errors.CrossdockError) for kind in STATUSES)


# --- what a person reads -----------------------------------------------------------------------

REFUSALS = [
    ("put x /orders/elsewhere/x", "no grant for orders/elsewhere/x: in orders, acme may write in/"),
    ("put x /x", "no file can be here, only folders"),
    ("mkdir /new", "the policy files say what folders there are up here"),
    ("rename /orders/in /new", "the policy files say what folders there are up here"),
    ("rename /orders/in/a /new", "the policy files say what folders there are up here"),
    ("rmdir /orders/in", "the folder is not empty"),
    ("mkdir /orders/in/sub", "a file or folder of that name is there already"),
    ("rename /orders/in /orders/in/sub", "a folder can't be moved into itself"),
    ("rename /orders/in/a /orders/elsewhere/a", "no grant for orders/elsewhere/a"),
    ("ln -s /orders/in/a /orders/in/b", ""),
    ("rm /orders/none", ""),
    ("get /orders/none", ""),
]


@pytest.mark.parametrize(("line", "said"), REFUSALS)
def test_what_is_refused_says_why_on_the_jobs_own_log(bed: Bed, line: str, said: str) -> None:
    bed.local("x", b"x")
    bed.put("acme", "in/a", b"a", {})
    bed.put("acme", "in/sub/b", b"b", {})
    ran = bed.batch(line)
    assert ran.code == 1
    assert said in ran.err
    assert bed.keys("acme") == ["in/a", "in/sub/b"]


def test_who_may_not_consume_is_told_which_word_is_missing(bed: Bed) -> None:
    changed = FILES["globex.yaml"].replace(", consume: true", "")
    bed.edit({**FILES, "globex.yaml": changed})
    bed.put("acme", "in/a", b"a", {})
    ran = bed.batch("rename /orders/in/a /orders/archive/a", user="globex.erp")
    assert "says `consume: true`" in ran.err
    ran = bed.batch("rm /orders/in/a", user="globex.erp")
    assert ran.code == 1
    assert "says `consume: true`" in ran.err
    assert bed.keys("globex") == ["in/a"]


STATUS = [
    ("stat", ("/orders/in/none",), asyncssh.SFTPNoSuchFile),
    ("stat", ("/nowhere",), asyncssh.SFTPNoSuchFile),
    ("listdir", ("/orders/none",), asyncssh.SFTPNoSuchFile),
    ("listdir", ("/orders/in/a",), asyncssh.SFTPNoSuchFile),
    ("remove", ("/orders/in/none",), asyncssh.SFTPNoSuchFile),
    ("rename", ("/orders/in/none", "/orders/in/b"), asyncssh.SFTPNoSuchFile),
    ("rename", ("/orders/in/a", "/orders/in/c"), asyncssh.SFTPFailure),
    ("rmdir", ("/orders/none",), asyncssh.SFTPNoSuchFile),
    ("readlink", ("/orders/in/a",), asyncssh.SFTPOpUnsupported),
    ("symlink", ("/orders/in/a", "/orders/in/b"), asyncssh.SFTPOpUnsupported),
    ("statvfs", ("/",), asyncssh.SFTPOpUnsupported),
    ("truncate", ("/orders/in/a", 1), asyncssh.SFTPOpUnsupported),
    ("stat", (b"/orders/\xff",), asyncssh.SFTPFailure),
    ("stat", ("/orders/" + "k" * 1025,), asyncssh.SFTPFailure),
    ("stat", ("/orders/a%2Eb%2Fc",), asyncssh.SFTPNoSuchFile),
]


@pytest.mark.parametrize(("verb", "words", "status"), STATUS)
def test_statuses_on_the_wire(bed: Bed, verb: str, words: tuple[Any, ...], status: type) -> None:
    bed.put("acme", "in/a", b"a", {})
    bed.put("acme", "in/c", b"c", {})

    async def story() -> None:
        async with bed.client() as sftp:
            await getattr(sftp, verb)(*words)

    with pytest.raises(status) as error:
        bed.run(story())
    assert isinstance(error.value, asyncssh.SFTPError)
    assert "Uncaught" not in str(error.value)
    assert bed.read("acme", "in/a") == b"a"


def test_a_rename_of_version_3_keeps_what_has_the_name_and_posix_replaces_it(bed: Bed) -> None:
    bed.put("acme", "in/a", b"a", {})
    bed.put("acme", "in/c", b"c", {})

    async def story() -> None:
        async with bed.client() as sftp:
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.rename("/orders/in/a", "/orders/in/c")
            await sftp.posix_rename("/orders/in/a", "/orders/in/c")

    bed.run(story())
    assert bed.keys("acme") == ["in/c"]
    assert bed.read("acme", "in/c") == b"a"


def test_a_reader_writes_nothing(bed: Bed) -> None:
    bed.put("acme", "in/a", b"a", {})
    for line in ("put x /orders/in/x", "rm /orders/in/a", "mkdir /orders/in/new"):
        bed.local("x", b"x")
        ran = bed.batch(line, user="acme.reader")
        assert ran.code == 1
        assert "reader may not write" in ran.err or "Permission denied" in ran.err
    assert bed.batch("get /orders/in/a", user="acme.reader").code == 0
    assert bed.keys("acme") == ["in/a"]
