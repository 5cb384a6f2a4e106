"""Inputs made of other inputs: what a random number generator does to a seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

EDITS_MAX = 8
PIECE_BYTES_MAX = 64
PUMP_BYTES = 30_000
"""Of one thing over and over: what takes time that grows with its square takes seconds."""

INPUT_BYTES_MAX = 64 * 1024

TOKENS: Sequence[bytes] = (
    b"", b"\x00", b"\r\n", b"\n", b"\r", b"\t", b" ", b"%", b"%00", b"%2F", b"%zz", b"%0d%0a",
    b"%C0%AF", b"%ED%A0%80", b"+", b"&", b"=", b";", b",", b"/", b"//", b"/../", b".", b"?", b"#",
    b'"', b"'", b"<", b">", b"</", b"/>", b"<!--", b"]]>", b"<![CDATA[", b"&#0;", b"&#x10FFFF;",
    b"&lt;", b"<!DOCTYPE", b"{", b"}", b"[", b"]", b":", b"$", b"*", b"\\", b"W/", b"bytes=",
    b"-", b"0", b"-1", b"1", b"00", b"9" * 10, b"9" * 19, b"9" * 40, b"9" * 5000, b"1e999",
    b"NaN", b"0x1", b"_", b"\xff", b"\xc3\x28", b"\xe2\x82\xac", b"\xef\xbb\xbf", b"\xed\xa0\x80",
    b"\xf0\x9d\x95\x8f", b"\xe2\x80\xa8", b"\xc2\x85", b"\xd9\xa3", b"true", b"null", b"none",
    b"a" * 1025, b"--b", b"2026-06-01T00:00:00Z", b"9999-12-31T23:59:59-23:59", b"+99:99",
    b"x-amz-", b"x-crossdock-",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    data = random.choice(seeds)
    for _ in range(random.randint(1, EDITS_MAX)):
        data = _edited(data, seeds, random)
    return data[:INPUT_BYTES_MAX]


def pumped(seeds: Sequence[bytes], random: Random) -> bytes:
    """A seed with a run of one short thing in it, as long as a header may be."""
    data = random.choice(seeds)
    at = random.randint(0, len(data))
    unit = random.choice((data[at : at + random.randint(1, 3)], random.choice(TOKENS)[:8])) or b" "
    return data[:at] + unit * (PUMP_BYTES // len(unit)) + data[at:]


def _edited(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.randint(0, PIECE_BYTES_MAX))
    piece = data[start:end]
    how = random.randrange(7)
    if how == 0:
        piece = random.choice(TOKENS)
    elif how == 1:
        piece += random.choice(TOKENS)
    elif how == 2:
        piece *= random.randint(0, 4)
    elif how == 3:
        piece = random.randbytes(random.randint(0, 4))
    elif how == 4:
        other = random.choice(seeds)
        at = random.randint(0, len(other))
        piece = other[at : at + random.randint(0, PIECE_BYTES_MAX)]
    elif how == 5:
        piece = piece.swapcase()
    elif piece:
        at = random.randrange(len(piece))
        flipped = piece[at] ^ (1 << random.randrange(8))
        piece = piece[:at] + bytes([flipped]) + piece[at + 1 :]
    return data[:start] + piece + data[end:]
