"""The mesh: everything that the YAML folder says, parsed into immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.habits import USUAL, Habits
from gateway.model import Bucket, Facts, Mode, Principal, Share
from gateway.policy.rules import Policy

BUCKET = "bucket"
"""Begins the name of a bucket among what starts; identities of rules are hex digits."""


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """One store as topology.yaml describes it. Secrets stay references (`env:NAME`,
    `file:PATH`), resolved by the wiring and never kept here."""

    party: str
    name: str  # "home" unless said
    type: str  # file | s3 | azure | gcs | sftp
    former: bool = False  # only read any more
    path: str = ""  # file, sftp: absolute
    bucket: str = ""  # s3, gcs
    container: str = ""  # azure
    account: str = ""  # azure
    host: str = ""  # sftp
    port: int = 0  # sftp
    user: str = ""  # sftp
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    encryption: str = "AES256"  # at rest: clouds always do it; a folder's operator says "none"
    credentials: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    line: int = 0

    @property
    def encrypts(self) -> bool:
        return self.encryption == "AES256"


@dataclass(frozen=True, slots=True)
class PrincipalSpec:
    """A principal and its credentials: an access key of the file (id and a secret's reference),
    SSH keys (references), or neither, in which case a key sealed in the catalog serves it. `user`,
    `login` and `networks` are those of the sFTP door."""

    principal: Principal
    access_key: str = ""
    secret: str = ""
    ssh_keys: tuple[str, ...] = ()
    user: str = ""
    login: str = "any"  # any | key | password | both
    networks: tuple[str, ...] = ()
    line: int = 0

    @property
    def ssh_user(self) -> str:
        """The user name at the sFTP door."""
        return self.user or f"{self.principal.party}.{self.principal.name}"

    @property
    def comes_by_files(self) -> bool:
        """Whether it is for the sFTP door, as far as can be told: then it needs no access key."""
        return bool(self.ssh_keys or self.user) or self.login != "any"


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """Where a party may be sent notices; the secret that signs them stays a reference."""

    party: str
    name: str
    url: str
    secret: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Party:
    name: str
    title: str = ""
    stores: Mapping[str, StoreSpec] = field(default_factory=lambda: MappingProxyType({}))
    create_buckets: tuple[str, ...] = ()
    ssh_ca: tuple[str, ...] = ()
    sigv2: bool = True
    principals: Mapping[str, PrincipalSpec] = field(default_factory=lambda: MappingProxyType({}))
    webhooks: Mapping[str, WebhookSpec] = field(default_factory=lambda: MappingProxyType({}))
    line: int = 0

    @property
    def home(self) -> StoreSpec | None:
        """The store that takes this party's writes and its copies; None if it only reads."""
        return next((s for s in self.stores.values() if not s.former), None)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the folder: the text in force, and what is wrong with the text on disk.

    With problems, `text` is the last good one, or "" where there is none: then the file has no
    part in the mesh."""

    name: str
    text: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """A place that refers to a secret: `env:NAME` or `file:PATH`. `public`: it is a file of public
    keys, which is none."""

    reference: str
    file: str
    line: int
    column: int
    public: bool = False


@dataclass(frozen=True, slots=True)
class Mesh:
    """Parties, buckets and rules of one revision; swapped whole."""

    revision: str
    parties: Mapping[str, Party]
    buckets: Mapping[str, Bucket]
    policy: Policy
    files: tuple[SourceFile, ...] = ()
    secrets: tuple[Secret, ...] = ()
    jobs: Mapping[str, Mapping[str, Habits]] = field(default_factory=lambda: MappingProxyType({}))

    def habits(self, principal: Principal) -> Habits:
        """How its file jobs work, as its party's file says."""
        said = self.jobs.get(principal.party, {})
        return said.get(principal.name) or said.get("*", USUAL)

    @property
    def starting(self) -> frozenset[str]:
        """What counts from the commit that brought it: rules (Policy.starting), and buckets."""
        return self.policy.starting | {f"{BUCKET} {name}" for name in self.buckets}

    def dated(self, starts: Mapping[str, int]) -> Mesh:
        """The same mesh, knowing at which commit each of them first came into force; see
        Policy.dated."""
        buckets = {
            name: replace(bucket, since=starts.get(f"{BUCKET} {name}", 0))
            for name, bucket in self.buckets.items()
        }
        policy = self.policy.dated(starts)
        return replace(self, policy=policy, buckets=MappingProxyType(buckets))

    def share_of(
        self, party: str, facts: Facts, made: Bucket | None, held: Mode | None
    ) -> Share | None:
        """What policy gives one party of a version that it holds (or not) already. `made` is the
        version's bucket if that was made through a door."""
        bucket = self.buckets.get(facts.ref.bucket) or made
        if bucket is None:
            return None
        shares = self.policy.decide(facts, bucket, {party: held} if held else {}).shares
        return next((share for share in shares if share.party == party), None)

    @property
    def texts(self) -> Mapping[str, str]:
        """What is in force, by file name: the last good set to keep for the next start."""
        return MappingProxyType({f.name: f.text for f in self.files if f.text})


def secrets_of(mesh: Mesh) -> tuple[Secret, ...]:
    """Every secret that the topology refers to, with its place, for `check` to look up."""
    return mesh.secrets
