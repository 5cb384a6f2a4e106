"""The sFTP clients that jobs are made of, as far as they are at hand. Each function gives the words
that a call begins with, or skips the test and says what is missing."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.counterparts.servers import TOOLS

INSTALL = "run tests/counterparts/install.sh"


def sftp() -> tuple[str, ...]:
    """OpenSSH's own."""
    return (_on_path("sftp", "OpenSSH's sftp is not installed"),)


def scp() -> tuple[str, ...]:
    """OpenSSH's own, which speaks sFTP from 9.0 on, and with -s before."""
    return (_on_path("scp", "OpenSSH's scp is not installed"),)


def lftp() -> tuple[str, ...]:
    """Calls OpenSSH's ssh for the connection: `sftp:connect-program` is where its options go."""
    _on_path("ssh", "OpenSSH's ssh, which lftp calls, is not installed")
    unpacked = TOOLS / "lftp"
    program = unpacked / "usr" / "bin" / "lftp"
    if not program.exists():
        return (_on_path("lftp", f"lftp is not installed: {INSTALL} (needs apt)"),)
    libraries = ":".join(str(path) for path in unpacked.glob("usr/lib/*-linux-gnu*"))
    return ("env", f"LD_LIBRARY_PATH={libraries}", str(program))


def rclone() -> tuple[str, ...]:
    """Without a configuration of its own: a call says all in its options."""
    program = TOOLS / "rclone" / "bin" / "rclone"
    path = str(program) if program.exists() else shutil.which("rclone")
    if path is None:
        pytest.skip(f"rclone is not installed: {INSTALL}")
    return (path, "--config", "/dev/null")


def curl() -> tuple[str, ...]:
    """Not every build of it knows sFTP."""
    path = _on_path("curl", "curl is not installed")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    protocols = next((line for line in said.splitlines() if line.startswith("Protocols:")), "")
    if "sftp" not in protocols.split():
        pytest.skip("this curl was built without sFTP")
    return (path, "--disable", "--silent", "--show-error", "--fail")


def _on_path(name: str, missing: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(missing)
    return path
