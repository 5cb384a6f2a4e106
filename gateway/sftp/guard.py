"""Who tries too much: scores by source, and bans for a while. Pure; moments in nanoseconds.

The scores are those that operators of sFTP servers know: 2 for a user that there is not, 1 for a
login that failed, 3 for going over a limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

SOURCES_MAX = 10_000
"""Sources that are remembered; the one seen longest ago is forgotten first."""
IPV6_PREFIX = 64
"""One customer has that many bits to itself."""
BAN_FACTOR_MAX = 16
"""A ban gets no longer than that many times the first one."""
S_NS = 10**9

UNKNOWN_USER = 2
BAD_LOGIN = 1
OVER_LIMIT = 3

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds and counts. Those from `safe` networks are never banned, those from `block` never
    let in."""

    score: int = 15
    within_s: int = 1800
    for_s: int = 1800
    per_host: int = 20
    safe: tuple[Network, ...] = ()
    block: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Ban:
    source: str
    until: int
    score: int


@dataclass(slots=True)
class _Source:
    scores: list[tuple[int, int]] = field(default_factory=list)  # moment, points
    until: int = 0
    length: int = 0
    here: int = 0


class Guard:
    def __init__(self, rules: Rules, clock: Callable[[], int]) -> None:
        self._rules = rules
        self._clock = clock
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    # --- coming and going ----------------------------------------------------------------------

    def arrives(self, source: str) -> bool:
        """Whether a connection from there is let in; then it is to be told of when it `leaves`.
        One that comes while it is banned makes the ban longer."""
        if is_within(source, self._rules.block):
            return False
        known = self._source(source)
        now = self._clock()
        if known.until > now and not is_within(source, self._rules.safe):
            longest = BAN_FACTOR_MAX * self._rules.for_s * S_NS
            known.length = min(longest, known.length + known.length // 2)
            known.until = max(known.until, now + known.length)
            return False
        if known.here >= self._rules.per_host:
            self.over_limit(source)
            return False
        known.here += 1
        return True

    def leaves(self, source: str) -> None:
        known = self._sources.get(place_of(source))
        if known is not None and known.here:
            known.here -= 1

    # --- scores --------------------------------------------------------------------------------

    def unknown_user(self, source: str) -> None:
        self._score(source, UNKNOWN_USER)

    def bad_login(self, source: str) -> None:
        self._score(source, BAD_LOGIN)

    def over_limit(self, source: str) -> None:
        self._score(source, OVER_LIMIT)

    def _score(self, source: str, points: int) -> None:
        if is_within(source, self._rules.safe):
            return
        known, now = self._source(source), self._clock()
        since = now - self._rules.within_s * S_NS
        known.scores = [each for each in known.scores if each[0] > since] + [(now, points)]
        if sum(points for _, points in known.scores) >= self._rules.score:
            known.length = self._rules.for_s * S_NS
            known.until = now + known.length
            known.scores = []

    # --- for the operator ----------------------------------------------------------------------

    def bans(self) -> Sequence[Ban]:
        now = self._clock()
        return [
            Ban(name, each.until, self._rules.score)
            for name, each in self._sources.items()
            if each.until > now
        ]

    def pardon(self, source: str) -> bool:
        """Lets it in again, with nothing held against it; False where it was not banned."""
        known = self._sources.get(place_of(source))
        banned = known is not None and known.until > self._clock()
        if known is not None:
            known.until, known.length, known.scores = 0, 0, []
        return banned

    def _source(self, source: str) -> _Source:
        name = place_of(source)
        known = self._sources.setdefault(name, _Source())
        self._sources.move_to_end(name)
        if len(self._sources) > SOURCES_MAX:
            self._forget_one()
        return known

    def _forget_one(self) -> None:
        """The one seen longest ago that is neither here nor banned, if there is one."""
        now = self._clock()
        idle = (n for n, each in self._sources.items() if not each.here and each.until <= now)
        del self._sources[next(idle, next(iter(self._sources)))]


def place_of(source: str) -> str:
    """What counts as one source: an IPv4 address, or the network that a customer has of IPv6."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, IPV6_PREFIX), strict=False))
    return str(address)


def is_within(source: str, networks: Sequence[Network]) -> bool:
    """Whether an address lies in one of these networks; what is none lies nowhere."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)
