"""Starts the real servers that tests talk to, each once a session, on loopback and a free port.

What `install.sh` could not install makes `Absent`, whose text is the reason to skip.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
START_SECONDS_MAX = 30.0
VERSITYGW_KEYS = ("tester", "tester-secret")  # the ones that it is started with


class Absent(Exception):
    """A program that this machine does not have."""


def moto() -> contextlib.AbstractContextManager[str]:
    """An S3 server; any credentials will do."""
    port = free_port()
    program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return _serving(program, port, "moto")


@contextlib.contextmanager
def azurite() -> Iterator[str]:
    """Azure Blob storage, with the account `devstoreaccount1` and its well-known key."""
    script = TOOLS / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    node = shutil.which("node")
    if node is None or not script.exists():
        raise Absent("Azurite is not installed: run tests/counterparts/install.sh (needs npm)")
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location", place]
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        with _serving([node, str(script), *options, *where], port, "Azurite") as endpoint:
            yield endpoint


@contextlib.contextmanager
def fake_gcs() -> Iterator[str]:
    """Google Cloud Storage without authentication."""
    program = TOOLS / "bin" / "fake-gcs-server"
    if not program.exists():
        raise Absent("fake-gcs-server is not installed: run tests/counterparts/install.sh")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    names = ["-external-url", url, "-public-host", f"127.0.0.1:{port}", "-log-level", "error"]
    with _serving([str(program), *options, *names], port, "fake-gcs-server") as endpoint:
        yield endpoint


@contextlib.contextmanager
def versitygw() -> Iterator[str]:
    """An S3 server over a folder, with the keys `VERSITYGW_KEYS`."""
    program = TOOLS / "bin" / "versitygw"
    if not program.exists():
        raise Absent("versitygw is not installed: run tests/counterparts/install.sh (needs Go)")
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        name, secret = VERSITYGW_KEYS
        options = ["--access", name, "--secret", secret, "--port", f"127.0.0.1:{port}", "--quiet"]
        with _serving([str(program), *options, "posix", place], port, "versitygw") as endpoint:
            yield endpoint


@contextlib.contextmanager
def nginx(config: str) -> Iterator[str]:
    """The reverse proxy. `config` is its whole file, with `{folder}` and `{port}` to be filled."""
    installed = TOOLS / "bin" / "nginx"
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    program = str(installed) if installed.exists() else shutil.which("nginx", path=places)
    if program is None:
        raise Absent("nginx is not installed: run tests/counterparts/install.sh (needs apt)")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nginx.conf")
        file.write_text(config.format(folder=folder, port=port))
        command = [program, "-c", str(file), "-p", folder, "-e", "stderr"]
        with _serving(command, port, "nginx") as endpoint:
            yield endpoint


@dataclass(frozen=True)
class Sshd:
    """A running OpenSSH server: `user` gets in with the key `key` (a file), and may do what it
    likes in `folder`; `host_key` is the line of the server's own."""

    port: int
    user: str
    key: Path
    host_key: str
    folder: Path


@contextlib.contextmanager
def sshd() -> Iterator[Sshd]:
    """OpenSSH's server and its sFTP, for whoever runs this: root steps down to `daemon` for it."""
    unpacked = TOOLS / "openssh"
    installed = unpacked / "usr" / "sbin" / "sshd"
    program = str(installed) if installed.exists() else shutil.which("sshd", path="/usr/sbin")
    if program is None:
        raise Absent("sshd is not installed: run tests/counterparts/install.sh (needs apt)")
    who = pwd.getpwnam("daemon") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        keys = {}
        for which in ("host", "user"):
            keys[which] = asyncssh.generate_private_key("ssh-ed25519")
            keys[which].write_private_key(place / which)
            (place / which).chmod(0o600)
        (place / "authorized").write_bytes(keys["user"].export_public_key())
        (place / "inbox").mkdir()
        options = {
            "ListenAddress": "127.0.0.1",
            "Port": str(port),
            "HostKey": str(place / "host"),
            "AuthorizedKeysFile": str(place / "authorized"),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "Subsystem": "sftp internal-sftp",
            "ForceCommand": "internal-sftp",
        }
        (place / "config").write_text("".join(f"{k} {v}\n" for k, v in options.items()))
        for path in (place, *place.iterdir()):
            os.chown(path, who.pw_uid, who.pw_gid)
        command = [program, "-D", "-e", "-f", str(place / "config")]
        libraries = ":".join(str(path.parent) for path in unpacked.glob("usr/lib/*/libwrap.so.0"))
        with _listening(command, port, {"LD_LIBRARY_PATH": libraries}, who.pw_name):
            host_key = keys["host"].export_public_key().decode()
            yield Sshd(port, who.pw_name, place / "user", host_key, place / "inbox")


@contextlib.contextmanager
def _listening(
    program: Sequence[str], port: int, environment: Mapping[str, str], user: str
) -> Iterator[None]:
    """A server that speaks no HTTP; root runs it as `user`."""
    nowhere = subprocess.DEVNULL
    as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    server = subprocess.Popen(
        program,
        env={**os.environ, **environment},
        stdout=nowhere,
        stderr=nowhere,
        **(as_user if os.geteuid() == 0 else {}),  # type: ignore[call-overload]
    )
    try:
        _wait_for_port(server, port, program[0])
        yield
    finally:
        _end(server)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _serving(program: Sequence[str], port: int, name: str) -> Iterator[str]:
    nowhere = subprocess.DEVNULL
    environment = {**os.environ, "NO_PROXY": "*"}
    server = subprocess.Popen(program, env=environment, stdout=nowhere, stderr=nowhere)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(server, endpoint, name)
        yield endpoint
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _wait_for_port(server: subprocess.Popen[bytes], port: int, name: str) -> None:
    limit = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < limit:
        if server.poll() is not None:
            raise RuntimeError(f"{name} ended at once with {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{name} did not answer within {START_SECONDS_MAX:g} s")


def _wait(server: subprocess.Popen[bytes], endpoint: str, name: str) -> None:
    limit = time.monotonic() + START_SECONDS_MAX
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < limit:
        if server.poll() is not None:
            raise RuntimeError(f"{name} ended at once with {server.returncode}")
        try:
            opener.open(endpoint, timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return  # any answer will do
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{name} did not answer within {START_SECONDS_MAX:g} s")
