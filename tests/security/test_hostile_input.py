"""Signed input that is hostile: no 5xx, no forged header, no escape from a store's folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway.s3.xml import parse, shapes
from tests.harness import REGION, key_of
from tests.s3.raw import Reply, Socket, ask, posted, sign
from tests.security.attempts import ATTEMPTS, NOTHING, Aim
from tests.security.world import Watched, others_are_served

SPLIT = quote("x\r\nset-cookie: forged=1\r\n\r\nHTTP/1.1 200 OK", safe="")
BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + "".join(f'<!ENTITY {c} "{f"&{p};" * 10}">' for p, c in zip("bcdefgh", "cdefghi", strict=True))
    + "]>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
TOO_LONG = "MaxMessageLengthExceeded"
TOO_MUCH = b"<" + b" " * (5 * 1024**2)
NAMESPACES = " ".join(f"xmlns:a{n}='u{n}'" for n in range(2_000))
MANY = " ".join(f"a{n}='1'" for n in range(50_000))
DEEP = "<a>" * 100_000
READ = "/orders/other/x"
NUL_KEY, CONTROL_KEY = "a%00b", "a%01%1B[31m%7F"


@dataclass(frozen=True)
class Case:
    """`code` is the error's, or "" for a success."""

    name: str
    method: str
    target: str
    code: str
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    body: bytes = b""


def document(name: str, target: str, method: str, body: str | bytes, code: str) -> Case:
    raw = body.encode() if isinstance(body, str) else body
    return Case(f"{name} to {target}", method, target, code, body=raw)


OWN = Aim("other/x", "null", "u", "u", "orders/other/x", "u")
XML_ATTEMPTS = [attempt for attempt in ATTEMPTS if attempt.body.startswith("<")]


def takers() -> Iterator[tuple[str, str, str]]:
    """Method, target and root element of every operation that takes XML, each once, on what the
    sender may change."""
    seen = set()
    for attempt in XML_ATTEMPTS:
        if attempt.operation not in seen:
            seen.add(attempt.operation)
            target = attempt.filled(OWN).target
            place, _, query = target.partition("?")
            if place.count("/") == 1 and "delete" not in query:  # a bucket that it owns
                target = f"/acme-own?{query}"
            yield attempt.method, target, attempt.body[1:].partition(">")[0].rstrip("/")
    yield "PUT", "/acme-doc", "CreateBucketConfiguration"
    yield "PUT", "/acme-own?acl", "AccessControlPolicy"
    yield "PUT", "/orders/other/x?acl", "AccessControlPolicy"


DOCUMENTS = tuple(takers())
WRITTEN_ALONE = {"PolicyStatus", "AccelerateConfiguration", "BucketLoggingStatus"}
BODIES: Mapping[str, Callable[[str], str | bytes]] = {
    "an entity bomb": lambda tag: f"{BOMB}<{tag}>&i;</{tag}>",
    "an external entity": lambda tag: f"{EXTERNAL}<{tag}>&b;</{tag}>",
    "a parameter entity": lambda tag: f'<!DOCTYPE a [<!ENTITY % b "c"> %b;]><{tag}/>',
    "a bomb in UTF-16": lambda tag: f"{BOMB}<{tag}>&i;</{tag}>".encode("utf-16"),
    "depth": lambda tag: f"<{tag}>{DEEP}",
    "no XML": lambda tag: "\x00\xff{}",
    "an empty body cut short": lambda tag: f"<{tag}",
    "many attributes": lambda tag: f"<{tag} {MANY}/>",
    "a huge token": lambda tag: f"<{tag}><{'a' * 1_000_000}/></{tag}>",
    "a processing instruction": lambda tag: f"<?php system('id')?><{tag}><?x?><b/></{tag}>",
    "namespaces": lambda tag: f"<{tag} {NAMESPACES}><b/></{tag}>",
    "siblings": lambda tag: f"<{tag}>{'<a/>' * 12_000}</{tag}>",
    "comments": lambda tag: f"<{tag}>{'<!---->' * 7_000}<a/></{tag}>",
    "references": lambda tag: f"<{tag}>{'&lt;' * 12_000}<a/></{tag}>",
    "another encoding": lambda tag: f"<?xml version='1.0' encoding='utf-7'?><{tag}>+ADw-",
    "a character that XML has not": lambda tag: f"<{tag}>&#0;&#x1F;</{tag}>",
}
XML = tuple(
    document(name, target, method, body(tag), "MalformedXML")
    for name, body in BODIES.items()
    for method, target, tag in DOCUMENTS
)
OVERSIZED = tuple(
    document("over the limit", target, method, TOO_MUCH, TOO_LONG)
    for method, target, _ in DOCUMENTS
)
TARGETS = (
    Case("a NUL in a key", "PUT", f"/orders/other/{NUL_KEY}", ""),
    Case("control characters in a key", "PUT", f"/orders/other/{CONTROL_KEY}", ""),
    Case("dots in a key", "PUT", "/orders/other/../../../../etc/passwd", ""),
    Case("escaped dots in a key", "PUT", "/orders/other/..%2F..%2F..%5Cx", ""),
    Case("a backslash", "PUT", "/orders/other/..%5C..%5Cwindows%5Csystem32", ""),
    Case("a deep path", "PUT", "/orders/other/" + "a/" * 500, ""),
    Case("slashes only", "PUT", "/orders/other/" + "/" * 1000, ""),
    Case("a key of 1,024 bytes", "PUT", "/orders/other/" + "k" * 1018, ""),
    Case("a key of 1,025 bytes", "PUT", "/orders/other/" + "k" * 1019, "KeyTooLongError"),
    Case("1,025 bytes in 3 a letter", "GET", "/orders/" + "%E2%82%AC" * 342, "KeyTooLongError"),
    Case("overlong UTF-8", "GET", "/orders/%C0%AE%C0%AE%C0%AFetc", "InvalidURI"),
    Case("a surrogate", "GET", "/orders/%ED%A0%80", "InvalidURI"),
    Case("a broken escape", "GET", "/orders/%zz", "InvalidURI"),
    Case("half an escape", "GET", "/orders/a%2", "InvalidURI"),
    Case("no UTF-8 in a prefix", "GET", "/orders?prefix=%FF%FE", "InvalidURI"),
    Case("a NUL in a prefix", "GET", "/orders?prefix=%00", ""),
    Case("a NUL in a delimiter", "GET", "/orders?delimiter=%00", ""),
    Case("a NUL in a marker", "GET", "/orders?marker=%00%01", ""),
    Case("a NUL in a version id", "GET", "/orders/other/x?versionId=%00", "InvalidArgument"),
    Case("a NUL in an upload id", "GET", "/orders/other/x?uploadId=%00", "NoSuchUpload"),
    Case("a bucket with dots", "GET", "/..", "InvalidBucketName"),
    Case("a bucket with an escaped slash", "GET", "/orders%2Fother", "InvalidBucketName"),
    Case("a bucket of capitals", "GET", "/ORDERS", "InvalidBucketName"),
    Case("a negative count", "GET", "/orders?max-keys=-1", "InvalidArgument"),
    Case("a vast count", "GET", "/orders?max-keys=99999999999999999999999", "InvalidArgument"),
    Case("a forged token", "GET", "/orders?list-type=2&continuation-token=AAAA", "InvalidArgument"),
    Case("a token of bytes", "GET", "/orders?list-type=2&continuation-token=%FF", "InvalidURI"),
    Case("a vast part number", "GET", "/orders/other/x?partNumber=" + "9" * 400, "InvalidArgument"),
    Case("our own prefix", "PUT", "/orders/.crossdock/extents/0/x", "AccessDenied"),
)
SPLITTING = (
    Case("a split version id", "DELETE", f"/orders/other/x?versionId={SPLIT}", "InvalidArgument"),
    Case("a split version id read", "GET", f"/orders/other/x?versionId={SPLIT}", "InvalidArgument"),
    Case("a split upload id", "DELETE", f"/orders/other/x?uploadId={SPLIT}", "NoSuchUpload"),
    Case(
        "a split source",
        "PUT",
        "/orders/other/y",
        "NoSuchVersion",
        {"x-amz-copy-source": f"/orders/other/x?versionId={SPLIT}"},
    ),
    Case("a split key", "PUT", f"/orders/other/{SPLIT}", ""),
    Case("a split prefix", "GET", f"/orders?prefix={SPLIT}", ""),
    Case("a split tag", "PUT", "/orders/other/y", "", {"x-amz-tagging": f"a={SPLIT}"}),
    *(
        Case(f"a split {name}", "GET", f"{READ}?response-{name}={SPLIT}", "InvalidArgument")
        for name in (
            "content-disposition",
            "content-type",
            "cache-control",
            "expires",
            "content-language",
            "content-encoding",
        )
    ),
    Case("a NUL in a response header", "GET", "/orders/other/x?response-expires=%00",
         "InvalidArgument"),
)  # fmt: skip
CASES = (*XML, *OVERSIZED, *TARGETS, *SPLITTING)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with Watched(tmp_path_factory.mktemp("hostile")) as running:
        s3 = running.client("acme/erp")
        s3.put_object(Bucket="orders", Key="other/x", Body=b"x")
        s3.create_bucket(Bucket="acme-own")
        yield running


def clean(reply: Reply) -> bool:
    return (
        reply.status < 500
        and "set-cookie" not in reply.headers
        and not any(word in reply.body for word in (b"Traceback", b"root:x", b".py", b"lxml"))
    )


def test_every_operation_that_takes_xml_is_given_bombs() -> None:
    roots = {root for _, _, root in DOCUMENTS}
    assert len(DOCUMENTS) >= 15
    assert {*shapes.SHAPES} - WRITTEN_ALONE <= roots, "documents that this gateway reads"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
def test_hostile_input_gets_its_error_and_no_more(door: Watched, case: Case) -> None:
    body = case.body or (b"x" if case.method == "PUT" and not case.headers else b"")
    target = quote(case.target, safe="/?&=%-_.~") if case.method != "GET" else case.target
    signed = sign(door, case.method, target, dict(case.headers), body=body)
    reply = ask(door, signed, body, *([] if body else ["Content-Length: 0"]))
    assert clean(reply), reply
    assert reply.code == case.code or (case in XML and reply.code == TOO_LONG), reply
    assert others_are_served(door)


def presigned(gateway: Watched, method: str, target: str) -> bytes:
    host = f"127.0.0.1:{gateway.port}"
    request = AWSRequest(method, f"http://{host}{target}")
    S3SigV4QueryAuth(Credentials(*key_of("acme/erp")), "s3", REGION, 600).add_auth(request)
    path = request.url.removeprefix(f"http://{host}")
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n".encode()


@pytest.mark.parametrize(
    "name", ["x-amz-meta-note", "x-amz-tagging", "x-amz-website-redirect-location"]
)
def test_line_ends_in_a_presigned_header_forge_no_header(door: Watched, name: str) -> None:
    """A presigned URL carries headers in its query, where a line end can be written."""
    target = f"/orders/other/split?{name}=a%0D%0Aset-cookie%3A%20forged"
    with Socket(door) as connection:
        put = connection.ask(presigned(door, "PUT", target) + b"Content-Length: 1\r\n\r\nx")
        assert (put.status, put.code) == (400, "InvalidArgument")
        for method in ("GET", "HEAD"):
            got = connection.ask(sign(door, method, "/orders/other/split").head(), method)
            assert clean(got), got


FORGED = "a\r\nset-cookie: forged=1\r\n\r\nHTTP/1.1 200 OK"
FORGED_XML = (
    "<Tagging><TagSet><Tag><Key>a&#13;&#10;set-cookie: x</Key><Value>&#10;b</Value></Tag></TagSet>"
    "</Tagging>"
)
FORM_FIELDS = (
    "x-amz-meta-note", "Content-Type", "Content-Disposition", "Cache-Control", "Expires", "acl",
    "Content-Encoding", "x-amz-website-redirect-location", "success_action_redirect", "redirect",
    "success_action_status", "x-amz-storage-class", "x-amz-checksum-crc32", "x-ignore-this",
    "x-amz-tagging", "x-amz-object-lock-mode",
)  # fmt: skip


def is_clean_after(door: Watched, key: str) -> None:
    """What was stored, if anything was, is given back in answers of its own."""
    for method, query in (("GET", ""), ("HEAD", ""), ("GET", "?tagging"), ("GET", "?attributes")):
        headers = {"x-amz-object-attributes": "ETag"} if query == "?attributes" else {}
        with Socket(door) as connection:
            target = f"/orders/{quote(key)}{query}"
            assert clean(connection.ask(sign(door, method, target, headers).head(), method))
            assert connection.ask(b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n").status == 200


@pytest.mark.parametrize("field", FORM_FIELDS)
def test_line_ends_in_a_form_forge_no_header(door: Watched, field: str) -> None:
    for value in (FORGED, "https://acme.example/\r\nset-cookie: x", "\x00", "\x7f"):
        key = f"other/form-{field}"
        reply = ask(door, *posted(door, "orders", {"key": key, field: value}))
        assert clean(reply), reply
        is_clean_after(door, key)


@pytest.mark.parametrize("name", ["key", "tagging", "redirected key", "status key", "file"])
def test_line_ends_in_what_a_form_names_forge_no_header(door: Watched, name: str) -> None:
    key = f"other/{name.partition(' ')[0]}{FORGED}"
    fields = {
        "key": {"key": key},
        "tagging": {"key": "other/tags", "tagging": FORGED_XML},
        "redirected key": {"key": key, "success_action_redirect": "https://acme.example/?a=b"},
        "status key": {"key": key, "success_action_status": "201"},
        "file": {"key": "other/${filename}", "success_action_status": "201"},
    }[name]
    signed, body = posted(door, "orders", fields)
    if name == "file":
        body = body.replace(b'filename="dir', b'filename="' + FORGED.encode())
    reply = ask(door, signed, body)
    assert clean(reply), reply
    is_clean_after(door, fields["key"])


def test_line_ends_in_documents_forge_no_header(door: Watched) -> None:
    """XML can write a line end where a header can't."""
    for target, body in (
        ("/orders/other/x?tagging", FORGED_XML),
        ("/acme-own?tagging", FORGED_XML),
        (
            "/acme-own?lifecycle",
            "<LifecycleConfiguration><Rule><ID>a&#13;&#10;set-cookie: x</ID><Filter/><Status>"
            "Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>"
            "</LifecycleConfiguration>",
        ),
        (
            "/acme-own?cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*"
            "</AllowedOrigin><ExposeHeader>a&#13;&#10;set-cookie: x</ExposeHeader>"
            "</CORSRule></CORSConfiguration>",
        ),
    ):
        assert clean(ask(door, sign(door, "PUT", target, body=body.encode()), body.encode()))
    door.client("acme/erp").put_object(Bucket="acme-own", Key="x", Body=b"x")
    for target in ("/acme-own/x", "/acme-own?cors", "/acme-own?lifecycle", "/acme-own?tagging"):
        for method in ("GET", "HEAD", "OPTIONS"):
            origin = {"origin": "https://evil.example", "access-control-request-method": "GET"}
            reply = ask(door, sign(door, method, target, origin))
            assert clean(reply) or reply.code == "NotImplemented", reply
    is_clean_after(door, "other/x")


def test_deletes_of_hostile_keys_touch_nothing_but_the_catalog(door: Watched) -> None:
    keys = ("../../../etc/passwd", "other/../../x", "/", "..", "\\\\server\\share", "other/&#13;x")
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    watch = door.watch()
    body = f"<Delete>{objects}</Delete>".encode()
    reply = ask(door, sign(door, "POST", "/orders?delete", body=body), body)
    assert reply.status == 200
    assert reply.body.count(b"<Code>AccessDenied</Code>") == 4
    assert reply.body.count(b"<Deleted>") == 2
    assert watch.journal == []


KEYS = (
    "../../../../etc/passwd",
    "..",
    ".",
    "a//b",
    "a\\b",
    "CON",
    "-rf",
    "~",
    "%2e%2e%2f",
    "x\u202e",
)


@pytest.fixture
def keys(door: Watched) -> list[str]:
    """Hostile keys that are now objects."""
    s3 = door.client("acme/erp")
    for key in KEYS:
        s3.put_object(Bucket="orders", Key=f"other/{key}", Body=key.encode())
    return [f"other/{key}" for key in KEYS]


def test_hostile_keys_stay_inside_the_stores_folder(door: Watched, keys: list[str]) -> None:
    root = door.folder
    assert {p.name for p in root.iterdir() if not p.name.startswith("catalog.db")} == {"stores"}
    assert {p.name for p in root.joinpath("stores").iterdir()} <= set(door.mesh.parties)
    extents = [
        Path(folder, name)
        for folder, _, names in os.walk(root / "stores" / "acme")
        for name in names
    ]
    assert len(extents) >= len(keys)
    assert all(".crossdock" in path.parts for path in extents)


def test_hostile_keys_are_read_and_listed_as_themselves(door: Watched, keys: list[str]) -> None:
    s3 = door.client("acme/erp")
    listed = [e["Key"] for e in s3.list_objects_v2(Bucket="orders", Prefix="other/")["Contents"]]
    assert len(listed) == len(set(listed))
    assert set(keys) <= set(listed)
    for key in keys:
        body = s3.get_object(Bucket="orders", Key=key)["Body"].read()
        assert body == key.removeprefix("other/").encode()


LONG = b"<CompleteMultipartUpload>" + b"<Part/>" * 50_000 + b"</CompleteMultipartUpload>"


def test_long_documents_are_read_off_the_event_loop(door: Watched) -> None:
    """Nobody waits for what another one sends."""
    readers: list[str] = []
    before = parse.complete_upload

    def noted(body: bytes) -> object:
        readers.append(threading.current_thread().name)
        return before(body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "complete_upload", noted)
        for body in (LONG, b"<CompleteMultipartUpload/>"):
            signed = sign(door, "POST", "/orders/other/x?uploadId=u", body=body)
            assert ask(door, signed, body).code == "MalformedXML"
    assert readers[0] != "gateway"
    assert readers[1] == "gateway"
