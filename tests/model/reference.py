"""The exchange as a few dicts: what every party must see, written in the plainest way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

PARTIES = ("acme", "globex", "initech", "umbra")
STRENGTH = ["", "share", "copy", "own"]
WRITERS = {"acme": ("a/", "c/"), "globex": ("g/", "c/")}


@dataclass(frozen=True)
class Rules:
    """The policy edits that the machine makes, as switches."""

    share: bool = True  # acme shares a/ with initech
    copy: bool = True  # acme copies a/ to globex
    weak: bool = False  # ... or only shares it with globex
    always: bool = False  # acme's rule reaches back to everything; else as far as it has existed
    again: bool = False  # acme's rule has another id, and so begins anew
    initech_accepts: bool = True
    globex_accepts: bool = True
    no_pii: bool = False  # acme forbids what is tagged class=pii
    follow: bool = False  # globex's copies follow acme's deletes
    recall: bool = False  # globex gives copies back that acme asks for
    consume: bool = True  # initech and globex may consume what they received

    def files(self) -> dict[str, str]:
        return {
            "topology.yaml": TOPOLOGY,
            "acme.yaml": _acme(self),
            "globex.yaml": _accepts(
                self,
                "globex",
                self.globex_accepts,
                ', into: "in/{key}"'
                + ", deletes: follow" * self.follow
                + ", recall: yes" * self.recall,
            ),
            "initech.yaml": _accepts(self, "initech", self.initech_accepts),
        }

    @property
    def rule(self) -> tuple[object, ...]:
        """All that acme's rule says."""
        weak = self.weak and self.copy
        return (self.share, self.copy, weak, self.always, self.again, self.follow)

    def offer(self, party: str, author: str, key: str, tags: dict[str, str]) -> str:
        """own, copy, share, or nothing; as if the version were just being made."""
        if party == author or (key.startswith("c/") and party in ("acme", "globex")):
            return "own"
        if author != "acme" or not key.startswith("a/"):
            return ""
        if self.no_pii and tags.get("class") == "pii":
            return ""
        if party == "globex" and self.copy and self.globex_accepts:
            return "share" if self.weak else "copy"
        if party == "initech" and self.share and self.initech_accepts:
            return "share"
        return ""


TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: /nowhere/acme}
    principals: [{name: erp}]
  globex:
    store: {type: file, path: /nowhere/globex}
    principals: [{name: erp}]
  initech:
    principals: [{name: erp}]
  umbra:
    principals: [{name: erp}]
buckets:
  orders:
    owner: acme
    members:
      acme: {write: ["a/**", "c/**"]}
      globex: {write: ["g/**", "c/**"]}
      initech: {}
"""


def _acme(rules: Rules) -> str:
    to = [f"globex: {'share' if rules.weak else 'copy'}"] * rules.copy
    to += ["initech: share"] * rules.share
    lines = ["party: acme"]
    if to:
        name = "again" if rules.again else "out"
        lines += ["sends:", f"  - id: {name}", "    bucket: orders", '    keys: ["a/**"]']
        lines += [f"    to: {{{', '.join(to)}}}"] + ["    since: always"] * rules.always
        lines += ["    deletes: follow"] * rules.follow
    if rules.no_pii:
        lines += ["forbids:", '  - {id: pii, when: {tags: {class: [pii]}}, to: ["*"]}']
    return "\n".join(lines) + "\n"


def _accepts(rules: Rules, party: str, accepts: bool, how: str = "") -> str:
    if not accepts:
        return f"party: {party}\n"
    how += ", consume: true" if rules.consume else ""
    rule = f'{{from: [acme], bucket: orders, keys: ["a/**"]{how}}}'
    return f"party: {party}\naccepts:\n  - {rule}\n"


@dataclass(eq=False)
class Kept:
    """`held` is how each party holds it, `number` and `changed` what its commit and its newest tags
    were in the order of all that happened; `hides` what a marker hid."""

    id: str
    author: str
    key: str
    content: bytes
    marker: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    number: int = 0
    changed: int = 0
    held: dict[str, str] = field(default_factory=dict)
    hides: Kept | None = None

    @property
    def alive(self) -> bool:
        return self.author in self.held


@dataclass
class Reference:
    """`versions` in the order of their commits; `owed` are the promised copies by version;
    `copies` is what lies in globex's store, by key of the bucket. `consumed` and `moved` are a
    party's marks: up to which number of a key, and what it moved to which name. `starts` is when
    each rule of acme's first came into force, `reached` the number down to which convergence has
    come."""

    rules: Rules = field(default_factory=Rules)
    versions: list[Kept] = field(default_factory=list)
    owed: list[Kept] = field(default_factory=list)
    superseded: list[Kept] = field(default_factory=list)
    copies: dict[str, Kept] = field(default_factory=dict)
    ever_copied: list[Kept] = field(default_factory=list)
    consumed: dict[tuple[str, str], int] = field(default_factory=dict)
    moved: dict[tuple[str, str], Kept] = field(default_factory=dict)
    removals: list[Kept] = field(default_factory=list)  # markers that copies are to follow
    removed: list[Kept] = field(default_factory=list)  # versions whose copies followed one
    overtaken: list[Kept] = field(default_factory=list)  # markers, by something newer
    recalls: list[Kept] = field(default_factory=list)  # versions whose copies are asked back
    given_back: list[Kept] = field(default_factory=list)  # and were, or were not sent for it
    now: int = 0
    starts: dict[tuple[object, ...], int] = field(default_factory=dict)
    edited: int = 0
    reached: int = 0

    def __post_init__(self) -> None:
        self.edit(self.rules)

    def may_write(self, party: str, key: str) -> bool:
        return key.startswith(WRITERS.get(party, ("\0",)))

    # --- what happens --------------------------------------------------------------------------

    def edit(self, rules: Rules) -> None:
        self.rules = rules
        self.now += 1
        self.starts.setdefault(rules.rule, self.now)
        self.edited = self.reached = self.now

    def put(self, version: Kept) -> None:
        self._number(version)
        version.held = self._given(version, {}, new=True)
        self.versions.append(version)
        if version.held.get("globex") == "copy":
            self._promise(version)

    def delete(self, marker: Kept) -> None:
        hidden = self.newest(marker.author, marker.key)
        self._number(marker)
        marker.held = {**(hidden.held if hidden else {}), marker.author: "own"}
        marker.hides = hidden.hides if hidden and hidden.marker else hidden
        self.versions.append(marker)
        if hidden and not hidden.marker and self._follows(hidden) and self._placed(hidden):
            late = [v for v in self.owed if v.key == marker.key]
            self.owed = [v for v in self.owed if v not in late]
            self.superseded += late
            self._overtake(marker.key)
            if marker.key in self.copies:
                self.removals.append(marker)

    def _overtake(self, key: str) -> None:
        self.overtaken += [m for m in self.removals if m.key == key]
        self.removals = [m for m in self.removals if m.key != key]

    def _placed(self, hidden: Kept) -> bool:
        """A copy of it is there or on its way, or it is to have one: what an older rule put there
        for an older version is globex's own by now."""
        there = hidden in self.owed or self.copies.get(hidden.key) is hidden
        return there or self._given(hidden, hidden.held).get("globex") == "copy"

    def _follows(self, hidden: Kept) -> bool:
        ours = hidden.author == "acme" and hidden.key.startswith("a/")
        return ours and self.rules.follow and "globex" in self._given(hidden, hidden.held)

    def unwrite(self, version: Kept) -> None:
        held, version.held = version.held, {}
        self.owed = [v for v in self.owed if v is not version]
        self.removals = [m for m in self.removals if m is not version]
        if "globex" in held:
            self._fall_back(version.key)

    def retag(self, version: Kept, tags: dict[str, str]) -> None:
        before = version.held
        version.tags = tags
        version.held = self._given(version, before, new=True)
        self.now += 1
        version.changed = self.now
        for marker in (v for v in self.versions if v.hides is version and v.alive):
            marker.held = {**version.held, marker.author: "own"}
        copy = version.held.get("globex") == "copy"
        sent = self._made(version) or version in self.given_back
        if copy and not sent and not self._ahead(version):
            self.owed.append(version)
        if "globex" in before and "globex" not in version.held:
            self.owed = [v for v in self.owed if v is not version]
            self._fall_back(version.key)

    def may_consume(self, party: str, key: str) -> bool:
        accepts = {"globex": self.rules.globex_accepts, "initech": self.rules.initech_accepts}
        received = self.sees(party, key)
        if received is None or self.may_write(party, key):
            return False
        return received.key != key or (self.rules.consume and accepts.get(party, False))

    def consume(self, party: str, key: str, moved_to: str = "") -> None:
        """What the party has under that name leaves its view, or has another name there."""
        version = self.sees(party, key)
        assert version is not None
        self.moved = {
            place: v for place, v in self.moved.items() if place[0] != party or v is not version
        }
        self.consumed[party, version.key] = max(
            version.number, self.consumed.get((party, version.key), 0)
        )
        if moved_to:
            self.moved[party, moved_to] = version

    def recall(self, version: Kept) -> None:
        """Without globex's consent it is only asked."""
        if not self._gives_back(version):
            return
        if version in self.owed:
            self.owed = [v for v in self.owed if v is not version]
            self.given_back.append(version)
        elif self.copies.get(version.key) is version and version not in self.recalls:
            self.recalls.append(version)

    def _gives_back(self, version: Kept) -> bool:
        ours = version.author == "acme" and version.key.startswith("a/")
        return ours and self.rules.recall and self.rules.globex_accepts

    def _give_back(self) -> None:
        for version in self.recalls:
            there = self.copies.get(version.key)
            if self._gives_back(version) and there in (None, version):
                self.copies.pop(version.key, None)
                self.given_back.append(version)
        self.recalls = []

    def deliver_all(self) -> None:
        """Healthy couriers: oldest first, each asked again, never an older over a newer."""
        self._give_back()
        for version in sorted([*self.owed, *self.removals], key=lambda v: v.number):
            there = self.copies.get(version.key)
            if version.hides and version in self.removals:
                if there and there.number < version.number and self._follows_still(version):
                    self.removed.append(self.copies.pop(version.key))
            elif there is None or there.number < version.number:
                if self._given(version, version.held).get("globex") != "copy":
                    continue
                self.copies[version.key] = version
                self.ever_copied.append(version)
        self.owed = []
        self.removals = []

    def _follows_still(self, marker: Kept) -> bool:
        """Asked again before it happens, of a party that holds the marker as it does now."""
        hidden = marker.hides
        assert hidden is not None
        given = self._given(hidden, marker.held)
        return self.rules.follow and "globex" in given

    def converge(self, steps: int, limit: int) -> None:
        """So many bites of so many versions, newest first."""
        for _ in range(steps if self.reached else 0):
            bite = [v for v in self.versions if v.number < self.reached][-limit:]
            for version in reversed(bite):
                if version.alive:
                    self._redecide(version)
            self.reached = bite[0].number if bite else 0

    # --- the law -------------------------------------------------------------------------------

    def _redecide(self, version: Kept) -> None:
        if version.marker:
            if version.hides:
                given = self._given(version.hides, version.held)
                version.held = {**given, version.author: "own"}
                if given.get("globex") != "copy":
                    self.removals = [m for m in self.removals if m is not version]
            return
        version.held = self._given(version, version.held)
        copy = version.held.get("globex") == "copy"
        if version in self.owed and not copy:
            self.owed.remove(version)
        elif copy and not self._made(version) and not self._ended(version):
            if self.newest("globex", version.key) is not version:
                self.superseded.append(version)
            elif not self._ahead(version):
                self._promise(version)

    def _given(self, version: Kept, held: dict[str, str], *, new: bool = False) -> dict[str, str]:
        """What policy gives of it, and leaves of what is held."""
        reaches = new or self.rules.always or version.changed > self.starts[self.rules.rule]
        given = {}
        for party in PARTIES:
            mode = self._offer(party, version)
            if mode and mode != "own" and not reaches:
                mode = min(mode, held.get(party, ""), key=STRENGTH.index)
            if mode:
                given[party] = mode
        return given

    def _offer(self, party: str, version: Kept) -> str:
        return self.rules.offer(party, version.author, version.key, version.tags)

    def _number(self, version: Kept) -> None:
        self.now += 1
        version.number = version.changed = self.now

    def _promise(self, version: Kept) -> None:
        self._overtake(version.key)
        late = [v for v in self.owed if v.key == version.key and v.number < version.number]
        self.owed = [v for v in self.owed if v not in late]
        self.superseded += late
        self.owed.append(version)

    def _made(self, version: Kept) -> bool:
        return version in self.owed or version in self.ever_copied

    def _ahead(self, version: Kept) -> bool:
        """A newer version's copy is there, or on its way."""
        ahead = [*self.owed, *self.removals, *self.copies.values()]
        return any(v.key == version.key and v.number > version.number for v in ahead)

    def _fall_back(self, key: str) -> None:
        """What was superseded before it was sent is owed again once it is current again."""
        head = self.newest("globex", key)
        there = self.copies.get(key)
        if head in self.overtaken and there and not self._ahead(head):
            self.removals.append(head)
        if head is None or self._ended(head):
            return
        lost = head in self.removed and head not in (*self.owed, *self.copies.values())
        unsent = head in self.superseded and not self._made(head)
        if (lost or unsent) and not self._ahead(head):
            self._promise(head)

    def _ended(self, version: Kept) -> bool:
        """globex is done with it, or was asked to give it back: it is not sent by itself."""
        back = version in (*self.recalls, *self.given_back)
        return back or self._consumed("globex", version)

    def _consumed(self, party: str, version: Kept) -> bool:
        return version.number <= self.consumed.get((party, version.key), 0)

    # --- what parties see ----------------------------------------------------------------------

    def newest(self, party: str, key: str) -> Kept | None:
        held = [v for v in self.versions if v.key == key and party in v.held]
        return held[-1] if held else None

    def sees(self, party: str, key: str) -> Kept | None:
        """What a GET gives."""
        version = self.named(party, key)
        return version if version and self._offer(party, version) else None

    def named(self, party: str, key: str) -> Kept | None:
        """The version that is granted under the name, else the one that was moved to it."""
        version = self.newest(party, key)
        if version and not version.marker and not self._consumed(party, version):
            return version
        moved = self.moved.get((party, key))
        return moved if moved and party in moved.held else None

    def granted(self, party: str, key: str) -> bool:
        """Whether the name is taken by a version that is granted under it."""
        version = self.newest(party, key)
        return bool(version and not version.marker and not self._consumed(party, version))

    def names(self) -> list[str]:
        return sorted({v.key for v in self.versions} | {name for _, name in self.moved})

    def versions_listing(self, party: str) -> list[tuple[str, str]]:
        """Of what a party holds, all that policy gives it; a marker as what it hid."""
        shown = [
            v
            for v in self.versions
            if party in v.held and (party == v.author or self._offer(party, v.hides or v))
        ]
        newest_first = sorted(shown, key=lambda v: (v.key, -v.number))
        return [(v.key, v.id) for v in newest_first]

    def listing(self, party: str) -> Iterator[tuple[str, Kept]]:
        for key in self.names():
            version = self.sees(party, key)
            if version:
                yield key, version
