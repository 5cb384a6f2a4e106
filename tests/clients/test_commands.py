"""Command line clients: whole folders, back and forth, with their own checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.door import ACCESS, SECRET, Door, on_path, program, run
from tests.harness import REGION

MIB = 1024**2
FILES = {
    "plain.txt": b"7,100.00\n",
    "empty.txt": b"",
    "sub/a b+c.txt": b"blank and plus",
    "sub/100%.txt": b"percent",
    "sub/caf\u00e9.txt": b"composed",
    "sub/cafe\u0301.txt": b"decomposed",
    "big.bin": bytes(range(256)) * (11 * MIB // 256),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `here` to send, and an empty one `there` to receive into."""
    for name, content in FILES.items():
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "there").mkdir()
    return tmp_path


def received(folder: Path, name: str = "there") -> dict[str, bytes]:
    root = folder / name
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_aws_copies_syncs_moves_and_presigns(door: Door, folder: Path) -> None:
    program_ = program("awscli", "aws")
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(
        "[default]\ns3 =\n  signature_version = s3v4\n  multipart_threshold = 5MB\n"
    )

    def aws(*words: str) -> str:
        return run([program_, "--endpoint-url", door.endpoint, *words], door, folder)

    place = f"s3://{door.bucket}"
    aws("s3", "cp", "--recursive", "--only-show-errors", "here", f"{place}/copied/")
    aws("s3", "sync", "--only-show-errors", f"{place}/copied/", "there")
    assert received(folder) == FILES
    assert aws("s3", "sync", "there", f"{place}/copied/") == ""  # nothing left to send
    aws("s3", "mv", "--only-show-errors", f"{place}/copied/plain.txt", f"{place}/moved.txt")
    assert "moved.txt" in aws("s3", "ls", f"{place}/")
    link = aws("s3", "presign", f"{place}/moved.txt").strip()
    trust = ["--cacert", door.trusted] if door.trusted else []
    assert run([on_path("curl"), "-sf", *trust, link], door, folder) == "7,100.00\n"
    name = ["--bucket", door.bucket, "--key", "once", "--if-none-match", "*"]
    made = json.loads(aws("s3api", "put-object", *name, "--body", "here/plain.txt"))
    assert made["ETag"]
    with pytest.raises(AssertionError, match="PreconditionFailed"):
        aws("s3api", "put-object", *name, "--body", "here/plain.txt")
    aws("s3", "rm", "--recursive", "--only-show-errors", place)
    aws("s3", "rb", place)


def test_s3cmd_puts_gets_and_syncs_with_its_md5_checks(door: Door, folder: Path) -> None:
    program_ = program("s3cmd", "s3cmd")
    (folder / ".s3cfg").write_text(
        f"[default]\naccess_key = {ACCESS}\nsecret_key = {SECRET}\nhost_base = {door.host}\n"
        f"host_bucket = {door.host}\nbucket_location = {REGION}\n"
        f"use_https = {bool(door.trusted)}\nca_certs_file = {door.trusted}\n"
        "signature_v2 = False\nmultipart_chunk_size_mb = 5\ncheck_ssl_hostname = False\n"
    )

    def s3cmd(*words: str) -> str:
        config = str(folder / ".s3cfg")
        return run([program_, "-c", config, "--no-progress", *words], door, folder)

    place = f"s3://{door.bucket}"
    s3cmd("sync", "here/", f"{place}/in/")
    assert "plain.txt" in s3cmd("ls", "--recursive", f"{place}/")
    s3cmd("sync", "--check-md5", f"{place}/in/", "there/")
    assert received(folder) == FILES
    s3cmd("cp", f"{place}/in/plain.txt", f"{place}/copied.txt")
    s3cmd("mv", f"{place}/copied.txt", f"{place}/moved.txt")
    assert "7,100.00" in s3cmd("get", f"{place}/moved.txt", "-")
    s3cmd("info", f"{place}/moved.txt")
    s3cmd("del", "--recursive", "--force", f"{place}/")
    assert s3cmd("ls", "--recursive", f"{place}/") == ""


def test_aws_presigns_with_sigv2_if_nobody_tells_it_otherwise(door: Door, folder: Path) -> None:
    aws = [program("awscli", "aws"), "--endpoint-url", door.endpoint]
    place = f"s3://{door.bucket}/sub/a b+c.txt"
    run([*aws, "s3", "cp", "--only-show-errors", "here/sub/a b+c.txt", place], door, folder)
    link = run([*aws, "s3", "presign", "--expires-in", "604800", place], door, folder).strip()
    assert "AWSAccessKeyId=" in link
    trust = ["--cacert", door.trusted] if door.trusted else []
    assert run([on_path("curl"), "-sf", *trust, link], door, folder) == "blank and plus"


def test_s3cmd_signs_urls_with_sigv2(door: Door, folder: Path) -> None:
    s3cmd = [program("s3cmd", "s3cmd"), "-c", str(folder / ".s3cfg")]
    (folder / ".s3cfg").write_text(
        f"[default]\naccess_key = {ACCESS}\nsecret_key = {SECRET}\nhost_base = {door.host}\n"
        f"host_bucket = {door.host}\nuse_https = {bool(door.trusted)}\n"
        f"ca_certs_file = {door.trusted}\nsignurl_use_https = {bool(door.trusted)}\n"
        "check_ssl_hostname = False\nsignature_v2 = False\n"
    )
    place = f"s3://{door.bucket}/sub/a b+c.txt"
    run([*s3cmd, "--no-progress", "put", "here/sub/a b+c.txt", place], door, folder)
    link = run([*s3cmd, "signurl", place, "+600"], door, folder).strip()
    assert "AWSAccessKeyId=" in link
    trust = ["--cacert", door.trusted] if door.trusted else []
    assert run([on_path("curl"), "-sf", *trust, link], door, folder) == "blank and plus"


def test_rclone_syncs_checks_and_copies_on_the_server(door: Door, folder: Path) -> None:
    program_ = program("rclone", "rclone")
    trust = ["--ca-cert", door.trusted] if door.trusted else []
    settings = {
        "RCLONE_CONFIG_DOCK_TYPE": "s3",
        "RCLONE_CONFIG_DOCK_PROVIDER": "Other",
        "RCLONE_CONFIG_DOCK_ENDPOINT": door.endpoint,
        "RCLONE_CONFIG_DOCK_REGION": REGION,
        "RCLONE_CONFIG_DOCK_ACCESS_KEY_ID": ACCESS,
        "RCLONE_CONFIG_DOCK_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_CONFIG_DOCK_FORCE_PATH_STYLE": "true",
        "RCLONE_CONFIG_DOCK_UPLOAD_CUTOFF": "5Mi",
        "RCLONE_CONFIG_DOCK_CHUNK_SIZE": "5Mi",
    }

    def rclone(*words: str) -> str:
        # rclone takes both spellings of one name for duplicates unless told otherwise
        return run([program_, "--no-unicode-normalization", *trust, *words], door, folder, settings)

    place = f"dock:{door.bucket}"
    rclone("sync", "here", f"{place}/in")
    rclone("check", "--download", "here", f"{place}/in")
    rclone("copy", f"{place}/in", f"{place}/copied")  # server-side
    rclone("check", f"{place}/in", f"{place}/copied")
    (folder / "here" / "plain.txt").write_bytes(b"changed\n")
    (folder / "here" / "empty.txt").unlink()
    rclone("sync", "here", f"{place}/in")
    rclone("sync", f"{place}/in", "there")
    assert received(folder) == received(folder, "here")
    rclone("moveto", f"{place}/in/plain.txt", f"{place}/moved.txt")
    assert rclone("cat", f"{place}/moved.txt") == "changed\n"
    rclone("purge", f"{place}/copied")
    assert rclone("lsf", f"{place}/copied") == ""


def test_curl_signs_by_itself(door: Door, folder: Path) -> None:
    """curl's `--aws-sigv4` signs the path as it stands, so names with blanks come encoded."""
    signing = ["--aws-sigv4", f"aws:amz:{REGION}:s3", "--user", f"{ACCESS}:{SECRET}"]
    trust = ["--cacert", door.trusted] if door.trusted else []
    unsigned = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]

    def curl(*words: str) -> str:
        command = [on_path("curl"), "-sSf", "--path-as-is", *trust, *signing, *unsigned, *words]
        return run(command, door, folder)

    url = f"{door.endpoint}/{door.bucket}/plain.txt"
    curl("-T", "here/plain.txt", url)
    assert curl(url) == "7,100.00\n"
    assert curl("-r", "0-4", url) == "7,100"
    assert "<Key>plain.txt</Key>" in curl(f"{door.endpoint}/{door.bucket}")
    curl("-X", "DELETE", url)


def test_a_browsers_form_uploads(door: Door, folder: Path) -> None:
    """The fields are those that an SDK presigns; curl sends the form as a browser does."""
    text = run(
        [
            program("boto3"),
            "-c",
            "import boto3, json, sys; from botocore.config import Config\n"
            "s3 = boto3.client('s3', endpoint_url=sys.argv[1], "
            "config=Config(signature_version='s3v4'))\n"
            "print(json.dumps(s3.generate_presigned_post(sys.argv[2], 'up/${filename}')))",
            door.endpoint,
            door.bucket,
        ],
        door,
        folder,
    )
    post = json.loads(text)
    fields = [word for name, value in post["fields"].items() for word in ("-F", f"{name}={value}")]
    trust = ["--cacert", door.trusted] if door.trusted else []
    upload = ["-F", "file=@here/plain.txt", post["url"]]
    status = ["-o", "answer", "-w", "%{http_code}"]
    assert run([on_path("curl"), "-sS", *trust, *status, *fields, *upload], door, folder) == "204"
