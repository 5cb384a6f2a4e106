"""The names in one folder: each once, whatever lies under it."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.sftp.tree import NAMELESS, shown


class Names:
    """Keys come in S3's order within a kind: files and folders of a page, page after page. A
    folder beside a file of its name is told by another one (see tree.py)."""

    def __init__(self, prefix: str, taken: Iterable[str] = ()) -> None:
        self._prefix = prefix
        self._drafts: set[str] = set()
        self._folders = set(taken)
        self._files: list[str] = []

    def draft(self, key: str) -> str:
        """The name of a file that is being written, or "" where it lies deeper."""
        rest = key.removeprefix(self._prefix)
        if "/" in rest or not rest:
            return ""
        self._drafts.add(rest)
        return shown(rest)

    def file(self, key: str, size: int) -> str:
        """The name of a version, or "" where it is not listed: one that its writer is writing anew
        is in the list already; an empty one without a name is how S3 clients keep a folder."""
        rest = key.removeprefix(self._prefix)
        if rest in self._drafts or (not rest and not size):
            return ""
        while self._files and not rest.startswith(self._files[-1]):
            self._files.pop()  # no folder of its name can come any more
        self._files.append(rest)
        return shown(rest)

    def folder(self, key: str) -> str:
        """The name of the folder in which a key lies, or "" where it was listed before."""
        rest, slash, _ = key.removeprefix(self._prefix).partition("/")
        if not slash or rest in self._folders:
            return ""
        self._folders.add(rest)
        beside = rest in self._files or rest in self._drafts
        return shown(rest) + NAMELESS if beside and rest else shown(rest)
