"""Requests that two readers could take for different ones: a table of bytes and what must come.

`<PUT>` stands for a signed request line and headers of a PUT (any body), `<PUT10>` for one of
HTTP/1.0, `<GET>` for those of a GET that is refused with 404, `<HEAD>` and `<DELETE>` for the same
key, `<DELETES>` for those of a DeleteObjects, `<WAIT>` for a pause between
two packets, `<NEXT>` for one whole signed request whose answer has a body that can't be overlooked.
Where `<NEXT>` is meant to be a body or a part of one, its answer must never come.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOSED, KEPT = "closed", "kept"


@dataclass(frozen=True)
class Case:
    """`statuses` are the answers in order; `end` what becomes of the connection; `nexts` how many
    of the answers may be those of `<NEXT>`."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    end: str
    nexts: int = 0


def _put(headers: bytes, body: bytes, name: str, status: int, end: str) -> Case:
    return Case(name, b"<PUT>" + headers + b"\r\n\r\n" + body, (status,), end)


def _refused(headers: bytes, body: bytes = b"0\r\n\r\n<NEXT>") -> Case:
    """Framing that is not understood: one 400, and nothing more is read."""
    return _put(headers, body, repr(headers)[2:60], 400, CLOSED)


CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"

LENGTHS = tuple(
    _refused(headers, b"hello<NEXT>")
    for headers in (
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 6\r\nContent-Length: 5",
        b"Content-Length: 5, 6",
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Content-Length: 5 5",
        b"Content-Length: 5_0",
        b"Content-Length: 5.0",
        b"Content-Length: 5;",
        b"Content-Length: \xd9\xa5",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length : 5",
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: \x0b5",
        b"Content-Length: ",
        b"Content-Length:\r\n 5",
        b"transfer-encoding: chunked\r\nCONTENT-LENGTH: 5",
    )
)
CODINGS = tuple(
    _refused(headers)
    for headers in (
        b"Content-Length: 5\r\n" + CHUNKED,
        CHUNKED + b"\r\nContent-Length: 5",
        b"Content-Length: 0\r\n" + CHUNKED,
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: \x0bchunked",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding:\tchunked\t",
        b"Transfer-Encoding: chunked;q=1",
        b"Transfer-Encoding: ",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"X: y\rTransfer-Encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b" Transfer-Encoding: chunked",
        b"Transfer_Encoding: chunked\r\nContent-Length: -0",
    )
)
LINES = tuple(
    _refused(headers, b"hello<NEXT>")
    for headers in (
        b"Content-Length: 5\nX: y",
        b"X: y\r\n folded\r\nContent-Length: 5",
        b"X: y\r\n\tfolded\r\nContent-Length: 5",
        b"X\x00: y\r\nContent-Length: 5",
        b"X: a\x00b\r\nContent-Length: 5",
        b"no colon at all\r\nContent-Length: 5",
        b": no name\r\nContent-Length: 5",
        b"X y: z\r\nContent-Length: 5",
        b"X: y\r\r\nContent-Length: 5",
        b"Host: other\r\nContent-Length: 5",
        b"\xff\xfe: y\r\nContent-Length: 5",
    )
)
CHUNKS = tuple(
    _put(CHUNKED, body, f"chunks {body[:24]!r}", 400, CLOSED)
    for body in (
        b"+5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"-5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"0x5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5 5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"FFFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5\nhello\n0\n\n<NEXT>",
        b"5\rhello\r\n0\r\n\r\n<NEXT>",
        b"5\r\nhelloX\r\n0\r\n\r\n<NEXT>",
        b"5\r\nhello0\r\n\r\n<NEXT>",
        b"5\r\nhello\r\nzz\r\n\r\n<NEXT>",
        b"5;a=b\nc\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5\r\nhel<WAIT>loX\r\n0\r\n\r\n<NEXT>",
        b"<WAIT>-5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5\r\nhello\r\n<WAIT>0x0\r\n\r\n<NEXT>",
        b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n<NEXT>",
        b"5\t\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5 \r\nhello\r\n0\r\n\r\n<NEXT>",
        b'5;a="b\r\n<NEXT>"\r\nhello\r\n0\r\n\r\n',
        b"5;a\rb\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"5;a\x00\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"\r\n5\r\nhello\r\n0\r\n\r\n<NEXT>",
        b"0\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        *(
            b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n<NEXT>"
            for trailer in (
                b"Host: evil\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"no colon\r\n",
                b"X: y\r\n z\r\n",
                b"X: a\x00b\r\n",
                b"X: y\n",
                b"X: y\r\n" * 1000,
                b"X: " + b"y" * 70_000 + b"\r\n",
            )
        ),
    )
)
TARGETS = tuple(
    Case(
        f"line {line[:40]!r}",
        line + b"\r\nHost: a\r\n\r\n<NEXT>",
        (status,) if end == CLOSED else (status, 200),
        end,
        int(end == KEPT),
    )
    for line, status, end in (
        (b"GET http://evil.example/orders/other/seen.csv HTTP/1.1", 400, KEPT),
        (b"GET //orders/other/seen.csv HTTP/1.1", 400, KEPT),
        (b"GET /orders#x HTTP/1.1", 400, KEPT),
        (b"CONNECT evil.example:443 HTTP/1.1", 400, KEPT),
        (b"GET  /orders HTTP/1.1", 403, KEPT),
        (b"GET /orders  HTTP/1.1", 403, KEPT),
        (b"GET * HTTP/1.1", 400, CLOSED),
        (b"PRI * HTTP/2.0", 400, CLOSED),
        (b"GET /orders HTTP/1.2", 400, CLOSED),
        (b"GET /orders HTTP/9.9", 400, CLOSED),
        (b"GET /or ders HTTP/1.1", 400, CLOSED),
        (b"GET /orders\x00 HTTP/1.1", 400, CLOSED),
        (b"get /orders HTTP/1.1", 400, CLOSED),
        (b"G\x01T /orders HTTP/1.1", 400, CLOSED),
        (b"GET /orders", 400, CLOSED),
        (b"GET /orders HTTP/1.1\r\nHost: a", 400, CLOSED),
        (b"GET /orders HTTP/1.1\nHost: a\n", 400, CLOSED),
        (b"GET /orders HTTP/1.1\r", 400, CLOSED),
        (b" GET /orders HTTP/1.1", 400, CLOSED),
        (b"GET /orders http/1.1", 400, CLOSED),
        (b"GET /orders HTTP/1.1 x", 400, CLOSED),
        (b"GET /orders HTTP/1.10", 400, CLOSED),
        (b"GET\t/orders\tHTTP/1.1", 400, CLOSED),
        (b"GET /orders\x0b HTTP/1.1", 400, CLOSED),
        (b"GET /orders/\xc3\xa9 HTTP/1.1", 400, CLOSED),
        (b"GET /orders HTTP/1.1\r\nX\xe9: y", 400, CLOSED),
        (b"A" * 70_000, 400, CLOSED),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", 400, CLOSED),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, CLOSED),
    )
)
FLOODS = (
    Case("600 headers", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 600 + b"\r\n<NEXT>", (400,), CLOSED),
    Case(
        "a header of 70,000 bytes",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n<NEXT>",
        (400,),
        CLOSED,
    ),
    Case(
        "headers of 90,000 bytes together",
        b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 30_000 + b"\r\n") * 3,
        (400,),
        CLOSED,
    ),
    Case("only line ends", b"\r\n" * 1000 + b"<NEXT>", (200,), KEPT, 1),
)
IN_STEP = (
    _put(b"Content-Length: 5", b"hello", "plain", 200, KEPT),
    _put(CHUNKED, HELLO, "chunked", 200, KEPT),
    _put(b"transfer-encoding: CHUNKED", HELLO, "chunked in capitals", 200, KEPT),
    _put(CHUNKED, b"5;a=b;c\r\nhello\r\n0;d\r\n\r\n", "chunk extensions", 200, KEPT),
    _put(CHUNKED, b"005\r\nhello\r\n0\r\n\r\n", "leading zeros", 200, KEPT),
    _put(
        CHUNKED, b"5;" + b"a" * 300_000 + b"\r\nhello\r\n0\r\n\r\n", "a long extension", 200, KEPT
    ),
    Case("a body that is a request", b"<PUT>Content-Length: <LENGTH>\r\n\r\n<NEXT>", (200,), KEPT),
    Case("GET with a body", b"<GET>Content-Length: <LENGTH>\r\n\r\n<NEXT>", (404,), KEPT),
    Case(
        "GET with a chunked body",
        b"<GET>" + CHUNKED + b"\r\n\r\n<HEX>\r\n<NEXT>\r\n0\r\n\r\n",
        (404,),
        KEPT,
    ),
    Case(
        "refused, its body unread",
        b"PUT /orders/x HTTP/1.1\r\nHost: a\r\nContent-Length: <LENGTH>\r\n\r\n<NEXT>",
        (403,),
        KEPT,
    ),
    Case("refused, waiting for 100", b"<GET>Expect: 100-continue\r\nContent-Length: <LENGTH>\r\n"
         b"\r\n<NEXT>", (404,), CLOSED),
    *(
        Case(f"an upgrade to {name!r}", b"<GET>Connection: upgrade\r\nUpgrade: " + name +
             b"\r\n\r\n<NEXT>", (404,), CLOSED)
        for name in (b"h2c", b"websocket", b"TLS/1.3", b"x")
    ),
    Case("an upgrade with a body", b"<PUT>Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 5\r\n\r\nhello<NEXT>",
         (200,), CLOSED),
    _put(b"Connection: Transfer-Encoding\r\n" + CHUNKED, HELLO, "a coding to drop", 200, KEPT),
    _put(b"Connection: Content-Length\r\nContent-Length: 5", b"hello", "a length to be dropped",
         200, KEPT),
    _put(b"Content-Length: 0005", b"hello", "a length with zeros before it", 200, KEPT),
    _put(b"Content-Length:\t5\t", b"hello", "a length between tabs", 200, KEPT),
    _put(CHUNKED, b"0" * 60 + HELLO, "a size with many zeros before it", 200, KEPT),
    _put(CHUNKED, b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", "a trailer", 200, KEPT),
    _put(CHUNKED, b"5\r\nhello\r\n0\r\nAuthorization: x\r\nx-amz-acl: x\r\n\r\n",
         "a trailer that would count as a header", 200, KEPT),
    Case("HEAD with a body", b"<HEAD>Content-Length: <LENGTH>\r\n\r\n<NEXT>", (404,), KEPT),
    Case("DELETE with a body", b"<DELETE>Content-Length: <LENGTH>\r\n\r\n<NEXT>", (204,), KEPT),
    Case("an empty host", b"GET /orders HTTP/1.1\r\nHost: \r\n\r\n<NEXT>", (403, 200), KEPT, 1),
    Case("a host that is none", b"GET /orders HTTP/1.1\r\nHost: a/b@c\r\n\r\n<NEXT>",
         (403, 200), KEPT, 1),
    Case("pipelined", b"<NEXT>" * 20, (200,) * 20, KEPT, 20),
    Case("pipelined behind a refusal", b"<GET>\r\n<NEXT>", (404, 200), KEPT, 1),
    Case("pipelined before garbage", b"<NEXT>\x00\x00\r\n\r\n", (400,), CLOSED),
    Case("HTTP/1.0 that is to be kept", b"GET /-/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
         b"<NEXT>", (200,), CLOSED),
    Case("HTTP/1.0 with a length", b"<PUT10>Connection: keep-alive\r\nContent-Length: 5\r\n\r\n"
         b"hello<NEXT>", (200,), CLOSED),
    Case("HTTP/1.0 has no chunks", b"<PUT10>" + CHUNKED + b"\r\n\r\n" + HELLO + b"<NEXT>", (400,),
         CLOSED),
    Case("HTTP/1.0 expects nothing", b"<PUT10>Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
         b"hello", (200,), CLOSED),
    Case("pipelined behind an awaited body", b"<PUT>Expect: 100-continue\r\nContent-Length: 5\r\n"
         b"\r\n<WAIT>hello<NEXT>", (100, 200, 200), KEPT, 1),
    Case("pipelined behind a body that did not wait", b"<PUT>Expect: 100-continue\r\n"
         b"Content-Length: 5\r\n\r\nhello<NEXT>", (100, 200, 200), KEPT, 1),
    Case("pipelined behind awaited chunks", b"<PUT>Expect: 100-continue\r\n" + CHUNKED +
         b"\r\n\r\n<WAIT>" + HELLO + b"<NEXT>", (100, 200, 200), KEPT, 1),
    Case("pipelined behind a refused wait", b"<GET>Expect: 100-continue\r\nContent-Length: 5\r\n"
         b"\r\nhello<NEXT>", (404,), CLOSED),
    Case("expected twice", b"<PUT>Expect: 100-continue\r\nExpect: 100-continue\r\n"
         b"Content-Length: 5\r\n\r\nhello", (100, 200), KEPT),
    Case("HTTP/1.0 ends the connection", b"GET / HTTP/1.0\r\n\r\n<NEXT>", (400,), CLOSED),
    Case("asked to close", b"<GET>Connection: close\r\n\r\n<NEXT>", (400,), CLOSED),
    Case("no host", b"GET /orders HTTP/1.1\r\n\r\n<NEXT>", (400,), CLOSED),
)  # fmt: skip

SLOW = (
    Case("a head that never ends", b"GET /orders HTTP/1.1\r\nHost: a\r\nX: ", (), CLOSED),
    Case("nothing at all", b"", (), CLOSED),
    Case("a body that never comes", b"<PUT>Content-Length: 99\r\n\r\nhell", (400,), CLOSED),
    Case("a chunk that never comes", b"<PUT>" + CHUNKED + b"\r\n\r\n5\r\nhe", (400,), CLOSED),
    Case("a chunk's size that never ends", b"<PUT>" + CHUNKED + b"\r\n\r\n0000", (400,), CLOSED),
    Case("no last chunk", b"<PUT>" + CHUNKED + b"\r\n\r\n5\r\nhello\r\n", (400,), CLOSED),
    Case("a trailer that never ends", b"<PUT>" + CHUNKED + b"\r\n\r\n0\r\nX: ", (400,), CLOSED),
    Case(
        "a document that never ends",
        b"<DELETES>Content-Length: 99\r\n\r\n<Delete><Object>",
        (400,),
        CLOSED,
    ),
)
"""The time limits of the gateway under test are a fraction of a second."""

CASES = (*LENGTHS, *CODINGS, *LINES, *CHUNKS, *TARGETS, *FLOODS, *IN_STEP, *SLOW)
