"""topology.yaml: who takes part; its types, its own cross-checks, its values."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlsplit

from gateway.errors import Problem
from gateway.model import Bucket, May, Principal, Rule, Versioning
from gateway.policy.complaints import parsed, place, suggestion
from gateway.policy.membership import Grants, granted
from gateway.policy.mesh import Party, PrincipalSpec, Secret, StoreSpec, WebhookSpec
from gateway.policy.nodes import Path, Tree, read
from gateway.policy.patterns import intersect, tokens
from gateway.policy.schema import (
    MEMBERS_MAX,
    AnyStore,
    AzureStore,
    FileStore,
    PartyEntry,
    PrincipalEntry,
    S3Store,
    SftpStore,
    TopologyFile,
)

TOPOLOGY = "topology.yaml"


@dataclass(frozen=True, slots=True)
class Topology:
    """What topology.yaml says, as values. Its `grants` have the lines that grant."""

    parties: Mapping[str, Party]
    buckets: Mapping[str, Bucket]
    grants: Mapping[str, Grants]
    secrets: tuple[Secret, ...]
    warnings: tuple[Problem, ...]


def topology(text: str, base: str) -> tuple[Topology | None, tuple[Problem, ...]]:
    """The topology, or everything that is wrong with it. `base` is the policies folder."""
    tree = read(TOPOLOGY, text)
    found, problems = parsed(TOPOLOGY, tree, TopologyFile)
    if found is None:
        return None, problems
    problems = tuple(_Check(found, tree, base).problems())
    return (None, problems) if problems else (_values(found, tree, base), ())


# --- checks ------------------------------------------------------------------------------------


class _Check:
    def __init__(self, found: TopologyFile, tree: Tree, base: str) -> None:
        self.found = found
        self.tree = tree
        self.base = base

    def problems(self) -> Iterator[Problem]:
        yield from self._names()
        yield from self._access_keys()
        yield from self._users()
        yield from self._overlaps()
        for bucket in self.found.buckets:
            yield from self._bucket(bucket)

    def _problem(self, path: Path, text: str, *, key: bool = False) -> Problem:
        return Problem(TOPOLOGY, *place(self.tree, path, key=key), text)

    def _names(self) -> Iterator[Problem]:
        for name, party in self.found.parties.items():
            at: Path = ("parties", name)
            principals = [((*at, "principals", i), p.name) for i, p in enumerate(party.principals)]
            for path, double in _doubles(principals):
                yield self._problem(path, f"{name} has two principals `{double}`")
            stores = [(path, store.name) for path, store in _stores(name, party)]
            for path, double in _doubles(stores):
                text = f"{name} has two stores `{double}`; give each its `name`"
                yield self._problem(path, text)
            if party.create_buckets and not party.store:
                text = f"{name} may create buckets but has no store"
                yield self._problem((*at, "create_buckets"), text)

    def _access_keys(self) -> Iterator[Problem]:
        owners: dict[str, str] = {}
        for name, party in self.found.parties.items():
            for i, principal in enumerate(party.principals):
                key = principal.access_key.id if principal.access_key else ""
                if key and key in owners:
                    path = ("parties", name, "principals", i, "access_key", "id")
                    text = f"the access key id `{key}` is already that of {owners[key]}"
                    yield self._problem(path, text)
                owners.setdefault(key, f"{name}'s {principal.name}")

    def _users(self) -> Iterator[Problem]:
        owners: dict[str, str] = {}
        for name, party in self.found.parties.items():
            for i, principal in enumerate(party.principals):
                user = principal.user or f"{name}.{principal.name}"
                if user in owners:
                    at = ("parties", name, "principals", i)
                    path = (*at, "user" if principal.user else "name")
                    text = f"the sFTP user name `{user}` is already that of {owners[user]}"
                    yield self._problem(path, text)
                owners.setdefault(user, f"{name}'s {principal.name}")

    def _overlaps(self) -> Iterator[Problem]:
        """Two parties' bytes must never lie in one place. Sorted by place, an overlap is a place
        whose predecessor (of another party) it begins with."""
        spots = sorted(self._spots())
        open_spots: list[tuple[str, str, Path]] = []
        for where, party, path in spots:
            while open_spots and not where.startswith(open_spots[-1][0]):
                open_spots.pop()
            other = next((spot[1] for spot in open_spots if spot[1] != party), None)
            if other:
                text = f"this store of {party} overlaps one of {other}; expected a place of its own"
                yield self._problem(path, text)
            open_spots.append((where, party, path))

    def _spots(self) -> Iterator[tuple[str, str, Path]]:
        for name, party in self.found.parties.items():
            for path, store in _stores(name, party):
                yield _spot(store, self.base), name, path

    def _bucket(self, bucket: str) -> Iterator[Problem]:
        entry = self.found.buckets[bucket]
        at: Path = ("buckets", bucket)
        if entry.owner and entry.owner not in entry.members:
            text = f"the owner `{entry.owner}` is not among the members; "
            text += suggestion(entry.owner, entry.members)
            yield self._problem((*at, "owner"), text)
        if len(entry.members) > MEMBERS_MAX:
            text = f"{len(entry.members)} members; expected at most {MEMBERS_MAX} in a bucket"
            yield self._problem((*at, "members"), text, key=True)
        for name, member in entry.members.items():
            path = (*at, "members", name)
            party = self.found.parties.get(name)
            if party is None:
                text = f"unknown party `{name}`; {suggestion(name, self.found.parties)}"
                yield self._problem(path, text, key=True)
            elif member.write and not party.store:
                text = f"{name} may write here but has no store; give it one above"
                yield self._problem((*path, "write"), text)


def _doubles(named: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            yield path, name
        seen.add(name)


def _stores(name: str, party: PartyEntry) -> Iterator[tuple[Path, AnyStore]]:
    at: Path = ("parties", name)
    if party.store:
        yield (*at, "store"), party.store
    yield from (((*at, "former_stores", i), store) for i, store in enumerate(party.former_stores))


def _spot(store: AnyStore, base: str) -> str:
    """Where a store's bytes are, so that one within another begins with it."""
    if isinstance(store, FileStore):
        return f"file {_absolute(store.path, base).rstrip('/')}/"
    if isinstance(store, SftpStore):
        return f"sftp {store.host.lower()}:{store.port} {store.path.rstrip('/')}/"
    host = urlsplit(store.endpoint).netloc.lower()
    if isinstance(store, AzureStore):
        return f"azure {host} {store.account}/{store.container}/{store.prefix}"
    # All of AWS is one namespace of buckets, whatever the region's endpoint.
    home = "" if host.endswith(".amazonaws.com") else host
    kind = "s3" if isinstance(store, S3Store) else "gcs"
    return f"{kind} {home} {store.bucket}/{store.prefix}"


def _absolute(path: str, base: str) -> str:
    return posixpath.normpath(posixpath.join(base, path))


# --- values ------------------------------------------------------------------------------------


def _values(found: TopologyFile, tree: Tree, base: str) -> Topology:
    buckets = {name: _bucket(found, tree, name) for name in found.buckets}
    return Topology(
        parties={name: _party(found, tree, name, base) for name in found.parties},
        buckets=buckets,
        grants={name: granted(b, _lines(tree, b)) for name, b in buckets.items()},
        secrets=tuple(_secrets(found, tree)),
        warnings=tuple(_co_authors(buckets.values(), tree)),
    )


def _lines(tree: Tree, bucket: Bucket) -> dict[str, Rule]:
    members = ("buckets", bucket.name, "members")
    return {
        party: Rule(f"{bucket.name} members", TOPOLOGY, place(tree, (*members, party), key=True)[0])
        for party in bucket.members
    }


def _bucket(found: TopologyFile, tree: Tree, name: str) -> Bucket:
    entry = found.buckets[name]
    return Bucket(
        name=name,
        owner=entry.owner,
        members={party: tuple(member.write) for party, member in entry.members.items()},
        versioning=Versioning(entry.versioning),
        history=entry.history,
        file=TOPOLOGY,
        line=place(tree, ("buckets", name), key=True)[0],
    )


def _party(found: TopologyFile, tree: Tree, name: str, base: str) -> Party:
    entry = found.parties[name]
    stores = [
        _store(name, store, base, place(tree, path)[0], former="former_stores" in path)
        for path, store in _stores(name, entry)
    ]
    principals = [_principal(found, tree, name, i) for i in range(len(entry.principals))]
    return Party(
        name=name,
        title=entry.title,
        stores={store.name: store for store in stores},
        create_buckets=tuple(entry.create_buckets),
        ssh_ca=tuple(entry.ssh_ca),
        sigv2=entry.sigv2,
        principals={spec.principal.name: spec for spec in principals},
        webhooks={
            hook: WebhookSpec(
                *(name, hook, said.url, said.secret),
                line=place(tree, ("parties", name, "webhooks", hook), key=True)[0],
            )
            for hook, said in entry.webhooks.items()
        },
        line=place(tree, ("parties", name), key=True)[0],
    )


def _principal(found: TopologyFile, tree: Tree, party: str, i: int) -> PrincipalSpec:
    entry = found.parties[party].principals[i]
    return PrincipalSpec(
        principal=Principal(party, entry.name, May(entry.may), tuple(entry.keys)),
        access_key=entry.access_key.id if entry.access_key else "",
        secret=entry.access_key.secret if entry.access_key else "",
        ssh_keys=tuple(_ssh_keys(entry)),
        user=entry.user or "",
        login=entry.login,
        networks=tuple(entry.networks),
        line=place(tree, ("parties", party, "principals", i))[0],
    )


def _ssh_keys(entry: PrincipalEntry) -> list[str]:
    return [*([entry.ssh_key] if entry.ssh_key else []), *entry.ssh_keys]


def _store(party: str, store: AnyStore, base: str, line: int, *, former: bool) -> StoreSpec:
    fields = store.model_dump(exclude={"name", "type", "credentials", "host_key"})
    if isinstance(store, FileStore):
        fields["path"] = _absolute(store.path, base)
    return StoreSpec(
        party=party,
        name=store.name,
        type=store.type,
        former=former,
        credentials=_credentials(store),
        line=line,
        **fields,
    )


def _credentials(store: AnyStore) -> dict[str, str]:
    """What is resolved before the store is built; a server's key may be a file, too."""
    given = None if isinstance(store, FileStore) else store.credentials
    known = {"host_key": store.host_key} if isinstance(store, SftpStore) else {}
    return known | (given.model_dump(exclude_none=True) if given else {})


def _secrets(found: TopologyFile, tree: Tree) -> Iterator[Secret]:
    for name, party in found.parties.items():
        for path, store in _stores(name, party):
            for field, value in _credentials(store).items():
                if value.startswith(("env:", "file:")):
                    at = (field,) if field == "host_key" else ("credentials", field)
                    yield _secret(tree, value, (*path, *at))
        for i, principal in enumerate(party.principals):
            for steps, reference in _references(principal):
                yield _secret(tree, reference, ("parties", name, "principals", i, *steps))
        for i, authority in enumerate(party.ssh_ca):
            yield _secret(tree, authority, ("parties", name, "ssh_ca", i))
        for hook, said in party.webhooks.items():
            yield _secret(tree, said.secret, ("parties", name, "webhooks", hook, "secret"))


def _references(principal: PrincipalEntry) -> Iterator[tuple[Path, str]]:
    if principal.access_key:
        yield ("access_key", "secret"), principal.access_key.secret
    if principal.ssh_key:
        yield ("ssh_key",), principal.ssh_key
    yield from ((("ssh_keys", i), key) for i, key in enumerate(principal.ssh_keys))


def _secret(tree: Tree, reference: str, path: Path) -> Secret:
    public = any(str(step).startswith("ssh_") for step in path)
    return Secret(reference, TOPOLOGY, *place(tree, path), public)


def _co_authors(buckets: Iterable[Bucket], tree: Tree) -> Iterator[Problem]:
    """Parties whose write grants overlap see each other's versions of those keys, whatever their
    own files say: meant or not, the operator should know."""
    for bucket in buckets:
        for (one, theirs), (other, others) in combinations(bucket.members.items(), 2):
            shared = [(a, b) for a in theirs for b in others if intersect(tokens(a), tokens(b))]
            if shared:
                a, b = shared[0]
                path = ("buckets", bucket.name, "members", other)
                text = (
                    f"{one} ({a}) and {other} ({b}) are co-authors of some keys of {bucket.name}:"
                    " each sees what the other writes there, whatever their rules say"
                )
                yield Problem(TOPOLOGY, *place(tree, path, key=True), text)
