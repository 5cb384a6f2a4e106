"""aws-chunked bodies to feed, and the decoders to feed them to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from gateway.s3.canonical import signing_key
from gateway.s3.chunked import Decoder, decoder
from gateway.s3.errors import S3Error
from gateway.s3.sigv4 import Payload, Verified

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATE, SCOPE = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request"
KEY = signing_key(SECRET, "20130524", "us-east-1")
CONTENT = b"a" * 66560
CUTS = (65536, 66560)
CRC32C = "x-amz-checksum-crc32c"

S_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
S_SEALS = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
]
ST_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
ST_SEALS = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
]
ST_TRAILER_SEAL = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


@dataclass(frozen=True)
class Key:
    secret: str = SECRET


def verified(payload: Payload, seed: str = "", sha256: str = "") -> Verified[Key]:
    return Verified("AK", Key(), payload, sha256, False, seed, KEY, SCOPE, DATE)


def framed(pieces: Sequence[bytes], seals: Sequence[str] = (), trailer: bytes = b"") -> bytes:
    """The wire form of pieces and the last, empty chunk."""
    body = b""
    for at, piece in enumerate([*pieces, b""]):
        seal = b";chunk-signature=" + seals[at].encode() if seals else b""
        body += b"%x%b\r\n" % (len(piece), seal) + (piece + b"\r\n" if piece else b"")
    return body + trailer + b"\r\n"


def drain(body: bytes, into: Decoder, step: int = 1 << 20) -> bytes:
    out = b""
    for at in range(0, len(body), step):
        out += b"".join(into.feed(body[at : at + step]))
    into.finish()
    return out


def code_of(body: bytes, into: Decoder) -> str:
    with pytest.raises(S3Error) as caught:
        drain(body, into)
    return caught.value.code


VECTOR = [CONTENT[: CUTS[0]], CONTENT[CUTS[0] : CUTS[1]]]
S_BODY = framed(VECTOR, S_SEALS)
ST_TRAILER = f"{CRC32C}:sOO8/Q==\r\nx-amz-trailer-signature:{ST_TRAILER_SEAL}\r\n".encode()
ST_BODY = framed(VECTOR, ST_SEALS, ST_TRAILER)


def s_decoder(size: int = len(CONTENT)) -> Decoder:
    return decoder(verified(Payload.SIGNED_CHUNKS, S_SEED), size)


def st_decoder(size: int = len(CONTENT)) -> Decoder:
    return decoder(verified(Payload.SIGNED_CHUNKS_TRAILER, ST_SEED), size, [CRC32C])


def ut_decoder(size: int = 11, trailers: Sequence[str] = ("x-amz-checksum-crc32",)) -> Decoder:
    return decoder(verified(Payload.UNSIGNED_TRAILER), size, trailers)


UT_TRAILER = b"x-amz-checksum-crc32:DUoRhQ==\r\n"
UT_BODY = framed([b"hello world"], trailer=UT_TRAILER)
