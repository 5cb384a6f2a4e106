"""Who gets in, by which proof and from where; and that a stranger learns nothing on the way."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gateway.logins import Proof
from tests.sftp.bed import PASSWORD, Bed

USER = "acme.erp"


def gets_in(bed: Bed, user: str = USER, **options: Any) -> bool:
    async def comes() -> bool:
        try:
            async with bed.client(user, **options) as sftp:
                return await sftp.exists("/")
        except (asyncssh.PermissionDenied, asyncssh.ConnectionLost, OSError):
            return False

    return bed.run(comes())


KEY: dict[str, Any] = {}
BY_PASSWORD: dict[str, Any] = {"client_keys": None, "password": PASSWORD}
BY_BOTH: dict[str, Any] = {"password": PASSWORD}


@pytest.mark.parametrize(
    ("proof", "key", "password", "both"),
    [
        (Proof.ANY, True, True, True),
        (Proof.KEY, True, False, True),
        (Proof.PASSWORD, False, True, True),
        (Proof.BOTH, False, False, True),
    ],
)
def test_what_a_login_takes(bed: Bed, proof: Proof, key: bool, password: bool, both: bool) -> None:
    bed.change(USER, proof=proof)
    assert gets_in(bed, **KEY) is key
    assert gets_in(bed, **BY_PASSWORD) is password
    assert gets_in(bed, **BY_BOTH) is both


def test_both_means_both_of_the_same_user(bed: Bed) -> None:
    """A key proved as one user is worth nothing to another one."""
    bed.change(USER, proof=Proof.BOTH)
    bed.change("globex.erp", proof=Proof.BOTH)
    other = str(bed.folder / "globex.erp")
    assert not gets_in(bed, client_keys=[other], password=PASSWORD)
    assert not gets_in(bed, password="wrong horse battery")


@pytest.mark.parametrize("options", [KEY, BY_PASSWORD])
def test_it_may_come_from_its_networks_alone(bed: Bed, options: dict[str, Any]) -> None:
    bed.change(USER, networks=(ip_network("127.0.0.0/8"),))
    assert gets_in(bed, **options)
    bed.change(USER, networks=(ip_network("10.0.0.0/8"),))
    assert not gets_in(bed, **options)


def test_keys_and_passwords_of_others_are_none(bed: Bed) -> None:
    assert not gets_in(bed, client_keys=[str(bed.folder / "globex.erp")])
    assert not gets_in(bed, client_keys=None, password="wrong horse battery")
    assert not gets_in(bed, user="nobody", client_keys=[str(bed.folder / USER)])
    assert bed.guard.said.count("bad") >= 1
    assert bed.guard.said.count("unknown") == 0, "a key that is not accepted is only offered"


def test_certificates_of_the_partys_authority(bed: Bed, tmp_path: Path) -> None:
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    bed.change(USER, keys=(), authorities=(authority.export_public_key().decode().strip(),))

    def certified(by: asyncssh.SSHKey, *users: str, **more: Any) -> bool:
        cert = by.generate_user_certificate(key, "x", principals=users, **more)
        return gets_in(bed, client_keys=[(key, cert)])

    assert certified(authority, USER)
    assert not certified(authority, "globex.erp"), "it names another user"
    assert not certified(authority), "it names nobody, which is not everybody"
    assert not certified(key, USER), "another authority"
    assert not certified(authority, USER, valid_before=1000), "it is over"
    assert not certified(authority, USER, source_address=["10.0.0.0/8"])
    assert not gets_in(bed, client_keys=[key]), "the key alone"


@pytest.mark.parametrize(
    ("command", "works"),
    [
        ("internal-sftp", True),
        ("/usr/lib/openssh/sftp-server -l INFO", True),
        ("/bin/false", False),
        ("echo sftp-server", False),
    ],
)
def test_a_certificate_may_force_the_command_that_serves_files(
    bed: Bed, command: str, works: bool
) -> None:
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    bed.change(USER, keys=(), authorities=(authority.export_public_key().decode().strip(),))
    cert = authority.generate_user_certificate(key, "x", principals=[USER], force_command=command)
    try:
        assert gets_in(bed, client_keys=[(key, cert)]) is works
    except asyncssh.ChannelOpenError:
        assert not works


def test_users_that_there_are_and_are_not_are_answered_alike(bed: Bed) -> None:
    """The same methods, the same words, the same time: a failed password takes its second."""

    async def tries(user: str) -> tuple[str, float]:
        began = asyncio.get_running_loop().time()
        try:
            async with bed.client(user, client_keys=None, password="wrong horse battery"):
                raise AssertionError("it got in")
        except asyncssh.PermissionDenied as error:
            return str(error).replace(user, "U"), asyncio.get_running_loop().time() - began

    async def methods(user: str) -> list[str]:
        return list(await asyncssh.get_server_auth_methods("127.0.0.1", bed.port, username=user))

    bed.change("globex.erp", proof=Proof.KEY)
    bed.change("acme.reader", proof=Proof.BOTH)
    told = [bed.run(tries(user)) for user in (USER, "globex.erp", "acme.reader", "nobody")]
    assert len({text for text, _ in told}) == 1
    assert all(seconds >= 1 for _, seconds in told)
    ways = [bed.run(methods(user)) for user in (USER, "globex.erp", "acme.reader", "nobody")]
    assert all(each == ways[0] for each in ways)
    assert bed.guard.said.count("unknown") == 1
    assert bed.strangers


def test_logins_are_on_the_log(bed: Bed) -> None:
    assert gets_in(bed)
    bed.run(bed.left())
    events = [e for e in bed.events if e.kind == "login"]
    assert [e.outcome for e in events] == ["came", "left"]
    assert {(e.party, e.principal, e.door) for e in events} == {("acme", "erp", "sftp")}
    assert events[0].detail == {"source": "127.0.0.1"}
    assert events[0].readers == ("acme",)


def test_too_many_tries_end_the_connection(tmp_path: Path) -> None:
    bed = Bed(tmp_path, tries=2)

    async def comes() -> int:
        tried = 0

        class Client(asyncssh.SSHClient):
            def password_auth_requested(self) -> str:
                nonlocal tried
                tried += 1
                return "wrong horse battery"

        with pytest.raises(asyncssh.Error):
            async with bed.client(client_keys=None, client_factory=Client):
                pass
        return tried

    try:
        assert bed.run(comes()) <= 2
    finally:
        bed.close()


def test_who_is_banned_is_not_let_in(bed: Bed) -> None:
    bed.guard.shut = True
    assert not gets_in(bed)
    bed.guard.shut = False
    assert gets_in(bed)


def test_there_is_no_shell_no_command_no_tunnel(bed: Bed) -> None:
    async def story() -> None:
        async with bed.connection() as connection:
            with pytest.raises(asyncssh.Error):
                await connection.run("id", check=True)
            with pytest.raises(asyncssh.Error):
                await connection.create_process()
            with pytest.raises(asyncssh.Error):
                await connection.open_connection("127.0.0.1", bed.port)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.start_server(lambda *_: None, "127.0.0.1", 0)

    bed.run(story())


OLD: dict[str, Any] = {
    "encryption_algs": ["aes128-cbc"],
    "kex_algs": ["diffie-hellman-group14-sha1"],
    "mac_algs": ["hmac-sha1"],
    "server_host_key_algs": ["ssh-rsa"],
}


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
@pytest.mark.parametrize(("ciphers", "works"), [("modern", False), ("legacy", True)])
def test_old_algorithms_are_offered_where_the_operator_says_so(
    tmp_path: Path, ciphers: str, works: bool
) -> None:
    bed = Bed(tmp_path, ciphers=ciphers, host_kind="ssh-rsa")
    try:
        try:
            assert gets_in(bed, **OLD) is works
        except asyncssh.KeyExchangeFailed:
            assert not works
        assert gets_in(bed, encryption_algs=["aes128-gcm@openssh.com"])
    finally:
        bed.close()


# --- while it lasts ----------------------------------------------------------------------------


def test_an_open_session_ends_with_its_login(bed: Bed) -> None:
    """Revoked, moved to another network, given another key: what is in force now counts."""
    bed.put("acme", "in/x", b"x" * 100, {})

    async def story(**change: Any) -> None:
        before = bed.logins[USER]
        async with bed.client() as sftp:
            assert await sftp.exists("/orders/in/x")
            bed.change(USER, **change)
            seen = len(bed.events)
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await sftp.stat("/orders/in/x")
            refusals = [e for e in bed.events[seen:] if e.kind == "refusal"]
            assert [(e.party, e.principal, e.outcome) for e in refusals] == [
                ("acme", "erp", "Denied")
            ]
            bed.logins[USER] = before
            assert await sftp.exists("/orders/in/x")

    bed.run(story(keys=()))
    bed.run(story(networks=(ip_network("10.0.0.0/8"),)))
    bed.run(story(principal=bed.logins["globex.erp"].principal))


def test_a_user_has_so_many_sessions(tmp_path: Path) -> None:
    bed = Bed(tmp_path, per_user=2)

    async def story() -> None:
        async with bed.client() as one, bed.client() as two:
            assert await one.exists("/")
            assert await two.exists("/")
            with pytest.raises(asyncssh.Error):
                async with bed.client():
                    pass
            async with bed.client("globex.erp") as other:
                assert await other.exists("/")
        await bed.left()
        async with bed.client() as again:
            assert await again.exists("/")

    try:
        bed.run(story())
        assert "over" in bed.guard.said
    finally:
        bed.close()


def test_a_session_has_so_many_open_files(tmp_path: Path) -> None:
    bed = Bed(tmp_path, files=3)

    async def story() -> None:
        async with bed.client() as sftp:
            files = [await sftp.open(f"/orders/in/{i}", "wb") for i in range(3)]
            with pytest.raises(asyncssh.SFTPFailure):
                await sftp.open("/orders/in/more", "wb")
            await files[0].close()
            await (await sftp.open("/orders/in/more", "wb")).close()
            for file in files[1:]:
                await file.close()

    try:
        bed.run(story())
        assert "over" in bed.guard.said
    finally:
        bed.close()


def test_who_asks_for_nothing_is_closed_and_who_waits_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sftp.door.IDLE_ROUND_SECONDS", 0.05)
    bed = Bed(tmp_path, idle_s=60)

    async def story() -> None:
        async with bed.connection() as connection, connection.start_sftp_client() as sftp:
            bed.now += 59 * 10**9
            await asyncio.sleep(0.2)
            assert await sftp.exists("/")
            bed.now += 59 * 10**9
            await asyncio.sleep(0.2)
            assert await sftp.exists("/"), "every request begins the time anew"
            file = await sftp.open("/orders/in/x", "wb")
            bed.now += 3600 * 10**9
            await file.write(b"x")
            await asyncio.sleep(0.2)
            await file.close()
            bed.now += 61 * 10**9
            await asyncio.wait_for(connection.wait_closed(), 10)

    try:
        bed.run(story())
        assert bed.keys("acme") == ["in/x"]
    finally:
        bed.close()
