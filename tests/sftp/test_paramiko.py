"""paramiko scripts, as jobs have them: put and confirm, both renames, append, listings."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable

import paramiko
import pytest

from tests.sftp.bed import PASSWORD, Bed


def script(
    bed: Bed, work: Callable[[paramiko.SFTPClient], None], *, password: bool = False
) -> None:
    """paramiko blocks, so it has a thread."""

    def run() -> None:
        client = paramiko.SSHClient()
        client.load_host_keys(str(bed.folder / "known_hosts"))
        key = None if password else paramiko.Ed25519Key(filename=str(bed.folder / "acme.erp"))
        with client:
            client.connect(
                "127.0.0.1",
                bed.port,
                "acme.erp",
                password=PASSWORD if password else None,
                pkey=key,
                allow_agent=False,
                look_for_keys=False,
            )
            with client.open_sftp() as sftp:
                work(sftp)

    bed.run(asyncio.to_thread(run))


@pytest.mark.parametrize("password", [False, True])
def test_put_looks_whether_all_of_it_arrived(bed: Bed, password: bool) -> None:
    data = b"a line of an invoice\n" * 50_000
    bed.local("x.csv", data)

    def work(sftp: paramiko.SFTPClient) -> None:
        assert sftp.put(str(bed.folder / "x.csv"), "/orders/in/x.csv", confirm=True).st_size == len(
            data
        )
        sftp.get("/orders/in/x.csv", str(bed.folder / "back"))

    script(bed, work, password=password)
    assert (bed.folder / "back").read_bytes() == data
    assert bed.versions("in/x.csv") == 1


def test_a_script_of_many_habits(bed: Bed) -> None:
    def work(sftp: paramiko.SFTPClient) -> None:
        sftp.chdir("/orders/in")
        assert sftp.getcwd() == "/orders/in"
        with sftp.open("x.tmp", "wb") as file:
            file.set_pipelined(True)
            for _ in range(100):
                file.write(b"0123456789" * 100)
        with pytest.raises(FileNotFoundError):
            sftp.stat("x")
        sftp.rename("x.tmp", "x")
        with sftp.open("y.tmp", "wb") as file:
            file.write(b"second")
        with pytest.raises(OSError, match="is there already"):
            sftp.rename("y.tmp", "x")
        sftp.posix_rename("y.tmp", "x")
        with sftp.open("x", "ab") as file:
            file.write(b" and more")
        sftp.utime("x", (1_000_000_000, 1_000_000_000))
        sftp.chmod("x", 0o600)
        found = {entry.filename: entry for entry in sftp.listdir_attr(".")}
        assert found["x"].st_size == 15
        assert found["x"].st_mtime == 1_000_000_000
        assert stat.S_ISREG(found["x"].st_mode or 0)
        with sftp.open("x", "rb") as file:
            file.seek(7)
            assert file.read(3) == b"and"
            file.prefetch()
            file.seek(0)
            assert file.read() == b"second and more"

    script(bed, work)
    assert bed.versions("in/x") == 3, "one renamed, one over it, one longer"
    assert bed.keys("acme") == ["in/x"]


def test_errors_are_those_that_scripts_catch(bed: Bed) -> None:
    def work(sftp: paramiko.SFTPClient) -> None:
        with pytest.raises(FileNotFoundError):
            sftp.stat("/orders/in/none")
        with pytest.raises(PermissionError):
            sftp.open("/orders/elsewhere/x", "wb")
        with pytest.raises(OSError, match="links"):
            sftp.symlink("/orders/in/a", "/orders/in/b")

    script(bed, work)
