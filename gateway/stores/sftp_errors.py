"""What an sFTP server and the way to it answer, in the words of gateway.errors."""

from __future__ import annotations

import asyncssh
from asyncssh import sftp
from asyncssh.constants import OPEN_REQUEST_SESSION_FAILED
from asyncssh.packet import PacketDecodeError

from gateway.errors import (
    CrossdockError,
    MissingFromStore,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)

FAILURES = (asyncssh.Error, OSError, PacketDecodeError, UnicodeError)
"""All that asyncssh raises for a server that does not do what it is asked, answers what nobody can
read, or has a name that none can have."""

_WORDS: tuple[tuple[type[Exception], type[CrossdockError]], ...] = (
    (sftp.SFTPNoSuchFile, MissingFromStore),
    (sftp.SFTPNoSuchPath, MissingFromStore),
    (sftp.SFTPNotADirectory, MissingFromStore),
    (sftp.SFTPLinkLoop, MissingFromStore),
    (sftp.SFTPPermissionDenied, StoreRefused),
    (sftp.SFTPWriteProtect, StoreRefused),
    (sftp.SFTPOpUnsupported, StoreRefused),
    (sftp.SFTPInvalidFilename, StoreRefused),
    (sftp.SFTPNoSpaceOnFilesystem, StoreFull),
    (sftp.SFTPQuotaExceeded, StoreFull),
    (asyncssh.PermissionDenied, StoreRefused),
    (asyncssh.HostKeyNotVerifiable, StoreRefused),
    (asyncssh.KeyExchangeFailed, StoreRefused),
    (asyncssh.ProtocolNotSupported, StoreRefused),
)
"""Anything else is StoreUnavailable. Protocol version 3, which nearly every server speaks, says no
more than FAILURE of most things: a full disk, a name that is taken, a folder that is not empty.
Who asked knows what to look at then."""

SAID_CHARS_MAX = 200

_FULL = ("no space", "disk full", "quota", "space limit")

_BROKEN = (
    sftp.SFTPConnectionLost,
    sftp.SFTPNoConnection,
    asyncssh.DisconnectError,
    OSError,
    PacketDecodeError,
)


def told(error: Exception) -> CrossdockError:
    """The error in our words. The server's own text goes with it: nobody but the operator and
    the store's owner is shown it."""
    if isinstance(error, sftp.SFTPFailure) and any(w in error.reason.lower() for w in _FULL):
        return StoreFull(_said(error))
    if isinstance(error, asyncssh.ChannelOpenError):
        refused = error.code == OPEN_REQUEST_SESSION_FAILED
        word: type[CrossdockError] = StoreRefused if refused else StoreUnavailable
        return word(_said(error))
    word = next((word for kind, word in _WORDS if isinstance(error, kind)), StoreUnavailable)
    return word(_said(error))


def breaks(error: Exception) -> bool:
    """Whether the connection is of no use any more."""
    return isinstance(error, _BROKEN)


def _said(error: Exception) -> str:
    text = (str(error) or type(error).__name__)[:SAID_CHARS_MAX]
    return f"The sFTP server says: {text}."
