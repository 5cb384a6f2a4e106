"""A body that is not what its client said leaves nothing: not a row of the catalog, not a file.

Every payload mode, with every kind of damage that can be done to it, for every operation that
takes a body. After each the whole catalog and the stores' folders are compared with before.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.s3.desk import Limits
from tests.harness import Gateway
from tests.s3.raw import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    TIMEOUT_S,
    UNSIGNED,
    UNSIGNED_TRAILER,
    Signed,
    Socket,
    ask,
    chunked,
    in_an_hour,
    posted,
    sealed,
    sign,
)
from tests.security.attempts import NOTHING

HASHED = "hashed"
PLAIN = (HASHED, UNSIGNED)
FRAMED = (UNSIGNED_TRAILER, SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER)
TRAILED = (UNSIGNED_TRAILER, SIGNED_CHUNKS_TRAILER)
SEALED = (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER)
MODES = (*PLAIN, *FRAMED)
CHUNK_BYTES = 8192
KEY, MULTI = "invoices/kept", "invoices/multi"
TRAILER_NAME = "x-amz-checksum-crc32"

INCOMPLETE, MALFORMED, UNREADABLE = "IncompleteBody", "MalformedTrailerError", "InvalidRequest"
DIGEST, HASH, SIGNATURE = "BadDigest", "XAmzContentSHA256Mismatch", "SignatureDoesNotMatch"


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


# --- what is done to bodies ----------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A body in its framing, and what its head says of it. Chunks are of CHUNK_BYTES."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    def plus(self, **headers: str | None) -> Sent:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {**self.headers, **named}
        return Sent(self.body, {name: value for name, value in kept.items() if value is not None})


Spoil = Callable[[bytes], bytes]
Announce = Callable[[Sent, bytes], Sent]


@dataclass(frozen=True)
class Damage:
    """`content` is done to the content behind its checksums' back, `frames` to what is sent;
    `head` to what the head says. `codes` are the answers by mode."""

    name: str
    codes: Mapping[str, str]
    content: Spoil = bytes
    frames: Spoil = bytes
    head: Announce = lambda sent, content: sent
    trailer: Callable[[str], str] = str
    pieces: Callable[[list[bytes]], list[bytes]] = list

    @property
    def of_the_body(self) -> bool:
        """Whether it would do harm without a checksum in the head."""
        heads = ("Content-MD5", "checksum", "algorithm")
        lone = set(self.codes.values()) == {DIGEST} or "something else" in self.name
        return not lone and not any(word in self.name for word in heads)


def of(modes: tuple[str, ...], code: str, **others: str) -> Mapping[str, str]:
    more = {"hashed": HASHED, "unsigned": UNSIGNED, "signed": SIGNED_CHUNKS,
            "trailer": UNSIGNED_TRAILER, "signed_trailer": SIGNED_CHUNKS_TRAILER}  # fmt: skip
    return dict.fromkeys(modes, code) | {more[name]: other for name, other in others.items()}


def flipped(body: bytes) -> bytes:
    """A blank becomes a tab, so that a document stays well formed."""
    at = body.rindex(b"  ")
    return body[:at] + b"\t" + body[at + 1 :]


def other_checksum(line: str) -> str:
    return f"{TRAILER_NAME}:{crc32(b'other')}" if line else line


def longer(by: int) -> Announce:
    def announce(sent: Sent, content: bytes) -> Sent:
        return sent.plus(x_amz_decoded_content_length=str(len(content) + by))

    return announce


def with_header(name: str, value: Callable[[bytes], str]) -> Announce:
    """An announcement that holds for other content than what is sent."""

    def announce(sent: Sent, content: bytes) -> Sent:
        return sent.plus(**{name: value(content + b"x"), "x-amz-trailer": None})

    return announce


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def sha(name: str) -> Callable[[bytes], str]:
    return lambda content: base64.b64encode(hashlib.new(name, content).digest()).decode()


def constant(text: str) -> Callable[[bytes], str]:
    return lambda content: text


DAMAGES = (
    Damage("a flipped byte", of(TRAILED, DIGEST, hashed=HASH, unsigned=DIGEST, signed=SIGNATURE,
                                signed_trailer=SIGNATURE), content=flipped),
    Damage("cut in the last chunk", of(FRAMED, INCOMPLETE, hashed=HASH, unsigned=DIGEST),
           frames=lambda body: body[: len(body) // 2 + 100]),
    Damage("cut between chunks", of(FRAMED, INCOMPLETE, hashed=HASH, unsigned=DIGEST),
           content=lambda body: body[:CHUNK_BYTES],
           frames=lambda body: body[: body.rindex(b"\r\n0") + 2] if b"\r\n0" in body else body),
    Damage("nothing at all", of(FRAMED, INCOMPLETE, hashed=HASH, unsigned=DIGEST),
           frames=lambda body: b""),
    Damage("no last line end", of(FRAMED, INCOMPLETE), frames=lambda body: body[:-2]),
    Damage("half of the last line end", of(FRAMED, INCOMPLETE), frames=lambda body: body[:-1]),
    Damage("bytes after the end", of(FRAMED, INCOMPLETE), frames=lambda body: body + b"x"),
    Damage("a second body", of(FRAMED, INCOMPLETE), frames=lambda body: body * 2),
    Damage("bare line ends", of(FRAMED, INCOMPLETE),
           frames=lambda body: body.replace(b"\r\n", b"\n")),
    Damage("a size that is too small", of(FRAMED, INCOMPLETE, signed=SIGNATURE,
                                          signed_trailer=SIGNATURE),
           frames=lambda body: body.replace(b"2000", b"1fff", 1)),
    Damage("a size that is too large", of(FRAMED, INCOMPLETE, signed=SIGNATURE,
                                          signed_trailer=SIGNATURE),
           frames=lambda body: body.replace(b"2000", b"2001", 1)),
    Damage("a size that is no number", of(FRAMED, INCOMPLETE),
           frames=lambda body: body.replace(b"2000", b"0x20", 1)),
    Damage("chunks in another order", of(SEALED, SIGNATURE, trailer=DIGEST),
           pieces=lambda pieces: pieces[::-1]),
    Damage("a chunk twice", of(SEALED, SIGNATURE, trailer=INCOMPLETE),
           pieces=lambda pieces: [pieces[0], *pieces]),
    Damage("a chunk left out", of(SEALED, SIGNATURE, trailer=INCOMPLETE),
           pieces=lambda pieces: pieces[1:]),
    Damage("a chunk's signature changed", of(SEALED, SIGNATURE),
           frames=lambda body: spoilt(body, b"chunk-signature=", 1)),
    Damage("the last signature changed", of(SEALED, SIGNATURE),
           frames=lambda body: spoilt(body, b"chunk-signature=", -1)),
    Damage("no signatures", of(SEALED, INCOMPLETE),
           frames=lambda body: body.replace(b";chunk-signature=", b";x=")),
    Damage("a trailer's signature changed", of((SIGNED_CHUNKS_TRAILER,), SIGNATURE),
           frames=lambda body: spoilt(body, b"trailer-signature:", 1)),
    Damage("a trailer without its signature", of((SIGNED_CHUNKS_TRAILER,), MALFORMED),
           frames=lambda body: body[: body.index(b"x-amz-trailer-signature")] + b"\r\n"),
    Damage("another value in the trailer", of(TRAILED, DIGEST), trailer=other_checksum),
    Damage("no value in the trailer", of(TRAILED, UNREADABLE),
           trailer=lambda line: f"{TRAILER_NAME}:"),
    Damage("nonsense in the trailer", of(TRAILED, UNREADABLE),
           trailer=lambda line: f"{TRAILER_NAME}:nonsense"),
    Damage("another trailer", of(TRAILED, MALFORMED),
           trailer=lambda line: "x-amz-checksum-sha1:AAAA"),
    Damage("no trailer", of((UNSIGNED_TRAILER,), MALFORMED, signed_trailer=MALFORMED),
           trailer=lambda line: ""),
    Damage("a trailer that nobody announced", of(TRAILED, MALFORMED),
           head=lambda sent, content: sent.plus(x_amz_trailer=None)),
    Damage("an announced trailer that never comes", of((SIGNED_CHUNKS,), MALFORMED),
           head=lambda sent, content: sent.plus(x_amz_trailer=TRAILER_NAME)),
    Damage("a trailer of a plain body", of(PLAIN, MALFORMED),
           head=lambda sent, content: Sent(sent.body, {"x-amz-trailer": TRAILER_NAME})),
    Damage("one byte more declared", of(FRAMED, INCOMPLETE), head=longer(1)),
    Damage("one byte fewer declared", of(FRAMED, INCOMPLETE), head=longer(-1)),
    Damage("no length declared", of(FRAMED, "MissingContentLength"),
           head=lambda sent, content: sent.plus(x_amz_decoded_content_length=None)),
    Damage("a length that is no number", of(FRAMED, "MissingContentLength"),
           head=lambda sent, content: sent.plus(x_amz_decoded_content_length="-1")),
    Damage("Content-MD5 of something else", of(MODES, DIGEST),
           head=lambda sent, content: sent.plus(content_md5=md5(content + b"x"))),
    Damage("Content-MD5 of no form", of(MODES, "InvalidDigest"),
           head=lambda sent, content: sent.plus(content_md5="short")),
    *(
        Damage(f"{name} of something else", of((*PLAIN, SIGNED_CHUNKS), DIGEST),
               head=with_header(f"x-amz-checksum-{name}", value))
        for name, value in (
            ("crc32", crc32), ("sha1", sha("sha1")), ("sha256", sha("sha256")),
            ("crc32c", constant("AAAAAA==")), ("crc64nvme", constant("AAAAAAAAAAA=")),
        )
    ),
    Damage("a checksum of no form", of((*PLAIN, SIGNED_CHUNKS), UNREADABLE),
           head=with_header("x-amz-checksum-crc32", constant("AAAA"))),
    Damage("a checksum of an unknown kind", of((*PLAIN, SIGNED_CHUNKS), UNREADABLE),
           head=with_header("x-amz-checksum-adler", constant("AAAA"))),
    Damage("two checksums", of(TRAILED, UNREADABLE),
           head=lambda sent, content: sent.plus(**{"x-amz-checksum-sha1": sha("sha1")(content)})),
    Damage("another algorithm announced", of((*PLAIN, SIGNED_CHUNKS), UNREADABLE),
           head=lambda sent, content: sent.plus(**{
               "x-amz-checksum-crc32": crc32(content), "x-amz-sdk-checksum-algorithm": "SHA1"})),
)  # fmt: skip


def spoilt(body: bytes, mark: bytes, which: int) -> bytes:
    """One digit behind the first or last `mark` becomes another."""
    at = (body.index(mark) if which > 0 else body.rindex(mark)) + len(mark)
    return body[:at] + (b"1" if body[at : at + 1] == b"0" else b"0") + body[at + 1 :]


# --- operations that take a body -----------------------------------------------------------------


@dataclass(frozen=True)
class Taker:
    """An operation; its document (b"" for any bytes) is padded to two chunks."""

    name: str
    method: str
    target: str
    document: bytes = b""
    checksums: bool = True  # False: those of its head are of something else


DELETE = b"<Delete><Object><Key>" + KEY.encode() + b"</Key></Object></Delete>"
COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part>"
    b"</CompleteMultipartUpload>"
)
TAGS = b"<Tagging><TagSet><Tag><Key>class</Key><Value>pii</Value></Tag></TagSet></Tagging>"
TAKERS = (
    Taker("PutObject", "PUT", f"/orders/{KEY}"),
    Taker("UploadPart", "PUT", f"/orders/{MULTI}?partNumber=1&uploadId=UPLOAD"),
    Taker("DeleteObjects", "POST", "/orders?delete", DELETE),
    Taker("CompleteMultipartUpload", "POST", f"/orders/{MULTI}?uploadId=UPLOAD", COMPLETE,
          checksums=False),
    Taker("PutObjectTagging", "PUT", f"/orders/{KEY}?tagging", TAGS),
)  # fmt: skip
CASES = [
    (taker, damage, mode)
    for taker in TAKERS
    for damage in DAMAGES
    for mode in damage.codes
    if taker.checksums or (damage.of_the_body and mode != UNSIGNED)  # which nothing would tell of
]


@dataclass(frozen=True)
class Stage:
    gateway: Gateway
    upload: str
    etag: str

    def content(self, taker: Taker) -> bytes:
        document = self.filled(taker.document.decode()).encode() or b"any bytes"
        return document + b" " * (2 * CHUNK_BYTES - len(document))

    def filled(self, text: str) -> str:
        return text.replace("UPLOAD", self.upload).replace("ETAG", self.etag)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """An object with its copy on the way, and an upload with one part."""
    with Gateway(tmp_path_factory.mktemp("truth"), part_bytes_min=1) as gateway:
        s3 = gateway.client()
        s3.put_object(Bucket="orders", Key=KEY, Body=b"kept")
        upload = s3.create_multipart_upload(Bucket="orders", Key=MULTI)["UploadId"]
        part = s3.upload_part(
            Bucket="orders", Key=MULTI, UploadId=upload, PartNumber=1, Body=b"part"
        )
        yield Stage(gateway, upload, part["ETag"].strip('"'))


def picture(gateway: Gateway) -> tuple[dict[str, list[Any]], set[str]]:
    """Every row of the catalog, and the name of every file in a store."""
    with sqlite3.connect(gateway.folder / "catalog.db") as catalog:
        named = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        tables = [name for (name,) in catalog.execute(named)]
        rows = {name: catalog.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    catalog.close()
    files = (path for path in (gateway.folder / "stores").rglob("*") if path.is_file())
    return rows, {str(path) for path in files}


@contextmanager
def nothing_happens(gateway: Gateway) -> Iterator[None]:
    before, events = picture(gateway), len(gateway.events)
    assert before[0]["versions"]
    yield
    assert picture(gateway) == before
    assert gateway.events[events:] == []


def sent(stage: Stage, taker: Taker, damage: Damage, mode: str) -> tuple[Signed, bytes]:
    """The request as it goes out: framed and signed as the mode wants it, damaged as said."""
    content = stage.content(taker)
    headers: dict[str, str] = {}
    if mode in FRAMED:
        headers = {"x-amz-decoded-content-length": str(len(content))}
    if mode in TRAILED:
        headers["x-amz-trailer"] = TRAILER_NAME
    elif mode == UNSIGNED and (damage.content is not bytes or damage.frames is not bytes):
        headers[TRAILER_NAME] = crc32(content)
    said = damage.head(Sent(b"", headers), content).headers
    wire_mode = None if mode == HASHED else mode
    signed = sign(
        stage.gateway, taker.method, stage.filled(taker.target), said, body=content,
        mode=wire_mode,
    )  # fmt: skip
    pieces = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    line = damage.trailer(f"{TRAILER_NAME}:{crc32(content)}") if mode in TRAILED else ""
    if mode in SEALED:
        body = sealed(signed, pieces, line)
        seals = sealed_chunks(body)
        body = b"".join(damage.pieces(seals[:-1])) + seals[-1]
    elif mode == UNSIGNED_TRAILER:
        body = chunked(damage.pieces(pieces), f"{line}\r\n".encode() if line else b"")
    else:
        body = content
    return signed, damage.frames(spoilt_content(body, content, damage.content))


def sealed_chunks(body: bytes) -> list[bytes]:
    """A sealed body's two chunks, and its end."""
    framed = body.index(b"\r\n") + 2 + CHUNK_BYTES + 2
    return [body[:framed], body[framed : 2 * framed], body[2 * framed :]]


def spoilt_content(body: bytes, content: bytes, spoil: Spoil) -> bytes:
    """The content's last chunk, wherever it lies in the body, as it was spoilt."""
    if spoil is bytes:
        return body
    if body == content:
        return spoil(body)
    last = content[CHUNK_BYTES:]
    at = body.rindex(last)
    return body[:at] + spoil(last)[: len(last)].ljust(len(last)) + body[at + len(last) :]


def why(case: tuple[Taker, Damage, str]) -> str:
    return f"{case[0].name}, {case[2][:40]}, {case[1].name}"


@pytest.mark.parametrize("case", CASES, ids=why)
def test_damaged_body_leaves_nothing_and_gets_awss_code(
    stage: Stage, case: tuple[Taker, Damage, str]
) -> None:
    taker, damage, mode = case
    signed, body = sent(stage, taker, damage, mode)
    with nothing_happens(stage.gateway):
        reply = ask(stage.gateway, signed, body, f"Content-Length: {len(body)}")
        assert reply.code == damage.codes[mode], reply
        assert reply.status == {SIGNATURE: 403, "MissingContentLength": 411}.get(reply.code, 400)


# --- what the connection does to a body ----------------------------------------------------------


def whole(stage: Stage, taker: Taker, mode: str) -> tuple[Signed, bytes]:
    return sent(stage, taker, Damage("none", {}, frames=lambda body: body), mode)


def settled(gateway: Gateway) -> None:
    """Waits until nothing is being answered any more."""
    end = time.monotonic() + TIMEOUT_S
    running = gateway.telemetry.registry.get_sample_value
    while running("crossdock_requests_running"):
        assert time.monotonic() < end
        time.sleep(0.005)


UPLOADS = [taker for taker in TAKERS if taker.name in ("PutObject", "UploadPart", "DeleteObjects")]


@pytest.mark.parametrize("length", ["Content-Length", "Transfer-Encoding"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("taker", UPLOADS, ids=lambda taker: taker.name)
def test_connection_that_ends_half_way_leaves_nothing(
    stage: Stage, taker: Taker, mode: str, length: str
) -> None:
    signed, body = whole(stage, taker, mode)
    half = body[: len(body) // 2]
    with nothing_happens(stage.gateway):
        with Socket(stage.gateway) as connection:
            if length == "Content-Length":
                connection.send(signed.head(f"Content-Length: {len(body)}") + half)
            else:
                head = signed.head("Transfer-Encoding: chunked")
                connection.send(head + b"%x\r\n%b" % (len(body), half))
        settled(stage.gateway)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("taker", UPLOADS, ids=lambda taker: taker.name)
def test_content_length_that_is_too_small_leaves_nothing(
    stage: Stage, taker: Taker, mode: str
) -> None:
    """What lies beyond it is no request, and the connection ends there."""
    signed, body = whole(stage, taker, mode)
    expected = {HASHED: HASH, UNSIGNED: DIGEST}.get(mode, INCOMPLETE)
    with nothing_happens(stage.gateway), Socket(stage.gateway) as connection:
        length = f"Content-Length: {len(body) - 10}"
        connection.send(signed.head(length, "Expect: 100-continue"))
        assert connection.reply().status == 100
        reply = connection.ask(body)
        assert (reply.status, reply.code) == (400, expected)
        assert connection.reply().code == "InvalidRequest"
        assert connection.closed()


@pytest.mark.parametrize("mode", MODES)
def test_content_length_that_is_too_large_is_waited_for_no_longer_than_the_limit(
    stage: Stage, mode: str, tmp_path: Path
) -> None:
    with Gateway(tmp_path, limits=Limits(stall_s=0.2)) as gateway:
        signed, body = whole(Stage(gateway, "u", "e"), TAKERS[0], mode)
        gateway.client().put_object(Bucket="orders", Key="x", Body=b"x")
        with nothing_happens(gateway), Socket(gateway) as connection:
            reply = connection.ask(signed.head(f"Content-Length: {len(body) + 10}") + body)
            assert (reply.status, reply.code) == (400, "RequestTimeout")
            assert connection.closed()


# --- forms ---------------------------------------------------------------------------------------

FILE = b"any bytes"
FORMS: Mapping[str, tuple[Callable[[bytes], bytes], Mapping[str, str], str]] = {
    "cut in the file": (lambda body: body[:-12], {}, "MalformedPOSTRequest"),
    "no last boundary": (lambda body: body[:-7], {}, "MalformedPOSTRequest"),
    "cut in the fields": (lambda body: body[:200], {}, "MalformedPOSTRequest"),
    "another file": (lambda body: body.replace(FILE, b"other one"),
                     {TRAILER_NAME: crc32(FILE)}, DIGEST),
    "a checksum of no form": (bytes, {TRAILER_NAME: "AAAA"}, UNREADABLE),
    "two checksums": (bytes, {TRAILER_NAME: crc32(FILE), "x-amz-checksum-sha1": sha("sha1")(FILE)},
                      UNREADABLE),
    "another key": (lambda body: body.replace(b"invoices/posted", b"invoices/poster"), {},
                    "AccessDenied"),
    "another policy": (lambda body: body.replace(b"\r\n\r\ney", b"\r\n\r\nez", 1), {}, SIGNATURE),
    "two files": (lambda body: body.replace(b'name="file"', b'name="file"\r\n\r\nx\r\n--b\r\n'
                                            b'Content-Disposition: form-data; name="file"'),
                  {TRAILER_NAME: crc32(FILE)}, DIGEST),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_damaged_form_leaves_nothing(stage: Stage, name: str) -> None:
    spoil, fields, code = FORMS[name]
    signed, body = posted(stage.gateway, "orders", {"key": "invoices/posted", **fields}, FILE)
    with nothing_happens(stage.gateway):
        reply = ask(stage.gateway, signed, spoil(body))
        assert reply.code == code, reply


@pytest.mark.parametrize(("least", "most"), [(10, 100), (0, 8)])
def test_file_of_another_size_than_its_policy_says_leaves_nothing(
    stage: Stage, least: int, most: int
) -> None:
    fields = {"key": "invoices/posted"}
    conditions = [{"bucket": "orders"}, fields, ["content-length-range", least, most]]
    policy = {"expiration": in_an_hour(), "conditions": conditions}
    with nothing_happens(stage.gateway):
        reply = ask(stage.gateway, *posted(stage.gateway, "orders", fields, FILE, policy=policy))
        assert reply.code == ("EntityTooSmall" if least else "EntityTooLarge")


def test_undamaged_bodies_are_taken_in_every_mode(stage: Stage) -> None:
    """What the damages above are done to."""
    for taker in TAKERS:
        for mode in MODES:
            if taker.name == "CompleteMultipartUpload":
                continue  # the last one below
            signed, body = whole(stage, taker, mode)
            reply = ask(stage.gateway, signed, body, f"Content-Length: {len(body)}")
            assert reply.status == 200, reply
            if taker.name == "DeleteObjects":
                stage.gateway.client().put_object(Bucket="orders", Key=KEY, Body=b"kept")
    reply = ask(stage.gateway, *posted(stage.gateway, "orders", {"key": "invoices/posted"}, FILE))
    assert reply.status == 204
