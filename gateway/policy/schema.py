"""The shape of topology.yaml and of a party's file, for errors and JSON Schemas alike.

Field descriptions end up in the JSON Schemas, and so in the editors of the parties' staff.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.habits import FLAGS, QUIET_SECONDS, TEMPORARY
from gateway.model import UNTYPED
from gateway.policy.clauses import NOW
from gateway.policy.values import (
    AccessKeyId,
    BucketName,
    BucketPattern,
    Duration,
    Endpoint,
    FlagName,
    History,
    HostKey,
    HostName,
    KeyPattern,
    KeyPrefix,
    MediaType,
    MetadataName,
    Name,
    NameOrEveryone,
    Network,
    PartyName,
    PartyOrEveryone,
    Port,
    Reference,
    ServerPath,
    Since,
    Size,
    StorePrefix,
    TemporaryName,
    Text,
    TreePath,
    TreeTarget,
    UserName,
    WebhookUrl,
    YesNo,
    mistake,
    off,
)

MEMBERS_MAX = 100
RULES_MAX = 10_000  # in one file, of each kind
LIST_MAX = 1_000  # entries of any other list
WEBHOOKS_MAX = 100  # of one party
CASES_MAX = 10_000  # in one file


class Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


# --- topology.yaml -----------------------------------------------------------------------------


class Store(Entry):
    name: Name = Field("home", description="Unique among the party's stores.")


class FileStore(Store):
    type: Literal["file"]
    path: Text = Field(description="A folder; relative paths count from the policies folder.")
    encryption: Literal["none", "AES256"] = Field(
        "none", description="The operator's word that the disk below is encrypted."
    )


class KeyPair(Entry):
    id: Text = Field(description="The access key id, or a reference to it.")
    secret: Reference
    token: Reference | None = None


class S3Store(Store):
    type: Literal["s3"]
    bucket: Text
    prefix: StorePrefix = ""
    endpoint: Endpoint = ""
    region: str = ""
    credentials: KeyPair | None = None


class AzureCredentials(Entry):
    key: Reference | None = Field(None, description="The storage account's key.")
    sas: Reference | None = Field(None, description="A shared access signature.")


class AzureStore(Store):
    type: Literal["azure"]
    account: Text
    container: Text
    prefix: StorePrefix = ""
    endpoint: Endpoint = ""
    credentials: AzureCredentials | None = None


class GcsCredentials(Entry):
    service_account: Reference = Field(description="The service account's JSON key.")


class GcsStore(Store):
    type: Literal["gcs"]
    bucket: Text
    prefix: StorePrefix = ""
    endpoint: Endpoint = ""
    credentials: GcsCredentials | None = None


class SftpCredentials(Entry):
    key: Reference | None = Field(None, description="The private key.")
    passphrase: Reference | None = Field(None, description="Of the private key, if it has one.")
    password: Reference | None = None

    @model_validator(mode="after")
    def _is_enough(self) -> Self:
        if not (self.key or self.password):
            raise mistake("nothing to log in with; expected `key` or `password`")
        if self.passphrase and not self.key:
            raise mistake("a `passphrase` without a `key`")
        return self


class SftpStore(Store):
    type: Literal["sftp"]
    host: HostName
    port: Port = 22
    user: Text
    path: ServerPath = Field(description="A folder that is there, as this user sees it.")
    host_key: HostKey = Field(
        description="The server's public key or its fingerprint, or a file of them."
    )
    credentials: SftpCredentials
    encryption: Literal["none", "AES256"] = Field(
        "none", description="The operator's word that the disk at the server is encrypted."
    )


AnyStore = Annotated[
    FileStore | S3Store | AzureStore | GcsStore | SftpStore, Field(discriminator="type")
]


class AccessKey(Entry):
    id: AccessKeyId
    secret: Reference


class PrincipalEntry(Entry):
    name: Name
    access_key: AccessKey | None = Field(
        None, description="Without it the key that `crossdock key create` sealed in the catalog."
    )
    ssh_key: Reference | None = Field(
        None, description="A file of public keys, as of authorized_keys, for the sFTP door."
    )
    ssh_keys: list[Reference] = Field(
        default=[], max_length=LIST_MAX, description="More such files."
    )
    user: UserName | None = Field(
        None, description="Its user name at the sFTP door; PARTY.NAME unless said."
    )
    login: Literal["any", "key", "password", "both"] = Field(
        "any", description="What a login at the sFTP door takes; `both`: a key, then a password."
    )
    networks: list[Network] = Field(
        default=[],
        alias="from",
        max_length=LIST_MAX,
        description="Where it may come from at the sFTP door; anywhere, unless said.",
    )
    may: Literal["read", "write", "both", "policy"] = "both"
    keys: list[KeyPrefix] = Field(
        default=[], max_length=LIST_MAX, description="Literal key prefixes that narrow its view."
    )


class WebhookEntry(Entry):
    url: WebhookUrl = Field(description="Where notices are sent; redirects are not followed.")
    secret: Reference = Field(description="Signs each notice; at least 16 bytes.")


class PartyEntry(Entry):
    title: str = ""
    store: AnyStore | None = Field(
        None, description="Takes the party's writes and its copies; none if it only reads shares."
    )
    former_stores: list[AnyStore] = Field(
        default=[], max_length=LIST_MAX, description="Stay readable."
    )
    create_buckets: list[BucketPattern] = Field(
        default=[],
        max_length=LIST_MAX,
        description="Names of buckets that its principals may create.",
    )
    sigv2: YesNo = Field(
        True, description="Whether its presigned URLs and forms may be signed with SigV2."
    )
    ssh_ca: list[Reference] = Field(
        default=[],
        max_length=LIST_MAX,
        description="Public keys that sign certificates for its users at the sFTP door.",
    )
    principals: list[PrincipalEntry] = Field(default=[], max_length=LIST_MAX)
    webhooks: dict[Name, WebhookEntry] = Field(
        default={},
        max_length=WEBHOOKS_MAX,
        description="Where its notification configurations may send notices, by name.",
    )


class Member(Entry):
    write: list[KeyPattern] = Field(
        default=[], max_length=LIST_MAX, description="The keys that this party may write."
    )


class BucketEntry(Entry):
    owner: PartyName = Field("", description="Alone may change the bucket itself.")
    members: dict[PartyName, Member]
    history: History = Field(0, description="`forever`, or how long versions outlive their time.")
    versioning: Annotated[Literal["enabled", "suspended", "off"], BeforeValidator(off)] = Field(
        "enabled", description="What the S3 API shows; every version is kept regardless."
    )


class TopologyFile(Entry):
    """Who takes part: parties, their stores and principals, and the buckets."""

    parties: dict[PartyName, PartyEntry]
    buckets: dict[BucketName, BucketEntry] = {}


# --- policies/<party>.yaml ---------------------------------------------------------------------

Values = Annotated[list[str], Field(min_length=1, max_length=LIST_MAX)]
Patterns = Annotated[list[KeyPattern], Field(min_length=1, max_length=LIST_MAX)]


class SizeRange(Entry):
    min: Size = 0
    max: Size | None = None


class WhenEntry(Entry):
    """Conditions; all must hold, each by one of its values."""

    metadata: dict[MetadataName, Values] = {}
    tags: dict[str, Values] = {}
    type: Annotated[list[MediaType], Field(max_length=LIST_MAX)] = []
    size: SizeRange = SizeRange()


class RuleEntry(Entry):
    id: Name = Field("", description="Unique in the file; named in records and answers.")
    excepts: list[KeyPattern] = Field(default=[], alias="except", max_length=LIST_MAX)


class SendEntry(RuleEntry):
    bucket: BucketName
    keys: Patterns = Field(description="`*` within a path segment, `**` across.")
    when: WhenEntry = WhenEntry()
    to: dict[PartyOrEveryone, Literal["share", "copy", "copy-on-read"]] = Field(
        min_length=1, description='How each recipient gets it; "*" means every member.'
    )
    since: Since = Field(NOW, description="How far back an edit reaches.")
    deletes: Literal["keep", "follow"] = "keep"
    ack: Literal["home", "all"] = "home"
    deadline: Duration = 0


class ForbidEntry(RuleEntry):
    bucket: BucketName = Field("", description="Every bucket, unless said.")
    keys: Patterns = ["**"]
    when: WhenEntry = WhenEntry()
    to: Annotated[list[PartyOrEveryone], Field(min_length=1, max_length=LIST_MAX)]


class AcceptEntry(RuleEntry):
    senders: Annotated[list[PartyOrEveryone], Field(min_length=1, max_length=LIST_MAX)] = Field(
        alias="from"
    )
    bucket: BucketName = Field("", description="Every bucket, unless said.")
    keys: Patterns = ["**"]
    into: Text = Field(
        "", description="The key of a copy in the own store: {bucket} {key} {author} {version}."
    )
    deletes: Literal["keep", "follow"] = "keep"
    recall: YesNo = False
    consume: YesNo = False


class JobsEntry(Entry):
    """How a principal's file jobs see and use the sFTP door."""

    map: dict[TreePath, TreeTarget] = Field(
        default={},
        max_length=LIST_MAX,
        description="Folders and the bucket/prefix/ in each; without it, buckets are folders.",
    )
    upload_only: list[TreePath] = Field(
        default=[], max_length=LIST_MAX, description="Folders that can't be read or listed."
    )
    settle: Literal["close", "rename", "flag-file", "quiet"] = Field(
        "close", description="When a file that was uploaded is complete, and is shared."
    )
    temporary: list[TemporaryName] = Field(
        default=list(TEMPORARY),
        max_length=LIST_MAX,
        description="Names of files that are not complete; with a slash, of folders.",
    )
    flags: list[FlagName] = Field(
        default=list(FLAGS), max_length=LIST_MAX, description="For `settle: flag-file`."
    )
    quiet: Duration = Field(QUIET_SECONDS, description="For `settle: quiet`.")


class PartyFile(Entry):
    """What one party sends, forbids and accepts, and how its file jobs work."""

    party: PartyName
    sends: list[SendEntry] = Field(default=[], max_length=RULES_MAX)
    forbids: list[ForbidEntry] = Field(default=[], max_length=RULES_MAX)
    accepts: list[AcceptEntry] = Field(default=[], max_length=RULES_MAX)
    sftp: dict[NameOrEveryone, JobsEntry] = Field(
        default={},
        max_length=LIST_MAX,
        description='By principal; "*" for those that are not named.',
    )


# --- policies/tests/*.yaml ---------------------------------------------------------------------


class CaseEntry(Entry):
    name: str = Field("", description="What it shows; printed when it fails.")
    party: PartyName = Field(description="Who asks.")
    verb: Literal["read", "write"] = "read"
    bucket: BucketName
    key: Text
    author: PartyName = Field(
        "", description="Who wrote the file; unless said, the only party that may write the key."
    )
    metadata: dict[MetadataName, str] = {}
    tags: dict[str, str] = {}
    size: Size = 0
    type: str = UNTYPED
    allow: YesNo = Field(description="Is the answer to be yes?")
    mode: Literal["share", "copy", "copy-on-read", "own"] | None = Field(
        None, description="How the party is to get it; `own` for what it wrote or may write too."
    )
    into: Text = Field("", description="The key of the copy in the party's own store.")
    rule: Name = Field("", description="The id of a rule that is to decide: of either side.")


class CasesFile(Entry):
    """Cases for `crossdock policy test`: questions with the answers that they are to get."""

    cases: Annotated[list[CaseEntry], Field(min_length=1, max_length=CASES_MAX)]
