"""The exchange as a few dicts: what every party must see, written in the plainest way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

PARTIES = ("acme", "globex", "initech", "umbra")
WRITERS = {"acme": ("a/", "c/"), "globex": ("g/", "c/")}


@dataclass
class Rules:
    """The policy edits that the machine makes, as switches."""

    share: bool = True  # acme shares a/ with initech
    copy: bool = True  # acme copies a/ to globex
    initech_accepts: bool = True
    globex_accepts: bool = True
    no_pii: bool = False  # acme forbids what is tagged class=pii

    def files(self) -> dict[str, str]:
        return {
            "topology.yaml": TOPOLOGY,
            "acme.yaml": _acme(self),
            "globex.yaml": _accepts("globex", 'into: "in/{key}"' if self.globex_accepts else None),
            "initech.yaml": _accepts("initech", "deletes: keep" if self.initech_accepts else None),
        }

    def mode(self, party: str, author: str, key: str, tags: dict[str, str]) -> str:
        """own, copy, share, or nothing."""
        if party == author or (key.startswith("c/") and party in ("acme", "globex")):
            return "own"
        if author != "acme" or not key.startswith("a/"):
            return ""
        if self.no_pii and tags.get("class") == "pii":
            return ""
        if party == "globex" and self.copy and self.globex_accepts:
            return "copy"
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
    to = [f"globex: {'copy'}"] * rules.copy + ["initech: share"] * rules.share
    lines = ["party: acme"]
    if to:
        lines += ["sends:", "  - id: out", "    bucket: orders", '    keys: ["a/**"]']
        lines += [f"    to: {{{', '.join(to)}}}", "    since: always"]
    if rules.no_pii:
        lines += ["forbids:", '  - {id: pii, when: {tags: {class: [pii]}}, to: ["*"]}']
    return "\n".join(lines) + "\n"


def _accepts(party: str, how: str | None) -> str:
    if how is None:
        return f"party: {party}\n"
    return (
        f'party: {party}\naccepts:\n  - {{from: [acme], bucket: orders, keys: ["a/**"], {how}}}\n'
    )


@dataclass
class Kept:
    id: str
    author: str
    key: str
    content: bytes
    marker: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    open_to: set[str] = field(default_factory=set)
    hides: Kept | None = None


@dataclass
class Reference:
    """`versions` in the order of their commits; `owed` are the promised copies by version;
    `copies` is what lies in globex's store, by key of the bucket."""

    rules: Rules = field(default_factory=Rules)
    versions: list[Kept] = field(default_factory=list)
    owed: list[Kept] = field(default_factory=list)
    superseded: list[Kept] = field(default_factory=list)
    copies: dict[str, Kept] = field(default_factory=dict)
    ever_copied: set[str] = field(default_factory=set)

    def may_write(self, party: str, key: str) -> bool:
        return key.startswith(WRITERS.get(party, ("\0",)))

    def put(self, version: Kept) -> None:
        modes = {p: self._mode(p, version) for p in PARTIES}
        version.open_to = {p for p, mode in modes.items() if mode}
        self.versions.append(version)
        if modes["globex"] == "copy":
            self._promise(version)

    def _promise(self, version: Kept) -> None:
        older = self.versions[: self.versions.index(version)]
        late = [v for v in self.owed if v.key == version.key and v in older]
        self.owed = [v for v in self.owed if v not in late]
        self.superseded += late
        if version not in self.owed:
            self.owed.append(version)

    def delete(self, marker: Kept) -> None:
        hidden = self.newest(marker.author, marker.key)
        marker.open_to = {marker.author} | (hidden.open_to if hidden else set())
        marker.hides = hidden.hides if hidden and hidden.marker else hidden
        self.versions.append(marker)

    def unwrite(self, version: Kept) -> None:
        version.open_to = set()
        self.owed = [v for v in self.owed if v is not version]
        self._fall_back(version.key)

    def retag(self, version: Kept, tags: dict[str, str]) -> None:
        version.tags = tags
        modes = {p: self._mode(p, version) for p in PARTIES}
        version.open_to = {p for p, mode in modes.items() if mode}
        for marker in (v for v in self.versions if v.hides is version and v.open_to):
            marker.open_to = {marker.author} | version.open_to
        if modes["globex"] == "copy" and version.id not in self.ever_copied:
            self._promise(version)
        if "globex" not in version.open_to:
            self.owed = [v for v in self.owed if v is not version]
            self._fall_back(version.key)

    def _fall_back(self, key: str) -> None:
        """What was superseded before it was sent is owed again once it is current again, unless a
        newer one has arrived or is on its way."""
        head = self.newest("globex", key)
        if head in self.superseded and head.id not in self.ever_copied:
            newer = self.versions[self.versions.index(head) + 1 :]
            ahead = [*self.owed, *self.copies.values()]
            if not any(v.key == key and v in newer for v in ahead) and head not in self.owed:
                self.owed.append(head)

    def deliver_all(self) -> None:
        """Healthy couriers: oldest first, each asked again, never an older over a newer."""
        for version in sorted(self.owed, key=self.versions.index):
            if self._mode("globex", version) != "copy":
                continue
            there = self.copies.get(version.key)
            if there is None or self.versions.index(there) < self.versions.index(version):
                self.copies[version.key] = version
                self.ever_copied.add(version.id)
        self.owed = []

    def newest(self, party: str, key: str) -> Kept | None:
        held = [v for v in self.versions if v.key == key and party in v.open_to]
        return held[-1] if held else None

    def sees(self, party: str, key: str) -> Kept | None:
        """What a GET gives."""
        version = self.newest(party, key)
        if version is None or version.marker or not self._mode(party, version):
            return None
        return version

    def listing(self, party: str) -> Iterator[Kept]:
        for key in sorted({v.key for v in self.versions}):
            version = self.sees(party, key)
            if version:
                yield version

    def _mode(self, party: str, version: Kept) -> str:
        return self.rules.mode(party, version.author, version.key, version.tags)
