"""Keys that clients, proxies and servers get wrong. Needs nothing but Python."""

from __future__ import annotations

NFC, NFD = "caf\u00e9.txt", "cafe\u0301.txt"

PLAIN = (
    "a b+c/\u00e9/x;=1.txt",
    "100%.txt",
    "a%2Fb",
    "plus+and space",
    NFC,
    NFD,
    "~*'()!&$,#?.txt",
    "k" * 1024,
)
"""What every client can say."""

SLASHES = ("double//slash", "trailing/")
DOTS = ("a/../b", "./c", "/leading")
"""Clients that clean paths can't say these."""
