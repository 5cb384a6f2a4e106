"""What was written lately, for those who may only write: their clients look whether it arrived."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

RECENT_MAX = 10_000
"""Files that are remembered; the oldest are forgotten first."""

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    def __init__(self, most: int = RECENT_MAX) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
