"""paramiko's sFTP server over a folder, in threads: it knows no limits and no fsync, and its rename
goes over what is there. It hangs up on who asks for a kind of host key that it lacks."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface

from tests.contract.sftp_servers import PASSWORD, USER


def told(work: Callable[[], Any]) -> Any:
    """What it gives, or the protocol's code for what went wrong."""
    try:
        return work()
    except OSError as error:
        return SFTPServer.convert_errno(error.errno or 0)


class Handle(SFTPHandle):  # type: ignore[misc]
    path = b""

    def stat(self) -> Any:
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attr: Any) -> Any:
        return told(lambda: SFTPServer.set_file_attr(self.path, attr)) or paramiko.SFTP_OK


class Folder(SFTPServerInterface):  # type: ignore[misc]
    root = b""

    def at(self, path: str | bytes) -> bytes:
        return self.root + os.fsencode(path)

    def list_folder(self, path: str) -> Any:
        def listing() -> list[Any]:
            found = []
            for name in os.listdir(self.at(path)):
                about = SFTPAttributes.from_stat(os.lstat(os.path.join(self.at(path), name)))
                about.filename = os.fsdecode(name)
                found.append(about)
            return found

        return told(listing)

    def stat(self, path: str) -> Any:
        return told(lambda: SFTPAttributes.from_stat(os.stat(self.at(path))))

    def lstat(self, path: str) -> Any:
        return told(lambda: SFTPAttributes.from_stat(os.lstat(self.at(path))))

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def opening() -> Handle:
            number = os.open(self.at(path), flags, 0o666)
            file = os.fdopen(number, "wb" if flags & os.O_WRONLY else "rb", 0)
            handle = Handle(flags)
            handle.path = self.at(path)
            handle.readfile = handle.writefile = file
            return handle

        return told(opening)

    def remove(self, path: str) -> Any:
        return told(lambda: os.remove(self.at(path))) or paramiko.SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> Any:
        return told(lambda: os.replace(self.at(oldpath), self.at(newpath))) or paramiko.SFTP_OK

    posix_rename = rename

    def mkdir(self, path: str, attr: Any) -> Any:
        return told(lambda: os.mkdir(self.at(path))) or paramiko.SFTP_OK


class Login(paramiko.ServerInterface):  # type: ignore[misc]
    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        known = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


@contextlib.contextmanager
def serving(folder: Path, key: asyncssh.SSHKey) -> Iterator[int]:
    """Its port. `key` is an ECDSA one."""
    pem = key.export_private_key("pkcs1-pem").decode()
    host_key = paramiko.ECDSAKey.from_private_key(io.StringIO(pem))
    here = type("Here", (Folder,), {"root": os.fsencode(folder)})
    listening = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def accepting() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(host_key)
            transport.set_subsystem_handler("sftp", SFTPServer, here)
            transport.start_server(server=Login(), event=threading.Event())
            transports.append(transport)

    thread = threading.Thread(target=accepting, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
        for transport in transports:
            transport.close()
