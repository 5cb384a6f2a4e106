"""What a principal sees: mapped folders, folders to upload into, keys that are no path."""

from __future__ import annotations

import asyncssh
import pytest

from gateway.habits import Habits
from gateway.model import ObjectRef
from tests.sftp.bed import Bed

MAPPED = Habits(
    folders={"/outbox/globex": "orders/in/", "/archive": "vault/", "/outbox/late": "orders/out/"}
)


def listed(bed: Bed, path: str, user: str = "acme.erp") -> list[str]:
    async def story() -> list[str]:
        async with bed.client(user) as sftp:
            names = [str(name) for name in await sftp.listdir(path)]
            return sorted(name for name in names if name not in (".", ".."))

    return bed.run(story())


# --- mapped ------------------------------------------------------------------------------------


def test_a_mapped_tree_is_all_that_there_is(bed: Bed) -> None:
    bed.habits["acme.erp"] = MAPPED
    bed.put("acme", "in/a", b"a", {})
    assert listed(bed, "/") == ["archive", "outbox"]
    assert listed(bed, "/outbox") == ["globex", "late"]
    assert listed(bed, "/outbox/globex") == ["a"]
    assert listed(bed, "/archive") == []
    for path in ("/orders", "/orders/in", "/outbox/hooli"):
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            listed(bed, path)


def test_files_move_between_mapped_folders_without_a_byte_moving(bed: Bed) -> None:
    bed.habits["acme.erp"] = MAPPED
    bed.local("x", b"some bytes")
    ran = bed.batch("put x /outbox/globex/x", "rename /outbox/globex/x /archive/x")
    assert ran.code == 0, ran.err
    assert bed.keys("acme") == []
    assert bed.keys("acme", "vault") == ["x"]
    assert bed.stores["acme", "home"].calls.count("write") <= 1


def test_what_lies_above_mapped_folders_can_not_be_changed(bed: Bed) -> None:
    bed.habits["acme.erp"] = MAPPED
    bed.local("x", b"x")
    for line in ("put x /x", "mkdir /new", "rmdir /outbox", "rm /outbox", "rename /outbox /other"):
        assert bed.batch(line).code == 1, line
    assert listed(bed, "/") == ["archive", "outbox"]


# --- upload-only -------------------------------------------------------------------------------


def test_a_folder_to_upload_into_shows_nothing_but_what_is_being_written(bed: Bed) -> None:
    bed.habits["acme.erp"] = Habits(
        folders={"/drop": "orders/in/", "/rest": "orders/out/"}, upload_only=("/drop",)
    )
    bed.put("acme", "in/old", b"old", {})
    bed.put("acme", "out/old", b"old", {})
    bed.local("x", b"12345")

    async def story() -> None:
        async with bed.client() as sftp:
            await sftp.put(str(bed.folder / "x"), "/drop/x")
            assert (await sftp.stat("/drop/x")).size == 5, "jobs look whether it arrived"
            for path in ("/drop/x", "/drop/old"):
                with pytest.raises(asyncssh.SFTPPermissionDenied):
                    await sftp.open(path, "rb")
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await sftp.stat("/drop/old")
            await sftp.put(str(bed.folder / "x"), "/drop/y.tmp")

    bed.run(story())
    assert listed(bed, "/drop") == ["y.tmp"]
    assert listed(bed, "/rest") == ["old"]
    assert bed.keys("acme") == ["in/old", "in/x", "out/old"]


def test_a_principal_that_may_only_write_sees_what_it_is_writing(bed: Bed) -> None:
    topology = bed.mesh.texts["topology.yaml"].replace("may: read", "may: write")
    bed.edit({**bed.mesh.texts, "topology.yaml": topology})
    bed.change("acme.reader", principal=bed.mesh.parties["acme"].principals["reader"].principal)
    bed.put("acme", "in/old", b"old", {})
    bed.local("x", b"12345")
    ran = bed.batch(
        "put x /orders/in/x.tmp",
        "ls -l /orders/in",
        "rename /orders/in/x.tmp /orders/in/x",
        "ls -l /orders/in",
        user="acme.reader",
    )
    assert ran.code == 0, ran.err
    assert "x.tmp" in ran.out
    assert "old" not in ran.out
    assert bed.batch("get /orders/in/old", user="acme.reader").code == 1
    assert bed.keys("acme") == ["in/old", "in/x"]


# --- keys that are no path ---------------------------------------------------------------------

ODD = ["a//b", "/lead", "./dot", "../up", "tab\there", "100%25", "%2F", "50% off", "ünï", "a b+c"]


@pytest.mark.parametrize("key", ODD)
def test_a_key_that_is_no_path_can_be_found_and_read(bed: Bed, key: str) -> None:
    bed.put_at("acme", ObjectRef("vault", key), b"it", {})

    async def found(sftp: asyncssh.SFTPClient, path: str) -> list[str]:
        files = []
        async for entry in sftp.scandir(path):
            name = str(entry.filename)
            if name in (".", ".."):
                continue
            deeper = f"{path}/{name}"
            if await sftp.isdir(deeper):
                files += await found(sftp, deeper)
            else:
                files.append(deeper)
        return files

    async def story() -> None:
        async with bed.client() as sftp:
            (path,) = await found(sftp, "/vault")
            async with sftp.open(path, "rb") as file:
                content: object = await file.read()
                assert content == b"it"
            await sftp.remove(path)

    bed.run(story())
    assert bed.keys("acme", "vault") == []


def test_a_file_and_a_folder_of_one_name_are_both_there(bed: Bed) -> None:
    for key in ("a", "a!", "a/b", "c"):
        bed.put_at("acme", ObjectRef("vault", key), key.encode(), {})
    assert listed(bed, "/vault") == ["a", "a!", "a%2F", "c"]
    assert listed(bed, "/vault/a%2F") == ["b"]

    async def story() -> None:
        async with bed.client() as sftp:
            for path, content in (("/vault/a", b"a"), ("/vault/a/b", b"a/b"), ("/vault/a!", b"a!")):
                async with sftp.open(path, "rb") as file:
                    got: object = await file.read()
                    assert got == content

    bed.run(story())


def test_folders_that_s3_clients_keep_are_folders_and_no_files(bed: Bed) -> None:
    bed.put_at("acme", ObjectRef("vault", "kept/"), b"", {})
    bed.put_at("acme", ObjectRef("vault", "full/"), b"bytes", {})
    assert listed(bed, "/vault") == ["full", "kept"]
    assert listed(bed, "/vault/kept") == []
    assert listed(bed, "/vault/full") == ["%2F"]


def test_made_folders_are_the_partys_own_and_no_versions(bed: Bed) -> None:
    ran = bed.batch("mkdir /orders/in/new", "mkdir /orders/in/new/deep", "ls /orders/in")
    assert ran.code == 0, ran.err
    assert "new" in ran.out
    assert bed.keys("acme") == []
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        listed(bed, "/orders/in", user="globex.erp")
    assert bed.batch("rmdir /orders/in/new").code == 1, "it is not empty"
    assert bed.batch("rmdir /orders/in/new/deep", "rmdir /orders/in/new").code == 0


def test_a_folder_of_many_files_is_listed_whole(bed: Bed) -> None:
    names = [f"{i:05}" for i in range(2500)]
    for name in names:
        bed.put_at("acme", ObjectRef("vault", f"many/{name}"), b"", {})
    assert listed(bed, "/vault/many") == names
