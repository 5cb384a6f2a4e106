"""Other people's clients at the door: what each does on its own account is still one version."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.sftp import clients
from tests.sftp.bed import PASSWORD, Bed, Ran
from tests.sftp.test_idioms import DATA, ok, one_of_each

BIG = bytes(range(256)) * 4096 * 20
"""20 MiB: more than any client sends before it waits for an answer."""


def lftp(bed: Bed, *commands: str, user: str = "acme.erp") -> Ran:
    key = f"ssh -a -x -i {bed.folder / user} {' '.join(bed.options)}"
    opened = (
        f'set sftp:connect-program "{key}"; set net:max-retries 1; set cmd:fail-exit yes; '
        f"open -u {user},none sftp://127.0.0.1:{bed.port}; "
    )
    return bed.run(bed.ran(*clients.lftp(), "--norc", "-c", opened + "; ".join(commands)))


def rclone(bed: Bed, *words: str, user: str = "acme.erp") -> Ran:
    options = {
        "host": "127.0.0.1",
        "port": str(bed.port),
        "user": user,
        "key-file": str(bed.folder / user),
        "known-hosts-file": str(bed.folder / "known_hosts"),
    }
    given = [f"--sftp-{name}={value}" for name, value in options.items()]
    return bed.run(bed.ran(*clients.rclone(), *words, *given, "--retries", "1"))


def curl(bed: Bed, *words: str, user: str = "acme.erp") -> Ran:
    line = (bed.folder / "known_hosts").read_text().split()[2]
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(line)).digest()).decode().rstrip("=")
    given = ["--hostpubsha256", digest, "--user", f"{user}:{PASSWORD}"]
    return bed.run(bed.ran(*clients.curl(), *given, *words))


def these_alone(bed: Bed, keys: dict[str, bytes]) -> None:
    """One version of each, and none that ever was under another name."""
    for key, content in keys.items():
        one_of_each(bed, key, content)
    made = bed.run(bed.catalog.deliveries(limit=100))
    assert sorted(each.ref.key for each in made) == sorted(keys)


def at(bed: Bed, path: str) -> str:
    return f"sftp://127.0.0.1:{bed.port}{path}"


@pytest.mark.parametrize("content", [DATA, BIG, b""], ids=["small", "big", "empty"])
def test_lftp_puts_and_gets(bed: Bed, content: bytes) -> None:
    bed.local("x.csv", content)
    ok(lftp(bed, "cd /orders/in", "put x.csv"))
    these_alone(bed, {"in/x.csv": content})
    ok(lftp(bed, "get /orders/in/x.csv -o back.csv", user="globex.erp"))
    assert (bed.folder / "back.csv").read_bytes() == content


def test_lftp_mirrors_a_folder_up_and_down_and_sends_nothing_twice(bed: Bed) -> None:
    (bed.folder / "out/deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv"):
        bed.local(f"out/{name}", name.encode())
    ok(lftp(bed, "mirror -R out /orders/in"))
    ok(lftp(bed, "mirror -R out /orders/in"))
    these_alone(bed, {"in/a.csv": b"a.csv", "in/deep/b.csv": b"deep/b.csv"})
    ok(lftp(bed, "mirror /orders/in down"))
    assert (bed.folder / "down/deep/b.csv").read_bytes() == b"deep/b.csv"


def test_lftp_with_a_temporary_name_of_its_own(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    ok(lftp(bed, "set xfer:use-temp-file yes", "cd /orders/in", "put x.csv"))
    these_alone(bed, {"in/x.csv": DATA})


@pytest.mark.parametrize("content", [DATA, BIG, b""], ids=["small", "big", "empty"])
def test_rclone_copies_up_and_down(bed: Bed, content: bytes) -> None:
    bed.local("x.csv", content)
    ok(rclone(bed, "copyto", "x.csv", ":sftp:/orders/in/x.csv"))
    these_alone(bed, {"in/x.csv": content})
    ok(rclone(bed, "copyto", ":sftp:/orders/in/x.csv", "back.csv", user="globex.erp"))
    assert (bed.folder / "back.csv").read_bytes() == content


def test_rclone_syncs_a_folder_and_sends_nothing_twice(bed: Bed) -> None:
    (bed.folder / "out/deep").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv"):
        bed.local(f"out/{name}", name.encode())
    ok(rclone(bed, "sync", "out", ":sftp:/orders/in"))
    ok(rclone(bed, "sync", "out", ":sftp:/orders/in"))
    ok(rclone(bed, "check", "--download", "out", ":sftp:/orders/in"))
    these_alone(bed, {"in/a.csv": b"a.csv", "in/deep/b.csv": b"deep/b.csv"})
    assert ok(rclone(bed, "lsf", "-R", ":sftp:/orders/in")).split() == [
        "a.csv",
        "deep/",
        "deep/b.csv",
    ]


@pytest.mark.parametrize("content", [DATA, BIG, b""], ids=["small", "big", "empty"])
def test_curl_uploads_and_downloads(bed: Bed, content: bytes) -> None:
    bed.local("x.csv", content)
    ok(curl(bed, "--upload-file", "x.csv", at(bed, "/orders/in/")))
    these_alone(bed, {"in/x.csv": content})
    ok(curl(bed, "--output", "back.csv", at(bed, "/orders/in/x.csv"), user="globex.erp"))
    assert (bed.folder / "back.csv").read_bytes() == content


def test_curl_renames_once_all_is_there(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    after = ("--quote", "-rename /orders/in/x.csv.tmp /orders/in/x.csv")
    ok(curl(bed, "--upload-file", "x.csv", at(bed, "/orders/in/x.csv.tmp"), *after))
    these_alone(bed, {"in/x.csv": DATA})


def test_curl_lists(bed: Bed) -> None:
    bed.local("x.csv", DATA)
    ok(curl(bed, "--upload-file", "x.csv", at(bed, "/orders/in/")))
    assert "x.csv" in ok(curl(bed, at(bed, "/orders/in/")))
    assert set(ok(curl(bed, "--list-only", at(bed, "/"))).split()) >= {"orders", "vault"}
