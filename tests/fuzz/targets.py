"""What is fuzzed: everything pure that reads what a client sent, and what must hold of it.

A target takes bytes. An error that a client may be given (a 4xx, or 501) is an answer; any other
exception, and any broken claim, is a finding.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from urllib.parse import quote

from gateway.errors import CrossdockError
from gateway.model import KEY_BYTES_MAX, ObjectRef, Principal, Version
from gateway.s3 import (
    checksums,
    conditions,
    cors,
    dates,
    forms,
    heads,
    presign,
    ranges,
    rules,
    tokens,
    watches,
)
from gateway.s3.address import Target, parse_query, parse_target
from gateway.s3.canonical import RequestHead, canonical_path, canonical_query
from gateway.s3.chunked import Decoder, decoder
from gateway.s3.desk import Signer
from gateway.s3.errors import S3Error, render
from gateway.s3.origin import origin
from gateway.s3.proving import prove
from gateway.s3.routes import OPERATIONS, match
from gateway.s3.sigv4 import Payload, SigningKeys, Verified
from gateway.s3.xml import parse, shapes

NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
SIGNER = Signer("a secret", Principal("acme", "erp"), sigv2=True)
SIZE = 1000
SECRET = b"s" * 32
CUT = b"\n--\n"
"""Parts one input into several, where a target wants more than one."""


def answers(error: CrossdockError) -> bool:
    """Whether a client may be told this."""
    return render(error).status < 500 or render(error).code == "NotImplemented"


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Lets pass what a client is answered."""
    try:
        yield
    except CrossdockError as error:
        if not answers(error):
            raise


def text_of(data: bytes) -> str:
    """As aiohttp gives it."""
    return data.decode("utf-8", "surrogateescape")


def header_text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r", "").replace("\n", "").replace("\0", "")


def lines(data: bytes) -> list[tuple[bytes, bytes]]:
    """`name: value` lines, as a parser of HTTP would have passed them on."""
    pairs = (line.partition(b":") for line in data.split(b"\n") if line)
    return [(name.strip(), value.strip()) for name, _, value in pairs if name.strip()]


def headers_of(data: bytes) -> dict[str, str]:
    return {name.decode("latin-1").lower(): header_text(value) for name, value in lines(data)}


# --- addresses and signatures --------------------------------------------------------------------


def address(data: bytes) -> None:
    host, _, raw = data.partition(CUT)
    for domains in ((), ("s3.example.com", "example.com")):
        with answered():
            target = parse_target(text_of(raw), header_text(host), domains)
            assert len(target.key.encode()) <= KEY_BYTES_MAX
            _routed(target)
            if target.bucket and not target.reserved:
                again = f"/{target.bucket}/{quote(target.key, safe='')}"
                assert parse_target(again, "", ()).key == target.key


def _routed(target: Target) -> None:
    for method in ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "x"):
        with answered():
            match(method, target, {"x-amz-copy-source": ""})


def canonicaliser(data: bytes) -> None:
    """Canonical is canonical, and names the same key as what was sent."""
    text = text_of(data.replace(b"\n", b""))
    raw, _, query = text.partition("?")
    path = canonical_path(raw)
    assert canonical_path(path) == path
    assert path.isascii()
    ordered = canonical_query(query)
    assert canonical_query(ordered) == ordered
    assert ordered.isascii()
    with answered():
        sent, meant = (parse_target(f"/{each}", "", ()) for each in (raw, path))
        assert (sent.bucket, sent.key) == (meant.bucket, meant.key)
    with answered():  # all but the order of what is given twice, and what `+` means
        if "+" not in query:
            assert parse_query(ordered).keys() == parse_query(query).keys()


def signature(data: bytes) -> None:
    """Nobody knows the secret, so nothing may be let in."""
    first, _, rest = data.partition(b"\n")
    method, _, target = first.partition(b" ")
    head = RequestHead(method.decode("latin-1"), text_of(target), lines(rest))
    found = origin("", "https://files.example.com/x", ["10.0.0.0/8"], ["files.example.com"])
    headers = {name.decode("latin-1").lower(): header_text(value) for name, value in head.headers}
    for peer in ("10.1.2.3", "192.0.2.1"):
        seen = found.see(peer, headers, tls=False)
        with answered():
            seen.base(parse_target(head.target, seen.host, found.domains))
        with answered():
            made = prove(head, parse_target(head.target, ""), None, lambda _: SIGNER, NOW,
                         SigningKeys(), seen.endpoint)  # fmt: skip
            raise AssertionError(f"let in: {made}")
    for older in (False, True):
        with answered():
            presign.hoisted(parse_query(head.target.partition("?")[2]), sigv2=older)


# --- bodies --------------------------------------------------------------------------------------

_MODES = (
    Payload.HASHED,
    Payload.UNSIGNED,
    Payload.UNSIGNED_TRAILER,
    Payload.SIGNED_CHUNKS,
    Payload.SIGNED_CHUNKS_TRAILER,
)


def frames(data: bytes) -> None:
    """`mode size step` in three bytes, then the body: it reads the same in pieces of any size."""
    if len(data) < 3:
        return
    mode, size, step, body = _MODES[data[0] % 5], data[1], data[2] % 64 + 1, data[3:]
    whole, cut = (_drained(_frames(mode, size), body, by) for by in (len(body) or 1, step))
    assert whole == cut
    if mode in (Payload.SIGNED_CHUNKS, Payload.SIGNED_CHUNKS_TRAILER) and whole is not None:
        assert whole == b"", "a signature that nobody could make"


def _frames(mode: Payload, size: int) -> Decoder:
    made = Verified("k", SIGNER, mode, "", False, "0" * 64, b"key", "scope", "date")
    trailed = mode in (Payload.UNSIGNED_TRAILER, Payload.SIGNED_CHUNKS_TRAILER)
    return decoder(made, size, ("x-amz-checksum-crc32",) if trailed else ())


def _drained(into: Decoder, body: bytes, by: int) -> bytes | None:
    """The content, or None where the body is refused."""
    out = b""
    try:
        for at in range(0, len(body), by):
            out += b"".join(into.feed(body[at : at + by]))
        into.finish()
    except S3Error as error:
        if not answers(error):
            raise
        return None
    return out


_PARSERS: Sequence[Callable[[bytes], object]] = (
    parse.delete_request,
    parse.complete_upload,
    parse.tag_set,
    parse.versioning_status,
    parse.location_constraint,
)


def xml(data: bytes) -> None:
    """Each reader is given each document; what a shape takes it gives back."""
    for read in _PARSERS:
        with answered():
            read(data)
    for root in shapes.SHAPES:
        with answered():
            tree = shapes.read(data, root)
            assert shapes.read(shapes.write(root, tree), root) == tree


def lifecycle(data: bytes) -> None:
    with answered():
        found = rules.rules_in(shapes.read(data, "LifecycleConfiguration"))
        again = shapes.write("LifecycleConfiguration", rules.tree_of(found))
        assert rules.rules_in(shapes.read(again, "LifecycleConfiguration")) == found


def notification(data: bytes) -> None:
    home = watches.Home("us-east-1", "acme")
    with answered():
        found = watches.watches_in(shapes.read(data, "NotificationConfiguration"), home)
        again = shapes.write("NotificationConfiguration", watches.tree_of(found, home))
        assert watches.watches_in(shapes.read(again, "NotificationConfiguration"), home) == found


def cross_origin(data: bytes) -> None:
    """The configuration, then the browser's headers; what is told fits into a header."""
    document, _, rest = data.partition(CUT)
    given = headers_of(rest)
    kept = ""
    with answered():
        tree = shapes.read(document, "CORSConfiguration")
        cors.check(tree)
        kept = json.dumps(tree)
    told = dict(cors.answer_headers(kept, "GET", given))
    with answered():
        told |= cors.Preflight(given).judge(kept, "BUCKET")
    assert not any("\r" in value or "\n" in value for value in told.values())
    assert kept or not told


def form(data: bytes) -> None:
    """The type of the content, then the body, which reads the same in pieces of any size."""
    kind, _, body = data.partition(CUT)
    boundary = forms.boundary_of(header_text(kind))
    if not boundary:
        return
    whole, cut = (_form(boundary, body, by) for by in (len(body) or 1, 7))
    assert whole == cut
    if whole is None:
        return
    fields = dict(whole[0])
    assert sum(map(len, fields.values())) <= forms.FORM_BYTES_MAX
    with answered():
        made = forms.authenticate(fields, lambda _: SIGNER)
        raise AssertionError(f"let in: {made}")


def _form(boundary: bytes, body: bytes, by: int) -> tuple[Sequence[tuple[str, str]], bytes] | None:
    made, file = forms.FormDecoder(boundary), b""
    try:
        for at in range(0, len(body), by):
            file += made.feed(body[at : at + by])
        made.finish()
    except S3Error as error:
        if not answers(error):
            raise
        return None
    return tuple(made.fields.items()), file


def form_policy(data: bytes) -> None:
    """The policy's text, then the fields; nothing that no condition covers gets through."""
    policy, _, rest = data.partition(CUT)
    fields = {"policy": base64.b64encode(policy).decode(), "key": "k", **headers_of(rest)}
    with answered():
        size = forms.judge(fields, "orders", NOW)
        assert size.least >= 0
        assert b"expiration" in policy


# --- single values -------------------------------------------------------------------------------


def numbers(data: bytes) -> None:
    text = header_text(data)
    for size in (0, 1, SIZE, 1 << 50):
        with answered():
            span = ranges.parse_range(text, size)
            assert span is None or 0 <= span[0] <= span[1] < size
        with answered():
            first, last = ranges.parse_copy_range(text, size)
            assert 0 <= first <= last < size
    with answered():
        assert 1 <= ranges.parse_part_number(text) <= 10_000
    with answered():
        assert 0 <= ranges.parse_count("max-keys", text, 1000) <= 1000


def copy_source(data: bytes) -> None:
    with answered():
        ref, version = heads.source(header_text(data))
        assert ref.bucket
        assert 1 <= len(ref.key.encode()) <= KEY_BYTES_MAX
        again = f"{quote(ref.bucket, safe='')}/{quote(ref.key, safe='')}"
        again += f"?versionId={quote(version, safe='')}" if version else ""
        assert heads.source(again) == (ref, version)
    with answered():
        heads.derived({"x-crossdock-derived-from": header_text(data)})


def token(data: bytes) -> None:
    with answered():
        assert not tokens.open_token(SECRET, "acme\norders", text_of(data)) or not data


def times(data: bytes) -> None:
    text = header_text(data)
    for read, write in (
        (dates.parse_http_date, dates.http_date),
        (dates.parse_iso_date, dates.iso_date),
        (dates.parse_amz_date, dates.amz_date),
    ):
        at = read(text)
        if at is not None and at >= 0:
            assert read(write(at)) == at
    with answered():
        at = heads.as_of({"x-crossdock-as-of": text})
        assert at is None or 0 <= at < 1 << 63
    with answered():
        assert heads.retain_until(text, NOW) > NOW


VERSION = Version(
    "v", ObjectRef("orders", "k"), "acme", "erp", "s3", NOW * 10**9, etag="abc", size=SIZE
)


def conditional(data: bytes) -> None:
    given = headers_of(data)
    with answered():
        conditions.check_read(given, VERSION, NOW)
    with answered():
        conditions.check_copy_source(given, VERSION, NOW)
    with answered():
        heads.expect(given)


def head(data: bytes) -> None:
    """Every header that means something, to every operation."""
    given = headers_of(data)
    for operation in OPERATIONS:
        with answered():
            heads.check(operation.name, given, writes=operation.right.changes)
    for read in (
        heads.draft,
        heads.tags,
        heads.content_headers,
        heads.wait,
        checksums.parse_claims,
        checksums.object_claim,
        checksums.named_algorithm,
    ):
        with answered():
            read(given)
    with answered():
        heads.lock(given, NOW)
    with answered():
        heads.directive(given, "x-amz-metadata-directive")


@dataclass(frozen=True)
class Fuzzed:
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


TARGETS: Mapping[str, Fuzzed] = MappingProxyType(
    {
        "address": Fuzzed(
            address,
            (
                b"bucket.s3.example.com:9000" + CUT + b"/a/b%2Fc?versionId=1&uploads",
                CUT + b"/orders/%E2%82%AC/../x//y?list-type=2&prefix=a+b%20c",
            ),
        ),
        "canonicaliser": Fuzzed(
            canonicaliser, (b"/b/a b%20c+d%2Fe/~*'()!?b=2&a=%7e+x&a=1&c", b"/b//./..//\xff%ff?&&=&")
        ),
        "signature": Fuzzed(
            signature,
            (
                b"GET /orders/k?x=1\nhost: a\nx-amz-date: 20260601T000000Z\nx-amz-content-sha256: "
                b"UNSIGNED-PAYLOAD\nauthorization: AWS4-HMAC-SHA256 Credential=K/20260601/us-east-1"
                b"/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                + b"0" * 64,
                b"GET /orders/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20260601%2F"
                b"us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260601T000000Z&X-Amz-Expires=600&"
                b"X-Amz-SignedHeaders=host&X-Amz-Signature=" + b"0" * 64 + b"\nhost: a\n"
                b"x-forwarded-for: 1.2.3.4, 10.0.0.1",
                b"GET /orders/k?AWSAccessKeyId=K&Signature=abc%3D&Expires=1780272000\nhost: a",
            ),
        ),
        "frames": Fuzzed(
            frames,
            (
                b"\x02\x05\x03" + b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
                b"\x03\x00\x05" + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n",
                b"\x04\x05\x02" + b"5;chunk-signature=" + b"a" * 64 + b"\r\nhello\r\n0;chunk-"
                b"signature=" + b"b" * 64 + b"\r\nx-amz-checksum-crc32:NhCmhg==\r\n"
                b"x-amz-trailer-signature:" + b"c" * 64 + b"\r\n\r\n",
                b"\x00\x05\x01hello",
            ),
        ),
        "xml": Fuzzed(
            xml,
            (
                b"<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Quiet>true</Quiet>"
                b"<Object><Key>a&#13;b</Key><VersionId>v</VersionId><ETag>&quot;e&quot;</ETag>"
                b"<Size>1</Size><LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime>"
                b"</Object></Delete>",
                b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag>"
                b"<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
                b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
                b"<?xml version='1.0'?><CORSConfiguration><CORSRule><ID>i</ID><AllowedMethod>GET"
                b"</AllowedMethod><AllowedOrigin>https://*.example</AllowedOrigin><MaxAgeSeconds>9"
                b"</MaxAgeSeconds></CORSRule></CORSConfiguration>",
                b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
                b"<DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
                b"</ObjectLockConfiguration>",
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
                b"<!DOCTYPE a [<!ENTITY b 'c'>]><Delete>&b;</Delete>",
            ),
        ),
        "lifecycle": Fuzzed(
            lifecycle,
            (
                b"<LifecycleConfiguration><Rule><ID>a</ID><Filter><And><Prefix>p</Prefix><Tag><Key>"
                b"k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan>"
                b"</And></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
                b"<NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays></Noncurrent"
                b"VersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>3"
                b"</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule><Rule><Filter/>"
                b"<Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00Z</Date>"
                b"</Expiration></Rule></LifecycleConfiguration>",
                b"<LifecycleConfiguration><Rule><Prefix/><Status>Enabled</Status><Expiration>"
                b"<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule>"
                b"</LifecycleConfiguration>",
            ),
        ),
        "notification": Fuzzed(
            notification,
            (
                b"<NotificationConfiguration><QueueConfiguration><Id>a</Id><Queue>arn:crossdock:sqs:"
                b"us-east-1:acme:hook</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>"
                b"<FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule></S3Key></Filter>"
                b"</QueueConfiguration><TopicConfiguration><Topic>arn:crossdock:sns:us-east-1:acme:"
                b"hook</Topic><Event>s3:ObjectRemoved:Delete</Event></TopicConfiguration>"
                b"</NotificationConfiguration>",
                b"<NotificationConfiguration/>",
            ),
        ),
        "cross-origin": Fuzzed(
            cross_origin,
            (
                b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>"
                b"https://*.example</AllowedOrigin><AllowedHeader>x-*</AllowedHeader><ExposeHeader>"
                b"etag</ExposeHeader><MaxAgeSeconds>9</MaxAgeSeconds></CORSRule>"
                b"</CORSConfiguration>" + CUT + b"origin: https://a.example\n"
                b"access-control-request-method: GET\naccess-control-request-headers: x-a, x-b",
            ),
        ),
        "form": Fuzzed(
            form,
            (
                b"multipart/form-data; boundary=b" + CUT + b"".join(
                    b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % pair
                    for pair in (
                        (b"key", b"a/${filename}"), (b"policy", b"eyJ9"), (b"AWSAccessKeyId", b"K"),
                        (b"signature", b"x"), (b"x-amz-algorithm", b"AWS4-HMAC-SHA256"),
                        (b"x-amz-date", b"20260601T000000Z"), (b"x-amz-signature", b"0" * 64),
                        (b"x-amz-credential", b"K/20260601/us-east-1/s3/aws4_request"),
                    )
                ) + b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
                b"bytes\r\n--b--\r\n",
                b'Multipart/Form-Data; x=y; boundary="a-b"' + CUT + b"--a-b--",
            ),
        ),
        "form-policy": Fuzzed(
            form_policy,
            (
                b'{"expiration": "2026-06-02T00:00:00Z", "conditions": [{"bucket": "orders"}, '
                b'["eq", "$key", "k"], ["starts-with", "$Content-Type", "image/"], '
                b'["content-length-range", 0, 9]]}' + CUT + b"content-type: image/png",
                b'{"expiration": 1, "conditions": [[]]}',
            ),
        ),
        "numbers": Fuzzed(
            numbers, (b"bytes=0-9", b"bytes=-5", b"bytes=5-", b"bytes=1-2,3-4", b"10000", b"9" * 40)
        ),
        "copy-source": Fuzzed(
            copy_source,
            (b"/orders/a%2Fb+c?versionId=abc", b"orders/k%3FversionId=x", b"a/b,c/d?versionId=e"),
        ),
        "token": Fuzzed(
            token, (tokens.seal_token(SECRET, "globex\norders", "invoices/1").encode(), b"AAAA==")
        ),
        "times": Fuzzed(
            times,
            (
                b"Fri, 24 May 2013 00:00:00 GMT", b"Friday, 24-May-13 00:00:00 GMT",
                b"Fri May 24 00:00:00 2013", b"20130524T000000Z", b"2013-05-24T00:00:00.000+01:00",
                b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+23:59",
            ),
        ),
        "conditional": Fuzzed(
            conditional,
            (
                b'if-match: "abc", W/"d", *\nif-none-match: "x"\nif-modified-since: Fri, 24 May '
                b"2013 00:00:00 GMT\nif-unmodified-since: nonsense\nx-amz-copy-source-if-match: a",
            ),
        ),
        "head": Fuzzed(
            head,
            (
                b"x-amz-meta-a: b\nx-amz-tagging: a=b&c=%20d\nx-amz-acl: private\ncontent-type: t\n"
                b"content-encoding: aws-chunked,gzip\nx-amz-storage-class: STANDARD\n"
                b"x-amz-object-lock-mode: GOVERNANCE\nx-amz-object-lock-retain-until-date: "
                b"2030-01-01T00:00:00Z\nx-amz-object-lock-legal-hold: ON\n"
                b"x-crossdock-wait: delivered",
                b"x-amz-checksum-crc32: AAAAAA==\nx-amz-sdk-checksum-algorithm: CRC32\n"
                b"content-md5: AAAAAAAAAAAAAAAAAAAAAA==\nx-amz-trailer: x-amz-checksum-crc32\n"
                b"x-amz-metadata-directive: REPLACE",
            ),
        ),
    }
)  # fmt: skip
