"""How a test runs a real client: its program, the door's address, and whom it speaks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.counterparts.servers import TOOLS
from tests.harness import REGION, key_of

RUN_S = 90
ACCESS, SECRET = key_of("acme/erp")
PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True, slots=True)
class Door:
    """`trusted` is the certificate's path, "" where the door speaks http."""

    endpoint: str
    trusted: str
    bucket: str

    @property
    def host(self) -> str:
        return self.endpoint.partition("://")[2]

    @property
    def environment(self) -> dict[str, str]:
        """AWS's own variables, which most clients read."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        made = {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
        }
        trust = {"AWS_CA_BUNDLE": self.trusted, "NODE_EXTRA_CA_CERTS": self.trusted}
        return kept | made | (trust if self.trusted else {})


def program(family: str, name: str = "python") -> str:
    """A program of one family of clients; skips where install.sh could not install it."""
    path = TOOLS / family / "bin" / name
    if not (TOOLS / family / "installed").exists() or not path.exists():
        pytest.skip(f"{family} is not installed: run tests/counterparts/install.sh")
    return str(path)


def on_path(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(
    command: Sequence[str], door: Door, folder: Path, more: Mapping[str, str] | None = None
) -> str:
    """What the client printed. Fails with what it complained of."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**door.environment, "HOME": str(folder), **(more or {})},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    sys.stderr.write(done.stderr)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def run_program(family: str, name: str, door: Door, folder: Path) -> str:
    """One of `programs/`, in the family's own interpreter."""
    words = [door.endpoint, ACCESS, SECRET, door.trusted, door.bucket]
    return run([program(family), str(PROGRAMS / f"{name}.py"), *words], door, folder)
