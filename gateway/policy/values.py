"""Single values of the policy files: names, sizes, durations, moments, patterns, references.

Each parser takes what stands in the file and returns the value, or raises a `mistake` whose text
says what was expected.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv6Address, ip_network
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.policy import patterns
from gateway.policy.clauses import ALWAYS, EVERYONE, NOW
from gateway.policy.nodes import Trap

SIZE_BYTES_MAX = 2**62
DURATION_SECONDS_MAX = 10**10  # some 300 years
NAME_CHARS_MAX = 64
URL_CHARS_MAX = 2048

_UNITS = MappingProxyType(
    {"": 1, "B": 1}
    | {f"{letter}B": 1000**power for power, letter in enumerate("kMGT", 1)}
    | {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)}
    | {"KB": 1000}
)
_SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400})


def mistake(text: str) -> PydanticCustomError:
    """The error of a value; its text goes to the user as it is."""
    return PydanticCustomError("crossdock", "{text}", {"text": text})


def shown(value: Any) -> str:
    """A value as the user wrote it, more or less, for an error's text."""
    if isinstance(value, Trap):
        return f"`{value.text}`"
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(value)) or f"`{str(value).lower() if value in (True, False) else value}`"


def size(value: Any) -> int:
    """Bytes, of `5GiB` or a plain number."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)", _text(value))
    if not match or match[2] not in _UNITS:
        raise mistake(
            f"{shown(value)} is no size; expected bytes like 1048576, or 64KiB, 5GiB, 2MB"
        )
    total = int(Decimal(match[1]) * _UNITS[match[2]])
    if total > SIZE_BYTES_MAX:
        raise mistake(f"{shown(value)} is too large a size")
    return total


def duration(value: Any) -> int:
    """Seconds, of `15m`."""
    match = re.fullmatch(r"(\d{1,9})([smhdw])", _text(value))
    if not match or not 0 < int(match[1]) * _SECONDS[match[2]] <= DURATION_SECONDS_MAX:
        raise mistake(f"{shown(value)} is no duration; expected one like 30s, 15m, 12h, 90d or 2w")
    return int(match[1]) * _SECONDS[match[2]]


def history(value: Any) -> int:
    """Seconds, 0 for `forever`."""
    if value == "forever":
        return 0
    try:
        return duration(value)
    except PydanticCustomError:
        raise mistake(f"{shown(value)} is no period; expected `forever`, or one like 90d") from None


def since(value: Any) -> int:
    """ALWAYS, NOW, or the moment (nanoseconds since 1970) at which a date begins, in UTC."""
    text = value.text if isinstance(value, Trap) else value
    named = {"always": ALWAYS, "now": NOW}
    if isinstance(text, str) and text in named:
        return named[text]
    try:
        day = date.fromisoformat(str(text)) if re.fullmatch(r"\d{4}-\d\d-\d\d", str(text)) else None
    except ValueError:
        day = None
    if day is None or day.year < 1970:
        raise mistake(f"{shown(value)} is no start; expected always, now or a date like 2026-01-31")
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(begins.timestamp()) * 10**9


def yes_no(value: Any) -> bool:
    """`yes` and `no`, for fields that are nothing else."""
    answer = {"yes": True, "no": False}.get(_text(value), value)
    if not isinstance(answer, bool):
        raise mistake(f"expected yes or no, not {shown(value)}")
    return answer


def off(value: Any) -> Any:
    """`off` is a word where it is one of the choices."""
    return "off" if isinstance(value, Trap) and value.text == "off" else value


def _text(value: Any) -> str:
    """For parsers: the text, of numbers too; of what is a trap only where it is a word."""
    if isinstance(value, Trap):
        return value.text if value.text.isalpha() else ""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def key_pattern(text: str) -> str:
    if wrong := patterns.mistake(text):
        raise mistake(f"`{text}`: {wrong}" if text else wrong)
    return text


def key_prefix(text: str) -> str:
    if not text:
        raise mistake("an empty prefix narrows nothing; leave `keys` out instead")
    if "*" in text:
        raise mistake(f"`{text}` is a pattern; expected a literal prefix like `invoices/`")
    return text


def party_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) or text == "topology":
        raise mistake(
            f"`{text}` can't name a party; expected at most 63 of a-z, 0-9 and -, beginning and"
            " ending with a letter or digit, and not `topology`"
        )
    return text


def name_or_everyone(text: str) -> str:
    return text if text == EVERYONE else name(text)


def party_or_everyone(text: str) -> str:
    return text if text == EVERYONE else party_name(text)


_BUCKET_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def bucket_name(text: str) -> str:
    """S3's rules for general purpose buckets (Amazon S3 User Guide, Bucket naming rules)."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", text):
        raise mistake(
            f"`{text}` can't name a bucket; expected 3 to 63 of a-z, 0-9, - and ., beginning and"
            " ending with a letter or digit"
        )
    if ".." in text or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", text):
        raise mistake(f"`{text}` can't name a bucket: no two dots in a row, no IP address")
    if text.startswith(_BUCKET_STARTS) or text.endswith(_BUCKET_ENDS):
        raise mistake(f"`{text}` can't name a bucket: S3 keeps this beginning or ending for itself")
    return text


def bucket_pattern(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9*][a-z0-9.*-]{0,62}", text) or "**" in text:
        raise mistake(f"`{text}` is no pattern for bucket names; expected one like `acme-*`")
    return text


def name(text: str) -> str:
    """Of principals, stores and rules."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?", text):
        raise mistake(
            f"`{text}` is no usable name; expected at most {NAME_CHARS_MAX} letters, digits and"
            " . _ @ -, beginning and ending with a letter or digit"
        )
    return text


def user_name(text: str) -> str:
    """At the sFTP door: what a job that was written long ago calls itself."""
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._@+-]{0,62}[A-Za-z0-9_$])?", text):
        raise mistake(
            f"`{text}` is no user name; expected at most {NAME_CHARS_MAX} letters, digits and"
            " . _ @ + -, beginning with a letter or digit"
        )
    return text


def network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise mistake(f"`{text}` is no network: {error}; expected one like 10.0.0.0/8") from error


def tree_path(text: str) -> str:
    """A folder of a principal's own tree."""
    segments = [] if text == "/" else text[1:].split("/")
    if not text.startswith("/") or any(each in ("", ".", "..") for each in segments):
        raise mistake(f"`{text}` is no folder; expected a path from the root, like /outbox/globex")
    return text


def tree_target(text: str) -> str:
    """A bucket, and a literal key prefix in it."""
    bucket, slash, prefix = text.partition("/")
    bucket_name(bucket)
    folders = prefix.removesuffix("/").split("/") if prefix else []
    if not slash or (prefix and not prefix.endswith("/")) or "" in folders or "*" in prefix:
        raise mistake(f"`{text}` is no folder of a bucket; expected one like orders/ or orders/in/")
    return text


def temporary_name(text: str) -> str:
    name = text.removesuffix("/")
    if not name or "/" in name or not name.strip("*"):
        raise mistake(
            f"`{text}` is no temporary name; expected one like *.tmp, or for a folder one like tmp/"
        )
    return text


def flag_name(text: str) -> str:
    if not re.fullmatch(r"\*\.[^*/]+", text):
        raise mistake(f"`{text}` is no name of flag files; expected one like *.done")
    return text


def access_key_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,128}", text):
        raise mistake(f"`{text}` is no access key id; expected 3 to 128 letters, digits, _ and -")
    return text


def reference(text: str) -> str:
    """Where a secret is; never the secret itself."""
    if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]+", text):
        # The value is not repeated: it may be the secret.
        raise mistake("a secret is never written here; expected `env:NAME` or `file:PATH`")
    return text


def endpoint(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise mistake(f"`{text}` is no endpoint; expected a URL like https://s3.example.com")
    return text.rstrip("/")


_WEBHOOK = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[([0-9A-Fa-f:.]+)\])(:[0-9]{1,5})?(/[!$-;=?-Z_a-z~]*)?"
)


def webhook_url(text: str) -> str:
    """Where notices may go: nothing in it that two readers of URLs could read differently."""
    match = _WEBHOOK.fullmatch(text)
    try:
        if not match or len(text) > URL_CHARS_MAX:
            raise ValueError
        if match[2]:
            IPv6Address(match[2])
        _ = urlsplit(text).port
    except ValueError:
        # The value is not repeated: such URLs often hold a secret.
        raise mistake(
            "this is no URL of a webhook; expected one like https://hooks.example.com/in, without"
            " user, fragment or space"
        ) from None
    return text


def store_prefix(text: str) -> str:
    if text and (not text.endswith("/") or text.startswith("/") or "//" in text):
        raise mistake(f"`{text}` is no prefix for a store; expected one like `mesh/`")
    return text


def host_name(text: str) -> str:
    if not re.fullmatch(
        r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*", text
    ):
        raise mistake(f"`{text}` is no host; expected a name or address like sftp.example.com")
    return text


def port(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65_536:
        raise mistake(f"{shown(value)} is no port; expected a number from 1 to 65535")
    return value


def server_path(text: str) -> str:
    parts = text.rstrip("/").split("/")[1:]
    if not text.startswith("/") or "\0" in text or any(part in ("", ".", "..") for part in parts):
        raise mistake(f"`{text}` is no path on a server; expected an absolute one like /inbox")
    return text


def host_key(text: str) -> str:
    kinds = r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d{3}) [A-Za-z0-9+/]+=*( .*)?"
    if not re.fullmatch(rf"file:[^\0]+|env:\w+|SHA256:[A-Za-z0-9+/]{{43}}|{kinds}", text):
        raise mistake(
            f"`{text}` is no host key; expected SHA256:…, a public key like ssh-ed25519 AAAA…, or"
            " `file:PATH`"
        )
    return text


def media_type(text: str) -> str:
    lowered = text.lower()
    if not re.fullmatch(r"[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)", lowered):
        raise mistake(f"`{text}` is no media type; expected one like text/csv or image/*")
    return lowered


def metadata_name(text: str) -> str:
    """S3 keeps names of user metadata in lower case."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text):
        raise mistake(f"`{text}` can't name metadata; expected what stands after x-amz-meta-")
    if text != text.lower():
        raise mistake(
            f"`{text}` can never match: S3 keeps names in lower case; write {text.lower()}"
        )
    return text


_DURATION = WithJsonSchema({"type": "string", "pattern": "^[0-9]+[smhdw]$"})
_SINCE = WithJsonSchema(
    {"type": "string", "pattern": "^(always|now|[0-9]{4}-[0-9]{2}-[0-9]{2})$", "default": "now"}
)
_SIZE = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?([kKMGT]i?)?B?$"},
        ]
    }
)
_HISTORY = WithJsonSchema({"type": "string", "pattern": "^(forever|[0-9]+[smhdw])$"})
_YES_NO = WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no"]}]})

Size = Annotated[int, BeforeValidator(size), _SIZE]
Duration = Annotated[int, BeforeValidator(duration), _DURATION]
History = Annotated[int, BeforeValidator(history), _HISTORY]
Since = Annotated[int, BeforeValidator(since), _SINCE]
YesNo = Annotated[bool, BeforeValidator(yes_no), _YES_NO]
KeyPattern = Annotated[str, AfterValidator(key_pattern)]
KeyPrefix = Annotated[str, AfterValidator(key_prefix)]
PartyName = Annotated[str, AfterValidator(party_name)]
PartyOrEveryone = Annotated[str, AfterValidator(party_or_everyone)]
BucketName = Annotated[str, AfterValidator(bucket_name)]
BucketPattern = Annotated[str, AfterValidator(bucket_pattern)]
Name = Annotated[str, AfterValidator(name)]
NameOrEveryone = Annotated[str, AfterValidator(name_or_everyone)]
UserName = Annotated[str, AfterValidator(user_name)]
Network = Annotated[str, AfterValidator(network)]
TreePath = Annotated[str, AfterValidator(tree_path)]
TreeTarget = Annotated[str, AfterValidator(tree_target)]
TemporaryName = Annotated[str, AfterValidator(temporary_name)]
FlagName = Annotated[str, AfterValidator(flag_name)]
AccessKeyId = Annotated[str, AfterValidator(access_key_id)]
Reference = Annotated[str, AfterValidator(reference)]
Endpoint = Annotated[str, AfterValidator(endpoint)]
WebhookUrl = Annotated[str, AfterValidator(webhook_url)]
StorePrefix = Annotated[str, AfterValidator(store_prefix)]
HostName = Annotated[str, AfterValidator(host_name)]
Port = Annotated[
    int,
    BeforeValidator(port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
]
ServerPath = Annotated[str, AfterValidator(server_path)]
HostKey = Annotated[str, AfterValidator(host_key)]
MediaType = Annotated[str, AfterValidator(media_type)]
MetadataName = Annotated[str, AfterValidator(metadata_name)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
