"""PostObject: a browser's form becomes a version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from gateway.errors import KeyTooLong, TooLarge
from gateway.exchange import Found
from gateway.model import KEY_BYTES_MAX, Chunks, ObjectRef
from gateway.notifications import FORM_DOOR
from gateway.s3 import heading, heads, stated
from gateway.s3.address import CONTROL
from gateway.s3.checksums import Claims, parse_claims
from gateway.s3.desk import Desk, Request
from gateway.s3.errors import S3Error
from gateway.s3.forms import Form, FormDecoder, SizeRange, judge
from gateway.s3.wire import Answer, Wire
from gateway.s3.xml import build, parse

FILENAME = "${filename}"
CREATED = 201
SEE_OTHER = 303
_STATUSES: Mapping[str, int] = MappingProxyType({"200": 200, "201": CREATED})


async def read_form(wire: Wire, boundary: bytes, within_s: float) -> Form:
    """The form up to its file, of which not a byte is kept in memory. Who sends it is known only
    once its fields are read, so they must all come within `within_s` seconds."""
    decoder = FormDecoder(boundary)
    chunks = wire.chunks()
    try:
        async with asyncio.timeout(within_s):
            first = await _fields(decoder, chunks)
    except TimeoutError:
        raise wire.stalled() from None
    return Form(decoder.fields, decoder.filename, _content(decoder, first, chunks))


async def _fields(decoder: FormDecoder, chunks: Chunks) -> bytes:
    """Feeds the decoder up to the file, and returns the file's first bytes."""
    async for data in chunks:
        first = decoder.feed(data)
        if decoder.in_file:
            return first
    raise S3Error("MalformedPOSTRequest")


async def _content(decoder: FormDecoder, first: bytes, chunks: Chunks) -> Chunks:
    if first:
        yield first
    async for data in chunks:
        piece = decoder.feed(data)
        if piece:
            yield piece
    decoder.finish()


class _File:
    """The model's Body over a form's file, within the sizes that its policy allows."""

    def __init__(self, content: Chunks, claims: Claims, size: SizeRange, most: int) -> None:
        self._content = content
        self._least = size.least
        self._most = most if size.most is None else min(size.most, most)
        self.size: int | None = None
        self.algorithms = claims.algorithms
        self.claims = claims.values
        self.checksum = claims.algorithm

    def __aiter__(self) -> Chunks:
        return self._measured()

    async def _measured(self) -> Chunks:
        total = 0
        async for piece in self._content:
            total += len(piece)
            if total > self._most:
                raise TooLarge(limit=self._most)
            yield piece
        if total < self._least:
            raise S3Error("EntityTooSmall")


async def post_object(desk: Desk, request: Request) -> Answer:
    """The form's fields are the headers of a PutObject: those of the request count for nothing."""
    form = request.form
    if form is None:
        text = "Bucket POST must be of the enclosure-type multipart/form-data"
        raise S3Error("PreconditionFailed", text)
    fields = dict(form.fields)
    if not fields.get("key"):
        raise S3Error("InvalidArgument", "Bucket POST must contain a field named 'key'.")
    fields["key"] = _key(fields["key"], form.filename)
    size = judge(fields, request.bucket, request.now)
    headers = _headers(fields)
    heads.check("PostObject", headers, writes=True)
    await stated.check_encrypted(desk, request, headers)
    file = _File(form.content, parse_claims(headers), size, desk.limits.body_bytes_max)
    draft = replace(heads.draft(headers), lock=heads.lock(headers, request.now))
    if "tagging" in fields:
        draft = replace(draft, tags=dict(parse.tag_set(fields["tagging"].encode())))
    ref = ObjectRef(request.bucket, fields["key"])
    caller = replace(request.caller, door=FORM_DOOR)
    found = await desk.exchange.objects.put(caller, ref, file, draft, heads.expect({}))
    return _answer(request, fields, found, file.checksum)


def _key(template: str, filename: str) -> str:
    """`${filename}` may stand in the key, more than once: what is too long anyhow is not made."""
    if max(len(template), len(filename)) > KEY_BYTES_MAX:
        raise KeyTooLong
    return template.replace(FILENAME, filename)


_SIGNING = frozenset({"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"})


def _headers(fields: Mapping[str, str]) -> dict[str, str]:
    headers = {
        name: value.strip()
        for name, value in fields.items()
        if name in heads.CONTENT_HEADERS or (name.startswith("x-amz-") and name not in _SIGNING)
    }
    if "acl" in fields:
        headers["x-amz-acl"] = fields["acl"]
    for name, value in headers.items():
        if CONTROL.search(value):
            raise S3Error("InvalidArgument", f"The field {name} holds a control character.")
    return headers


def _answer(request: Request, fields: Mapping[str, str], found: Found, checksum: str) -> Answer:
    ref, etag = found.version.ref, heading.quoted(found.version.etag)
    headers = heading.written(found, checksum)
    target = fields.get("success_action_redirect") or fields.get("redirect", "")
    if _is_url(target):
        told = urlencode({"bucket": ref.bucket, "key": ref.key, "etag": etag})
        headers["location"] = f"{target}{'&' if '?' in target else '?'}{told}"
        return Answer(SEE_OTHER, headers)
    headers["location"] = request.url(ref.key)
    status = _STATUSES.get(fields.get("success_action_status", ""), 204)
    if status != CREATED:
        return Answer(status, headers)
    document = build.posted(headers["location"], ref.bucket, ref.key, found.version.etag)
    return heading.document(document, headers, status)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not CONTROL.search(text)
