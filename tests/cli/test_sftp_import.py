"""`crossdock sftp import` on a whole gateway: another sFTP server's files, once or followed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from asyncio import to_thread
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import asyncssh
import pytest

from gateway.app import Running
from gateway.errors import CrossdockError
from gateway.exchange import Draft
from gateway.model import Caller, ObjectRef, Principal
from gateway.operations.control import ask
from gateway.operations.importing import PART_BYTES, TRANSFERS_MAX
from gateway.telemetry import log_to
from tests.cli.depot import PASSWORD, DepotServer
from tests.cli.site import Site, eventually, first, s3
from tests.counterparts import servers

INTO = "orders/invoices"


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[DepotServer]:
    (tmp_path / "depot").mkdir()
    with DepotServer(tmp_path / "depot").running() as server:
        yield server


def start(site: Site) -> None:
    """The first start puts the policy in force."""
    asyncio.run(site.running(lambda gateway: asyncio.sleep(0)))


def content(client: Any, key: str) -> bytes:
    body: bytes = client.get_object(Bucket="orders", Key=key)["Body"].read()
    return body


def test_files_become_versions_with_their_times_and_are_shared_by_policy(
    site: Site, depot: DepotServer
) -> None:
    depot.lay("a.csv", b"one")
    depot.lay("2012/deep/b ä.csv", b"two", 1000000000)
    depot.lay("empty", b"")

    async def story(gateway: Running) -> None:
        done = await to_thread(site.ask, *depot.words(INTO, "--principal", "erp"))
        assert (done["imported"], done["bytes"], done["left"]) == (3, 6, [])
        acme, initech = first(gateway, "acme", "erp"), first(gateway, "initech")
        for client in (acme, initech):
            assert await to_thread(content, client, "invoices/a.csv") == b"one"
            assert await to_thread(content, client, "invoices/2012/deep/b ä.csv") == b"two"
            assert await to_thread(content, client, "invoices/empty") == b""
        head = await to_thread(acme.head_object, Bucket="orders", Key="invoices/a.csv")
        assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-meta-mtime"] == "1354040105"
        assert head["ContentType"] == "text/csv"
        catalog = gateway.house.catalog
        held = await catalog.head("acme", ObjectRef("orders", "invoices/a.csv"))
        assert held is not None
        shown = await catalog.shown_times("acme", [held.version.id])
        assert list(shown.values()) == [1354040105]

        async def copied() -> bool:
            return (site.folder / "globex/in/invoices/2012/deep/b ä.csv").exists()

        await eventually(copied)
        reads = len(depot.reads)
        again = await to_thread(site.ask, *depot.words(INTO, "--principal", "erp"))
        assert (again["imported"], again["known"], len(depot.reads)) == (0, 3, reads)

    asyncio.run(site.running(story))
    (row,) = site.ask("history", "orders/invoices/a.csv")["versions"]
    assert (row["principal"], row["door"]) == ("erp", "sftp")
    assert site.call("audit", "verify").exit_code == 0


def test_without_a_gateway_it_goes_by_the_policy_in_force(site: Site, depot: DepotServer) -> None:
    depot.lay("in/a.csv")
    depot.lay("other/b.csv")
    start(site)
    dry = site.ask(*depot.words(INTO, "--dry-run", path="/in"))
    assert (dry["imported"], dry["dry"], depot.reads) == (1, True, [])
    result = site.call(*depot.words(INTO, path="/in"))
    assert (result.exit_code, result.stdout) == (0, "1 imported (7 B)\n")
    assert len(site.ask("who-has", "orders/invoices/a.csv")["holders"]) == 3
    again = site.ask(*depot.words(INTO, path="/in/"))
    assert (again["imported"], again["known"]) == (0, 1)


def test_from_openssh_itself(site: Site) -> None:
    """Enough bytes for many requests at once, names of any kind, folders in folders."""
    start(site)
    big = os.urandom(1024 * 1024) * 20
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(servers.sshd())
        except servers.Absent as error:
            pytest.skip(str(error))
        for name, data in (("big.bin", big), ("a b/ü/c.csv", b"c"), ("a b/empty", b"")):
            path = server.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (1354040105, 1354040105))
        (server.folder / "link").symlink_to("big.bin")
        (server.folder / "shut").write_bytes(b"x")
        os.utime(server.folder / "shut", (5, 5))
        (server.folder / "shut").chmod(0)
        words = ("sftp", "import", f"sftp://{server.user}@127.0.0.1:{server.port}{server.folder}")
        known = ("--as", "acme", "--host-key", server.host_key, "--identity", str(server.key))
        done = site.ask(*words, INTO, *known, code=1)
        outcomes = {each["path"]: each["outcome"] for each in done["left"]}
        assert outcomes == {"link": "refused", "shut": "failed"}
        assert done["imported"] == 3
        assert site.ask(*words, INTO, *known, code=1)["known"] == 3

    async def story(gateway: Running) -> None:
        made = await to_thread(site.ask, "key", "create", "acme", "erp")
        client = s3(gateway, made["id"], made["secret"])
        assert await to_thread(content, client, "invoices/big.bin") == big
        assert await to_thread(content, client, "invoices/a b/ü/c.csv") == b"c"

    asyncio.run(site.running(story))


# --- whom it trusts ----------------------------------------------------------------------------


def test_without_a_host_key_it_prints_the_one_that_is_shown_and_sends_nothing(
    site: Site, depot: DepotServer
) -> None:
    start(site)
    depot.lay("a.csv")
    result = site.call("sftp", "import", depot.url(), INTO, "--as", "acme")
    assert result.exit_code == 2
    assert depot.fingerprint() in result.stderr
    assert " ".join(depot.public_key().split()[:2]) in result.stderr
    assert (depot.logins, depot.sessions) == (0, 0)


def test_another_host_key_than_the_pinned_one_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "depot").mkdir()
    start(site)
    depot, other = (DepotServer(tmp_path / "depot") for _ in range(2))
    with depot.running():
        words = depot.words(INTO)
        pinned = depot.fingerprint()
    other.port, other.client_key = depot.port, depot.client_key
    with other.running():
        result = site.call(*words)
    assert result.exit_code == 2
    assert "is not the one that is pinned" in result.stderr
    assert pinned in result.stderr
    assert other.fingerprint() in result.stderr
    assert other.logins == 0


def test_a_key_is_pinned_in_every_form_that_people_have(site: Site, tmp_path: Path) -> None:
    (tmp_path / "depot").mkdir()
    start(site)
    with DepotServer(tmp_path / "depot", "ssh-ed25519", "ssh-rsa").running() as depot:
        depot.lay("a.csv")
        (tmp_path / "keys").write_text(f"# theirs\n{depot.public_key(1)}")
        known = f"elsewhere {depot.public_key(0)}[127.0.0.1]:{depot.port} {depot.public_key(1)}"
        (tmp_path / "known").write_text(known)
        (tmp_path / "others").write_text(f"elsewhere {depot.public_key(0)}")
        for form in (
            depot.fingerprint(0),
            depot.fingerprint(1),
            depot.public_key(0),
            depot.public_key(1),
            str(tmp_path / "keys"),
            str(tmp_path / "known"),
        ):
            done = site.ask(*depot.words(INTO), "--host-key", form)
            assert done["imported"] + done["known"] == 1, form
        for form in (str(tmp_path / "others"), str(tmp_path / "absent"), "SHA256:short"):
            assert site.call(*depot.words(INTO), "--host-key", form).exit_code == 2


def test_a_login_takes_a_key_or_a_password(
    site: Site, depot: DepotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(site)
    depot.lay("a.csv")
    words = ("sftp", "import", depot.url(), INTO, "--as", "acme", "--host-key", depot.fingerprint())
    result = site.call(*words)
    assert (result.exit_code, depot.logins) == (2, 0)
    assert "--identity" in result.stderr
    monkeypatch.setenv("DEPOT", "wrong")
    result = site.call(*words, "--password-from", "env:DEPOT")
    assert result.exit_code == 2
    assert "does not let partner in" in result.stderr
    monkeypatch.setenv("DEPOT", PASSWORD)
    assert site.ask(*words, "--password-from", "env:DEPOT")["imported"] == 1
    locked = site.folder / "locked"
    locked.write_bytes(depot.client_key.export_private_key(passphrase="s3same"))
    assert site.call(*words, "--identity", str(locked)).exit_code == 2
    (site.folder / "phrase").write_text("s3same\n")
    phrase = ("--passphrase-from", f"file:{site.folder / 'phrase'}")
    assert site.ask(*words, "--identity", str(locked), *phrase)["known"] == 1


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_server_that_knows_nothing_newer_is_let_in_where_somebody_says_so(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "depot").mkdir()
    start(site)
    old = DepotServer(tmp_path / "depot", "ssh-rsa")
    old.options = {
        "encryption_algs": ["aes128-cbc"],
        "kex_algs": ["diffie-hellman-group1-sha1"],
        "mac_algs": ["hmac-sha1"],
        "signature_algs": ["ssh-rsa"],
    }
    with old.running():
        old.lay("a.csv")
        result = site.call(*old.words(INTO))
        assert result.exit_code == 1
        assert "--ciphers legacy" in result.stderr
        assert site.ask(*old.words(INTO, "--ciphers", "legacy"))["imported"] == 1


def test_what_proves_who_calls_is_kept_by_nobody(site: Site, depot: DepotServer) -> None:
    depot.lay("a.csv")
    (site.folder / "word").write_text(PASSWORD)
    stream = io.StringIO()
    undo = log_to(stream, "debug")

    async def story(gateway: Running) -> None:
        by_key = depot.words(INTO)
        by_word = (*by_key[:-2], "--password-from", f"file:{site.folder / 'word'}")
        assert (await to_thread(site.ask, *by_key))["imported"] == 1
        assert (await to_thread(site.ask, *by_word))["known"] == 1
        depot.away()
        for words in (by_key, by_word):
            assert (await to_thread(site.call, *words)).exit_code == 1
        depot.back()

    try:
        asyncio.run(site.running(story))
    finally:
        undo()
    secret = depot.client_key.export_private_key().decode().splitlines()[2]
    kept = stream.getvalue().encode() + site.config.catalog.read_bytes()
    assert b"sftp" in kept
    assert PASSWORD.encode() not in kept
    assert secret.encode() not in kept


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("https://u@h/", "orders", "--as", "acme"), "expected sftp://"),
        (("sftp://h/", "orders", "--as", "acme"), "expected sftp://"),
        (("sftp://u:pw@h/", "orders", "--as", "acme"), "holds no password"),
        (("sftp://u@h:x/", "orders", "--as", "acme"), "expected sftp://"),
        (("sftp://u@h/", "orders", "--as", "nix"), "no party nix"),
        (("sftp://u@h/", "orders", "--as", "acme", "--principal", "nix"), "no principal nix"),
        (("sftp://u@h/", "orders", "--as", "acme", "--include", "***"), "means nothing"),
        (("sftp://u@h/", "orders", "--as", "acme", "--follow", "5s"), "10s at least"),
        (("sftp://u@h/", "orders", "--as", "acme", "--settled", "soon"), "duration"),
        (("sftp://u@h/", "orders", "--as", "acme", "--host-key", "nix"), "can't be read"),
    ],
)
def test_bad_input_is_told_before_anybody_is_called(
    site: Site, words: tuple[str, ...], said: str
) -> None:
    start(site)
    result = site.call("sftp", "import", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_what_is_not_there_is_told(site: Site, depot: DepotServer) -> None:
    start(site)
    depot.lay("a.csv")
    for path in ("/nix", "/a.csv"):
        result = site.call(*depot.words(INTO, path=path))
        assert result.exit_code == 1
        assert path in result.stderr
    assert "no bucket nix" in site.call(*depot.words("nix")).stderr
    depot.away()
    result = site.call(*depot.words(INTO))
    assert result.exit_code == 1
    assert "can't be reached" in result.stderr
    depot.back()


# --- which files -------------------------------------------------------------------------------


def test_what_cannot_be_imported_is_named_and_the_rest_is(site: Site, depot: DepotServer) -> None:
    start(site)
    depot.lay("fine.csv")
    depot.lay(b"caf\xe9.csv")
    depot.lay("d" * 200 + "/" + "d" * 200 + "/" + "d" * 200 + "/" + "d" * 200 + "/" + "x" * 240)
    (depot.folder / "link").symlink_to("fine.csv")
    (depot.folder / "loop").symlink_to(".")
    os.mkfifo(depot.folder / "pipe")
    done = site.ask(*depot.words(INTO), code=1)
    assert (done["imported"], done["refused"]) == (1, 5)
    reasons = {each["path"]: each["why"] for each in done["left"]}
    assert reasons["caf\\xe9.csv"] == "its name is not UTF-8"
    assert reasons["link"] == reasons["loop"] == "a symbolic link, not a file"
    assert reasons["pipe"] == "a pipe, not a file"
    assert len(reasons) == 5
    result = site.call(*depot.words(INTO))
    assert result.exit_code == 1
    assert "not UTF-8" in result.stdout
    assert "1 known, 5 refused" in result.stdout


def test_a_key_outside_the_partys_grants_is_refused_and_no_flood_in_the_log(
    site: Site, depot: DepotServer
) -> None:
    depot.lay("invoices/a.csv")
    depot.lay("private/b.csv")

    async def story(gateway: Running) -> None:
        done = await to_thread(site.ask, *depot.words("orders"), code=1)
        assert (done["imported"], done["refused"]) == (1, 1)
        (left,) = done["left"]
        assert (left["path"], left["outcome"]) == ("private/b.csv", "refused")
        assert "write" in left["why"]
        done = await to_thread(site.ask, *depot.words("orders", "--principal", "auditor"), code=1)
        assert (done["known"], done["refused"]) == (1, 1)

    asyncio.run(site.running(story))
    assert {name for name, _, _ in depot.reads} == {"invoices/a.csv"}


def test_patterns_choose(site: Site, depot: DepotServer) -> None:
    start(site)
    for name in ("a.csv", "b.txt", "archive/c.csv", "archive/deep/d.csv", "in/e.csv"):
        depot.lay(name)
    (depot.folder / "archive/link").symlink_to("c.csv")
    chosen = ("--include", "**.csv", "--exclude", "archive/**")
    assert site.ask(*depot.words(INTO, *chosen))["imported"] == 2
    assert site.ask(*depot.words(INTO, "--include", "archive/*.csv"))["imported"] == 1


def test_what_is_not_complete_is_left_for_the_next_round(site: Site, depot: DepotServer) -> None:
    start(site)
    now = int(time.time())
    depot.lay("young.csv", mtime=now - 5)
    depot.lay("ahead.csv", mtime=now + 600)
    depot.lay("future.csv", mtime=now + 10 * 24 * 3600)
    depot.lay("x.tmp")
    depot.lay("y.csv.filepart")
    depot.lay(".z.csv")
    depot.lay("tmp/w.csv")
    done = site.ask(*depot.words(INTO))
    assert (done["imported"], done["waiting"], done["left"]) == (1, 6, [])
    done = site.ask(*depot.words(INTO, "--settled", "0"))
    assert (done["imported"], done["known"], done["waiting"]) == (2, 1, 4)
    os.rename(depot.folder / "x.tmp", depot.folder / "x.csv")
    assert site.ask(*depot.words(INTO))["imported"] == 1


@pytest.mark.parametrize("size", [10_000, PART_BYTES + 10_000])
def test_a_file_that_is_written_while_it_is_read_waits(
    site: Site, depot: DepotServer, size: int
) -> None:
    start(site)
    depot.lay("a.csv", b"x" * size)

    async def appended(name: str, offset: int, size: int) -> None:
        depot.before_read = at_once
        with (depot.folder / name).open("ab") as file:
            file.write(b"more")

    depot.before_read = appended
    done = site.ask(*depot.words(INTO))
    assert (done["imported"], done["waiting"]) == (0, 1)
    assert site.call("history", "orders/invoices/a.csv").exit_code == 1
    os.utime(depot.folder / "a.csv", (5, 5))
    assert site.ask(*depot.words(INTO))["imported"] == 1
    (row,) = site.ask("history", "orders/invoices/a.csv")["versions"]
    assert row["size"] == size + 4
    assert not staged(site)


def test_a_file_that_shrinks_while_it_is_read_waits(site: Site, depot: DepotServer) -> None:
    start(site)
    depot.lay("a.csv", b"x" * 10_000)

    async def cut(name: str, offset: int, size: int) -> None:
        os.truncate(depot.folder / name, 5)

    depot.before_read = cut
    done = site.ask(*depot.words(INTO))
    assert (done["imported"], done["waiting"]) == (0, 1)


def test_one_file_that_is_not_given_holds_up_no_other(site: Site, depot: DepotServer) -> None:
    start(site)
    for name in ("a.csv", "b.csv", "c.csv"):
        depot.lay(name)

    async def refused(name: str, offset: int, size: int) -> None:
        if name == "b.csv":
            raise asyncssh.SFTPPermissionDenied("not yours")

    depot.before_read = refused
    done = site.ask(*depot.words(INTO), code=1)
    assert (done["imported"], done["failed"]) == (2, 1)
    (left,) = done["left"]
    assert left["path"] == "b.csv"
    assert "not yours" in left["why"]


# --- again and again ---------------------------------------------------------------------------


def test_changed_files_are_newer_versions_whichever_way_their_time_went(
    site: Site, depot: DepotServer
) -> None:
    start(site)
    for number, (text, mtime) in enumerate(
        [(b"old", 1000), (b"newer", 2000), (b"old", 1000), (b"new", 1000), (b"newer", 2000)]
    ):
        depot.lay("a.csv", text, mtime)
        done = site.ask(*depot.words(INTO))
        # Of the same size and second: nothing tells it from what is known.
        assert done["imported"] == (0 if number == 3 else 1), number
    rows = site.ask("history", "orders/invoices/a.csv")["versions"]
    assert [row["size"] for row in rows] == [5, 3, 5, 3]


def test_what_is_newer_here_stays(site: Site, depot: DepotServer) -> None:
    depot.lay("mine.csv", b"theirs")
    depot.lay("gone.csv")

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")

        def put(key: str, body: bytes) -> None:
            acme.put_object(Bucket="orders", Key=f"invoices/{key}", Body=body)

        await to_thread(put, "mine.csv", b"ours")
        done = await to_thread(site.ask, *depot.words(INTO), code=1)
        assert (done["imported"], done["kept"]) == (1, 1)
        assert done["left"][0]["path"] == "mine.csv"
        # Deleted and changed here, unchanged there: nothing comes back.
        await to_thread(lambda: acme.delete_object(Bucket="orders", Key="invoices/gone.csv"))
        done = await to_thread(site.ask, *depot.words(INTO), code=1)
        assert (done["known"], done["kept"]) == (1, 1)
        # Changed there after that: it is the newest again.
        later = int(time.time()) + 5
        depot.lay("gone.csv", b"again", later)
        depot.lay("mine.csv", b"theirs again", later)
        done = await to_thread(site.ask, *depot.words(INTO, "--settled", "0"))
        assert done["imported"] == 2
        assert await to_thread(content, acme, "invoices/mine.csv") == b"theirs again"
        # Gone there: it stays here.
        (depot.folder / "gone.csv").unlink()
        done = await to_thread(site.ask, *depot.words(INTO, "--settled", "0"))
        assert (done["known"], done["imported"]) == (1, 0)
        assert await to_thread(content, acme, "invoices/gone.csv") == b"again"

    asyncio.run(site.running(story))


def test_what_rclone_brought_is_known(site: Site, depot: DepotServer) -> None:
    depot.lay("a.csv", b"same", 1354040105)

    async def story(gateway: Running) -> None:
        acme = first(gateway, "acme", "erp")
        about = {"mtime": "1354040105.123456789"}
        await to_thread(
            lambda: acme.put_object(
                Bucket="orders", Key="invoices/a.csv", Body=b"same", Metadata=about
            )
        )
        done = await to_thread(site.ask, *depot.words(INTO))
        assert (done["imported"], done["known"]) == (0, 1)

    asyncio.run(site.running(story))
    assert not depot.reads


def test_it_follows_until_it_is_stopped(
    site: Site, depot: DepotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(site)
    depot.lay("a.csv")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            depot.lay("b.csv")
        elif len(slept) == 2:
            depot.away()
        elif len(slept) == 3:
            depot.back()
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.sftp_import.time.sleep", sleep)
    result = site.call(*depot.words(INTO, "--follow", "15m", "--json"))
    assert result.exit_code == 0
    rounds = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each.get("imported") for each in rounds] == [1, 1, None, 0]
    assert "can't be reached" in rounds[2]["error"]
    assert slept == [900.0] * 4


def test_following_ends_where_the_host_key_has_changed(
    site: Site, depot: DepotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(site)

    def sleep(seconds: float) -> None:
        depot.away()
        depot.host_keys = [asyncssh.generate_private_key("ssh-ed25519")]
        depot.back()

    words = depot.words(INTO, "--follow", "1h")
    monkeypatch.setattr("gateway.cli.sftp_import.time.sleep", sleep)
    result = site.call(*words)
    assert result.exit_code == 2
    assert "is not the one that is pinned" in result.stderr


def test_thousands_of_small_files_come_in_one_go(site: Site, depot: DepotServer) -> None:
    start(site)
    count = 3000
    for number in range(count):
        depot.lay(f"{number % 7}/{number:05}.csv", b"%d" % number)
    done = site.ask(*depot.words(INTO))
    assert (done["imported"], done["left"]) == (count, [])
    again = site.ask(*depot.words(INTO))
    assert (again["known"], again["imported"]) == (count, 0)


# --- interrupted -------------------------------------------------------------------------------


def test_killed_in_the_middle_of_a_file_it_goes_on_there(site: Site, depot: DepotServer) -> None:
    start(site)
    big = os.urandom(1024 * 1024) * 70
    depot.lay("big.bin", big)
    depot.lay("small.bin", b"x")
    reached = threading.Event()

    async def stuck(name: str, offset: int, size: int) -> None:
        if name == "big.bin" and offset >= PART_BYTES + 8 * 1024 * 1024:
            reached.set()
            await depot.stuck(name, offset, size)

    depot.before_read = stuck
    config = ("--config", str(site.folder / "gateway.yaml"))
    command = [sys.executable, "-m", "gateway.cli", *depot.words(INTO), *config]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert reached.wait(30)
        os.kill(process.pid, signal.SIGKILL)
    depot.before_read = at_once
    assert site.call("history", "orders/invoices/big.bin").exit_code == 1
    depot.reads.clear()
    done = site.ask(*depot.words(INTO))
    assert (done["imported"] + done["known"], done["left"]) == (2, [])
    again = [offset for name, offset, _ in depot.reads if name == "big.bin"]
    assert min(again) == PART_BYTES

    async def story(gateway: Running) -> None:
        made = await to_thread(site.ask, "key", "create", "acme", "erp")
        client = s3(gateway, made["id"], made["secret"])
        body = await to_thread(content, client, "invoices/big.bin")
        assert hashlib.sha256(body).digest() == hashlib.sha256(big).digest()

    asyncio.run(site.running(story))


def test_a_depot_that_breaks_off_ends_the_round_and_loses_nothing(
    site: Site, depot: DepotServer
) -> None:
    start(site)
    for number in range(3 * TRANSFERS_MAX):
        depot.lay(f"{number:02}.csv")

    async def hung_up(name: str, offset: int, size: int) -> None:
        if len(depot.reads) == 2 * TRANSFERS_MAX:
            depot.hang_up()
            await depot.stuck(name, offset, size)

    depot.before_read = hung_up
    result = site.call(*depot.words(INTO))
    assert result.exit_code == 1
    assert "broke off" in result.stderr
    depot.before_read = at_once
    done = site.ask(*depot.words(INTO))
    assert done["imported"] + done["known"] == 3 * TRANSFERS_MAX
    assert done["known"] > 0


def test_ctrl_c_ends_it_at_once_whatever_the_depot_does(site: Site, depot: DepotServer) -> None:
    start(site)
    for number in range(3 * TRANSFERS_MAX):
        depot.lay(f"{number:02}.csv")
    reached = threading.Event()

    async def stuck(name: str, offset: int, size: int) -> None:
        if len(depot.reads) == 2 * TRANSFERS_MAX:
            reached.set()
            await depot.stuck(name, offset, size)

    depot.before_read = stuck
    config = ("--config", str(site.folder / "gateway.yaml"), "--follow", "1h", "--json")
    command = [sys.executable, "-m", "gateway.cli", *depot.words(INTO), *config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=10)
    assert (process.returncode, said, complaint) == (1, b"", b"")
    depot.before_read = at_once
    done = site.ask(*depot.words(INTO))
    assert done["imported"] + done["known"] == 3 * TRANSFERS_MAX
    assert done["known"] > 0


def test_changed_meanwhile_an_interrupted_file_begins_anew(site: Site, depot: DepotServer) -> None:
    start(site)
    depot.lay("big.bin", b"a" * (PART_BYTES + 100), 1000)
    late = asyncssh.SFTPFailure("out of order")

    async def fails_late(name: str, offset: int, size: int) -> None:
        if offset >= PART_BYTES:
            raise late

    depot.before_read = fails_late
    assert site.ask(*depot.words(INTO), code=1)["failed"] == 1
    assert staged(site)
    depot.before_read = at_once
    depot.lay("big.bin", b"b" * (PART_BYTES + 100), 1001)
    depot.reads.clear()
    assert site.ask(*depot.words(INTO))["imported"] == 1
    assert min(offset for _, offset, _ in depot.reads) == 0
    assert not staged(site)


def test_what_the_same_principal_is_writing_just_now_is_not_taken_away(
    site: Site, depot: DepotServer
) -> None:
    depot.lay("big.bin", b"a" * (PART_BYTES + 100))

    async def story(gateway: Running) -> None:
        staging = gateway.house.exchange.staging
        caller = Caller(Principal("acme", "erp"), "sftp")
        ref = ObjectRef("orders", "invoices/big.bin")
        staged = await staging.begin(caller, ref, Draft())
        words = depot.words(INTO, "--principal", "erp")
        assert (await to_thread(site.ask, *words))["waiting"] == 1
        there = await staging.look(caller, ref)
        assert there is not None
        assert there.upload == staged.upload
        await staging.abandon(caller, staged)
        assert (await to_thread(site.ask, *words))["imported"] == 1

    asyncio.run(site.running(story))


def test_a_command_that_is_stopped_stops_the_gateways_work(site: Site, depot: DepotServer) -> None:
    for number in range(50):
        depot.lay(f"{number}.csv")

    async def story(gateway: Running) -> None:
        depot.before_read = depot.stuck
        arguments = {
            "depot": depot.url(),
            "bucket": "orders",
            "prefix": "invoices/",
            "party": "acme",
            "host_key": depot.fingerprint(),
            "identity": depot.client_key.export_private_key().decode(),
        }
        call = asyncio.create_task(ask(site.config.state, "sftp.import", arguments))

        async def reading() -> bool:
            return bool(depot.reads)

        await eventually(reading)
        with pytest.raises(CrossdockError, match="under way already"):
            await ask(site.config.state, "sftp.import", arguments)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        depot.before_read = at_once

        async def over() -> bool:
            try:
                done = await ask(site.config.state, "sftp.import", arguments)
            except CrossdockError:
                return False
            return bool(done["imported"] == 50)

        await eventually(over)

    asyncio.run(site.running(story))


def test_a_gateway_that_stops_ends_its_import(site: Site, depot: DepotServer) -> None:
    depot.lay("a.csv")
    ended: list[str] = []

    async def story(gateway: Running) -> None:
        depot.before_read = depot.stuck

        def call() -> None:
            ended.append(site.call(*depot.words(INTO)).stderr)

        asyncio.get_running_loop().run_in_executor(None, call)

        async def reading() -> bool:
            return bool(depot.reads)

        await eventually(reading)

    asyncio.run(site.running(story))
    assert "it goes on where it was" in ended[0]


async def at_once(name: str, offset: int, size: int) -> None:
    return None


def staged(site: Site) -> list[tuple[str]]:
    """Files that are being written, and were not let go."""
    catalog = apsw.Connection(str(site.config.catalog), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = catalog.execute("SELECT id FROM uploads WHERE version = '' AND staged <> ''")
        return [(str(row[0]),) for row in rows]
    finally:
        catalog.close()
