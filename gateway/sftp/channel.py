"""A channel of a connection: sFTP, or scp over it; no shell, no command, nothing else.

This is where asyncssh's inside is touched: its own session tells nobody whether a client closed a
file or was lost in the middle of it, which is all the difference to a partner.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from typing import Any, cast

from asyncssh import SSHReader, SSHServerChannel, SSHWriter
from asyncssh.channel import SSHChannel
from asyncssh.constants import EXTENDED_DATA_STDERR, FXP_OPENDIR
from asyncssh.scp import run_scp_server
from asyncssh.sftp import (
    MAX_SFTP_PACKET_LEN,
    SFTPLimits,
    SFTPServerHandler,
)
from asyncssh.stream import SSHServerStreamSession

from gateway.sftp.session import PIECE_BYTES_MAX, Session

VERSION = 3
EXTENSIONS = frozenset({b"posix-rename@openssh.com", b"fsync@openssh.com", b"limits@openssh.com"})
"""Of those that asyncssh offers; the others have no meaning here."""

FILE_SERVERS = frozenset({"internal-sftp", "sftp-server"})

NewSession = Callable[[SSHServerChannel[bytes]], Session]

log = logging.getLogger(__name__)


class Channel(SSHServerStreamSession[bytes]):
    def __init__(self, new: NewSession, closed: Callable[[], None]) -> None:
        super().__init__(None, cast(Any, new), VERSION, allow_scp=True)
        self._new = new
        self._closed = closed

    def exec_requested(self, command: str) -> bool:
        """A certificate may force the command by which OpenSSH's server serves files."""
        return serves_files(command) or super().exec_requested(command)

    def session_started(self) -> None:
        channel = cast(SSHServerChannel[bytes], self._chan)
        if self._conn is None:
            return
        channel.set_encoding(None)
        self._encoding = None
        reader, writer = SSHReader[bytes](self, channel), SSHWriter[bytes](self, channel)
        session, command = self._new(channel), channel.get_command()
        if command is None or serves_files(command):
            self._conn.create_task(Handler(session, reader, writer).run(), reader.logger)
        else:
            self._conn.create_task(self._scp(session, command, reader, writer), reader.logger)

    def connection_made(self, chan: SSHChannel[bytes]) -> None:
        super().connection_made(chan)
        cast(Any, chan)._process_env_request = _no_variable

    async def _scp(
        self, session: Session, command: str, reader: SSHReader[bytes], writer: SSHWriter[bytes]
    ) -> None:
        errors = SSHWriter[bytes](self, session.channel, EXTENDED_DATA_STDERR)
        if endless(command):
            errors.write(b"scp: ** and .. are not matched in patterns here\n")
            session.channel.exit(1)
            session.leave()
            return
        running = run_scp_server(session, command, reader, writer, errors)
        if running is None:  # it knows no such command, and has said so
            session.leave()
            return
        try:
            await running
        except RecursionError:
            log.warning("scp was to make folders too deep")

    # asyncssh has these interrupt whoever reads, which no transfer of files expects

    def signal_received(self, signal: str) -> None:
        """Means nothing here."""

    def break_received(self, msec: int) -> bool:
        return False

    def soft_eof_received(self) -> None:
        """Means nothing here."""

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Means nothing here."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
        super().connection_lost(exc)


def serves_files(command: str) -> bool:
    """Whether a command is another name for the sFTP subsystem."""
    program = command.partition(" ")[0].rpartition("/")[2]
    return program in FILE_SERVERS


def endless(command: str) -> bool:
    """Whether scp was told to send what matches a pattern that may match each file in as many ways
    as a folder is deep, or that goes up and down again: asyncssh follows every one of them."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False  # which scp says itself
    return any(
        "**" in word or (set("*?[") & set(word) and ".." in word.split("/")) for word in words
    )


def _no_variable(packet: object) -> bool:
    """Variables are not kept: they mean nothing here, and might be many."""
    return False


class Handler(SFTPServerHandler):
    _extensions = [  # noqa: RUF012 - asyncssh's, which nobody changes
        each for each in SFTPServerHandler._extensions if each[0] in EXTENSIONS
    ]

    def __init__(
        self, session: Session, reader: SSHReader[bytes], writer: SSHWriter[bytes]
    ) -> None:
        super().__init__(session, reader, writer, VERSION)
        self._session = session

    async def run(self) -> None:
        """asyncssh takes it for a fault of its own when a client leaves before it said a word, and
        ends the whole connection."""
        try:
            await super().run()
        except EOFError:
            await self._cleanup(None)
        except Exception as error:
            log.exception("an sFTP session broke off")
            await self._cleanup(error)

    async def _process_packet(self, pkttype: int, pktid: int, packet: Any) -> None:
        """Reads no further request before the client took enough of the answers."""
        with self._session.arrival.request():
            await super()._process_packet(pkttype, pktid, packet)
        self._session.folders = len(self._dir_handles)
        if self._writer is not None:
            await self._writer.drain()

    async def _cleanup(self, exc: Exception | None) -> None:
        """What is still open now was not closed by the client. Each file is on its own: one that
        can't be kept must not take the others with it."""
        self._session.dropping = True
        for file in list(self._file_handles.values()):
            try:
                await self._session.close(file)
            except Exception as error:  # noqa: BLE001 - nobody is left to be told
                log.warning("a file of a lost session was not kept", extra={"error": str(error)})
        self._file_handles.clear()
        await super()._cleanup(exc)

    async def _process_limits(self, packet: Any) -> SFTPLimits:
        packet.check_end()
        most = self._session.files_max
        return SFTPLimits(MAX_SFTP_PACKET_LEN, PIECE_BYTES_MAX, PIECE_BYTES_MAX, most)

    async def _process_opendir(self, packet: Any) -> bytes:
        self._session.check_folders()
        return await super()._process_opendir(packet)

    _packet_handlers: Any = {  # noqa: RUF012
        **{
            name: act
            for name, act in SFTPServerHandler._packet_handlers.items()
            if isinstance(name, int) or name in EXTENSIONS
        },
        FXP_OPENDIR: _process_opendir,
        b"limits@openssh.com": _process_limits,
    }
