"""What keeps a version from being deleted by its id: S3's retention and legal hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GOVERNANCE, COMPLIANCE = "GOVERNANCE", "COMPLIANCE"
ON, OFF = "ON", "OFF"
SETTING = "object-lock"
"""Among a bucket's settings; only a bucket that has it has object lock."""

DAY_NS = 24 * 3600 * 10**9
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Lock:
    """`mode` and `until` (a moment) are the retention, `hold` the legal hold: ON, OFF, or "" where
    it was never set (AWS: How S3 Object Lock works)."""

    mode: str = ""
    until: int = 0
    hold: str = ""

    def retained(self, now: int) -> bool:
        return bool(self.mode) and self.until > now

    def keeps(self, now: int, *, bypass: bool) -> bool:
        """Whether the version may not go now. `bypass` lifts GOVERNANCE alone, and no hold."""
        lifted = bypass and self.mode == GOVERNANCE
        return self.hold == ON or (self.retained(now) and not lifted)

    def admits(self, other: Lock, now: int, *, bypass: bool) -> bool:
        """Whether its retention may become the other's: while it runs it may be made longer;
        shorter, or of another mode, only GOVERNANCE and only with `bypass`."""
        if not self.retained(now) or (other.mode == self.mode and other.until >= self.until):
            return True
        return bypass and self.mode == GOVERNANCE


@dataclass(frozen=True, slots=True)
class LockRule:
    """A bucket's object lock: new versions get `mode` for so many days or years, or nothing."""

    mode: str = ""
    days: int = 0
    years: int = 0

    @classmethod
    def read(cls, text: str) -> LockRule:
        mode, days, years = text.split("/")
        return cls(mode, int(days), int(years))

    def __str__(self) -> str:
        return f"{self.mode}/{self.days}/{self.years}"

    def lock(self, now: int) -> Lock | None:
        """That of a version written now."""
        days = self.days + self.years * YEAR_DAYS
        return Lock(self.mode, now + days * DAY_NS) if self.mode else None


def rule_of(settings: Mapping[str, str]) -> LockRule | None:
    """A bucket's object lock, None where it has none."""
    text = settings.get(SETTING)
    return LockRule.read(text) if text else None
