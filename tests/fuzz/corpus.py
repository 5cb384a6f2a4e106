"""Inputs that once were findings, kept as files: they are tried again in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path(__file__).parent / "corpus"


def kept(target: str) -> Sequence[bytes]:
    return [path.read_bytes() for path in sorted((FOLDER / target).glob("*"))]


def seeds(target: str) -> Sequence[bytes]:
    return [*TARGETS[target].seeds, *kept(target)]


def keep(target: str, data: bytes) -> Path:
    """Adds a finding; it is a fixture from then on."""
    path = FOLDER / target / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
