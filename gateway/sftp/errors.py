"""What goes wrong, in sFTP's words: one table. Version 3 knows nine codes, so the text matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from asyncssh import sftp

from gateway import errors

OWN_WORDS = (
    errors.Denied,
    errors.NotFound,
    errors.BadInput,
    errors.PreconditionFailed,
    errors.Conflict,
    errors.NotDelivered,
    errors.BucketNotEmpty,
)
"""Errors whose text is for the client; that of others may name somebody's store."""

STATUSES: Mapping[type[errors.CrossdockError], Callable[[str], sftp.SFTPError]] = MappingProxyType(
    {
        errors.CrossdockError: sftp.SFTPFailure,
        errors.Denied: sftp.SFTPPermissionDenied,
        errors.NotFound: sftp.SFTPNoSuchFile,
        errors.NoSuchUpload: sftp.SFTPFailure,
        errors.VersionIsMarker: sftp.SFTPNoSuchFile,
        errors.PreconditionFailed: sftp.SFTPFileAlreadyExists,
        errors.BucketNotEmpty: sftp.SFTPDirNotEmpty,
        errors.KeyTooLong: sftp.SFTPInvalidFilename,
        errors.StoreFull: sftp.SFTPNoSpaceOnFilesystem,
    }
)
"""The status of each kind of error; one that is not here has that of what it is a kind of."""


def text_of(error: errors.CrossdockError) -> str:
    """What a person is told. A store's own words are not passed on."""
    if isinstance(error, errors.NoSuchUpload):
        return "this upload was replaced by another one of the same name, or was finished"
    if isinstance(error, errors.NoSuchBucket | errors.NoSuchKey | errors.VersionIsMarker):
        return "no such file or folder"
    if isinstance(error, errors.PreconditionFailed):
        return "a file or folder of that name is there already"
    if isinstance(error, OWN_WORDS):
        return error.message
    return errors.usual_message(type(error))


def status_of(error: errors.CrossdockError) -> sftp.SFTPError:
    kind = next(cls for cls in type(error).__mro__ if cls in STATUSES)
    return STATUSES[kind](text_of(error))
