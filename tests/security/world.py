"""A gateway whose stores keep a journal, among parties that must learn nothing of each other.

acme owns `orders` and is its only writer but for `shared/`, which hooli may write too. Nothing of
`invoices/secret.csv` is for globex (a member without any grant), hooli (its rule was withdrawn
after the write) or umbra (no member at all). Three of acme's own principals are narrowed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway.identity import Credential, Keyring, Seal, Secret, credentials, seal_secret
from gateway.model import Caller, Chunks, Event
from gateway.stores.wrappers import Around, Place
from tests.harness import Gateway, key_of
from tests.s3.raw import Reply, ask, sign

T = TypeVar("T")

TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: stores/acme, encryption: AES256}
    create_buckets: ["acme-*"]
    principals:
      - {name: erp}
      - {name: auditor, may: read}
      - {name: scanner, may: write}
      - {name: clerk, keys: ["other/"]}
      - {name: leaver}
  globex:
    store: {type: file, path: stores/globex, encryption: AES256}
    create_buckets: ["globex-*"]
    principals: [{name: wms}]
  hooli:
    store: {type: file, path: stores/hooli, encryption: AES256}
    create_buckets: ["hooli-*"]
    principals: [{name: bot}]
  umbra:
    store: {type: file, path: stores/umbra, encryption: AES256}
    create_buckets: ["umbra-*"]
    principals: [{name: desk}]
buckets:
  orders:
    owner: acme
    members:
      acme: {write: ["invoices/**", "other/**", "shared/**", "canary/**"]}
      globex: {}
      hooli: {write: ["shared/**"]}
"""
WITHDRAWN = """
party: acme
sends:
  - {id: lounge, bucket: acme-lounge, keys: ["**"], to: {globex: share}}
"""
ACME = f"""{WITHDRAWN}
  - {{id: to-hooli, bucket: orders, keys: ["invoices/**"], to: {{hooli: share}}}}
"""
HOOLI = "party: hooli\naccepts: [{id: from-acme, from: [acme], bucket: orders}]\n"
FILES: Mapping[str, str] = {"topology.yaml": TOPOLOGY, "acme.yaml": ACME, "hooli.yaml": HOOLI}

SECRET_KEY = "invoices/secret.csv"
SECRET_BODY = b"the secret body"
BUCKET_OF = {"globex": "globex-own", "hooli": "hooli-own", "umbra": "umbra-own"}
VAULT = "acme-vault"
LOUNGE = "acme-lounge"  # made through the door; globex is a guest in it


class Journal(Around):
    """Tells of every call that reaches a store."""

    def __init__(self, inner: Place, calls: list[str], party: str) -> None:
        super().__init__(inner)
        self.calls = calls
        self.party = party

    async def once(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(f"{self.party} {verb}")
        return await work()

    def flow(self, verb: str, opened: Callable[[int], Chunks]) -> Chunks:
        self.calls.append(f"{self.party} {verb}")
        return opened(0)


@dataclass(frozen=True)
class _Kept:
    id: str
    party: str
    principal: str
    sealed: bytes
    revoked: int


class Watched(Gateway):
    """`journal` is every call of a store; access keys are sealed and revoked as in the product."""

    def __init__(self, folder: Path, files: Mapping[str, str] = FILES, **more: Any) -> None:
        super().__init__(folder, files, **more)
        self.journal: list[str] = []
        self.revoked: set[str] = set()
        self.seal = Seal(bytes(range(32)))
        self.keyring = Keyring()

    async def _enter(self) -> None:
        await super()._enter()
        rooms = self.rooms.enter(self.mesh)
        self.exchange.enter(
            self.mesh, {at: Journal(room, self.journal, at[0]) for at, room in rooms.items()}
        )
        self._enter_keys()

    def _enter_keys(self) -> None:
        kept = []
        for party in self.mesh.parties.values():
            for name in party.principals:
                key, secret = key_of(f"{party.name}/{name}")
                sealed = seal_secret(self.seal, party.name, name, key, Secret(secret))
                kept.append(_Kept(key, party.name, name, sealed, int(key in self.revoked)))
        found, problems = credentials(self.mesh, kept, self.seal, Secret)
        assert not problems
        self.keyring.enter(found)

    def _lookup(self, access_key: str) -> Credential | None:
        return self.keyring.lookup(access_key)

    # --- what tests do with it -----------------------------------------------------------------

    def revoke(self, principal: str) -> None:
        self.revoked.add(key_of(principal)[0])
        self._enter_keys()

    def caller(self, principal: str, request: str = "") -> Caller:
        party, _, name = principal.partition("/")
        return Caller(self.mesh.parties[party].principals[name].principal, "test", request)

    def ask(self, principal: str, method: str, target: str, body: bytes = b"") -> Reply:
        return ask(self, sign(self, method, target, body=body, principal=principal), body)

    def watch(self) -> Watch:
        return Watch(self, len(self.events), len(self.journal), len(self.strangers))


@dataclass(frozen=True)
class Watch:
    """What has happened since it was made."""

    gateway: Watched
    _events: int
    _journal: int
    _strangers: int

    @property
    def refusals(self) -> list[Event]:
        return [e for e in self.gateway.events[self._events :] if e.kind == "refusal"]

    @property
    def events(self) -> list[Event]:
        return self.gateway.events[self._events :]

    @property
    def journal(self) -> list[str]:
        return self.gateway.journal[self._journal :]

    @property
    def strangers(self) -> list[str]:
        return self.gateway.strangers[self._strangers :]


@dataclass(frozen=True)
class Prey:
    """What acme has that others are after."""

    version: str  # of SECRET_KEY
    upload: str  # an open upload of acme's, with one part
    shared_upload: str  # another one, under a key that hooli may write too


HELD_KEY = "held"


def furnish_vault(s3: Any) -> None:
    """A bucket of acme's own that has every setting, and a version under lock."""
    s3.create_bucket(Bucket=VAULT, ObjectLockEnabledForBucket=True)
    tags = [{"Key": "a", "Value": "b"}]
    s3.put_bucket_tagging(Bucket=VAULT, Tagging={"TagSet": tags})
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://acme.example"]}]
    s3.put_bucket_cors(Bucket=VAULT, CORSConfiguration={"CORSRules": rules})
    block = {"BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=VAULT, PublicAccessBlockConfiguration=block)
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=VAULT, OwnershipControls=controls)
    until = datetime(2100, 1, 1, tzinfo=UTC)
    s3.put_object(
        Bucket=VAULT,
        Key=HELD_KEY,
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
        ObjectLockLegalHoldStatus="ON",
    )


def furnish(gateway: Watched) -> Prey:
    """Writes what is to be kept from others, withdraws hooli's rule, and revokes leaver's key."""
    s3 = gateway.client("acme/erp")
    version = s3.put_object(
        Bucket="orders",
        Key=SECRET_KEY,
        Body=SECRET_BODY,
        Metadata={"note": "secret-note"},
        Tagging="secret=tag",
    )["VersionId"]
    s3.put_object(Bucket="orders", Key="other/seen.csv", Body=b"seen")
    uploads = []
    for key in (SECRET_KEY, "shared/big"):
        upload = s3.create_multipart_upload(Bucket="orders", Key=key)["UploadId"]
        s3.upload_part(Bucket="orders", Key=key, UploadId=upload, PartNumber=1, Body=b"part")
        uploads.append(upload)
    furnish_vault(s3)
    s3.create_bucket(Bucket=LOUNGE)
    rule = {"ID": "r", "Filter": {}, "Status": "Enabled", "Expiration": {"Days": 36500}}
    s3.put_bucket_lifecycle_configuration(Bucket=LOUNGE, LifecycleConfiguration={"Rules": [rule]})
    for party, name in BUCKET_OF.items():
        principal = next(iter(gateway.mesh.parties[party].principals))
        gateway.client(f"{party}/{principal}").create_bucket(Bucket=name)
    hooli = gateway.client("hooli/bot")
    assert hooli.get_object(Bucket="orders", Key=SECRET_KEY)["Body"].read() == SECRET_BODY
    gateway.edit_policy("acme.yaml", WITHDRAWN)
    gateway.revoke("acme/leaver")
    return Prey(version, *uploads)


def others_are_served(gateway: Watched) -> bool:
    """Whether another party is answered on a connection of its own, with nothing of acme's."""
    reply = gateway.ask("globex/wms", "GET", "/orders")
    told = reply.body + repr(reply.headers).encode()
    return reply.status == 200 and SECRET_KEY.encode() not in told and SECRET_BODY not in told
