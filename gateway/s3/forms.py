"""Browser forms that upload an object: the multipart body, its signed policy, what it allows.

AWS: "Browser-Based Uploads Using POST". The policy is signed with SigV4, or with SigV2, which
boto3 still makes for us-east-1.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from gateway.model import Chunks
from gateway.s3.canonical import sign, signing_key
from gateway.s3.dates import parse_amz_date, parse_iso_date
from gateway.s3.errors import S3Error
from gateway.s3.presign import PRESIGNED_S_MAX, read_credential
from gateway.s3.sigv2 import signature
from gateway.s3.sigv4 import NO_TOKENS, NOBODYS_SECRET, Credential, Verified, mismatch

FORM_BYTES_MAX = 64 * 1024
"""All that comes before the file's bytes (AWS: 20 KB)."""

FILE = "file"
_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?boundary="?([^";,\s]{1,70})"?', re.I)
_NAME = re.compile(r'[;\s]name="((?:[^"\\]|\\.)*)"', re.I)
_FILENAME = re.compile(r'[;\s]filename="((?:[^"\\]|\\.)*)"', re.I)
_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")

_UNJUDGED = frozenset(
    {"policy", FILE, "signature", "awsaccesskeyid", "x-amz-signature", "x-amz-security-token"}
)
"""Fields that no condition need cover."""

_UNJUDGED_PREFIXES = ("x-ignore-", "x-amz-checksum-")
"""Nor these: the first have no effect, the second can only refuse."""

C = TypeVar("C", bound=Credential)


def boundary_of(content_type: str) -> bytes:
    """The boundary of a form's body; b"" where the type is not that of a form."""
    found = _BOUNDARY.match(content_type)
    return found[1].encode() if found else b""


@dataclass(frozen=True, slots=True)
class Form:
    """A form whose head has been read: its fields by lower-case name, its file's name and bytes."""

    fields: Mapping[str, str]
    filename: str
    content: Chunks


class FormDecoder:
    """Takes the body's bytes in pieces. `fields` are by lower-case name, complete once `in_file`;
    from then on `feed` gives the file's bytes, until `done`."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter looks like the others
        self._head_bytes = 0  # of the fields that were taken off the buffer
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.in_file = False
        self.done = False

    def feed(self, data: bytes) -> bytes:
        """What follows the file is of no interest."""
        if self.done:
            return b""
        self._buffer += data
        while not self.in_file:
            if not self._field():
                return b""
        return self._content()

    def finish(self) -> None:
        if not self.done:
            raise S3Error("MalformedPOSTRequest")

    def _content(self) -> bytes:
        at = self._buffer.find(self._delimiter)
        self.done = at >= 0
        end = at if self.done else max(0, len(self._buffer) - len(self._delimiter) + 1)
        piece = bytes(self._buffer[:end])
        del self._buffer[:end]
        return piece

    def _field(self) -> bool:
        """Takes one field, or the file's head; False until more bytes come."""
        begin = self._buffer.find(self._delimiter)
        after = begin + len(self._delimiter)
        if begin >= 0 and self._buffer[after : after + 2] == b"--":
            raise S3Error("InvalidArgument", "POST requires exactly one file upload per request.")
        head_end = self._buffer.find(b"\r\n\r\n", after) if begin >= 0 else -1
        if head_end < 0:
            return self._wait()
        head = self._buffer[after:head_end].decode("utf-8", "replace")
        name = _NAME.search(head)
        if name is None:
            raise S3Error("MalformedPOSTRequest")
        field = name[1].lower()
        if field == FILE:
            named = _FILENAME.search(head)
            self.filename = re.split(r"[/\\]", named[1])[-1] if named else ""
            self._take(head_end + 4)
            self.in_file = True
            return True
        value_end = self._buffer.find(self._delimiter, head_end + 2)
        if value_end < 0:
            return self._wait()
        self._keep(field, bytes(self._buffer[head_end + 4 : value_end]))
        self._take(value_end)
        return True

    def _take(self, count: int) -> None:
        """Names count as values do: a form of empty fields without end is one, too."""
        del self._buffer[:count]
        self._head_bytes += count
        self._check(self._head_bytes)

    def _wait(self) -> bool:
        self._check(self._head_bytes + len(self._buffer))
        return False

    def _check(self, head_bytes: int) -> None:
        if head_bytes > FORM_BYTES_MAX:
            raise S3Error("MaxPostPreDataLengthExceededError")

    def _keep(self, field: str, raw: bytes) -> None:
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            raise S3Error("InvalidArgument", f"The field {field} is not UTF-8.") from None
        if field in self.fields:
            raise S3Error("InvalidArgument", f"The form has the field {field} twice.")
        self.fields[field] = value


# --- who signed it -----------------------------------------------------------------------------


class _Proof(NamedTuple):
    access_key: str
    expected: Callable[[str], str]  # of a secret
    given: str
    sigv2: bool


def authenticate(fields: Mapping[str, str], lookup: Callable[[str], C | None]) -> Verified[C]:
    """Who signed the form's policy, which is all that is signed of it.

    Raises AccessDenied (no policy), InvalidArgument (a signature's field is missing),
    InvalidAccessKeyId, SignatureDoesNotMatch.
    """
    if not fields.get("policy"):
        raise S3Error("AccessDenied")
    proof = _sigv4(fields) if "x-amz-signature" in fields else _sigv2(fields)
    credential = lookup(proof.access_key)
    secret = NOBODYS_SECRET if credential is None else credential.secret
    good = hmac.compare_digest(proof.expected(secret).encode(), proof.given.encode())
    # Both answers are made before one is chosen, so that they take the same time.
    unknown = S3Error("InvalidAccessKeyId", AWSAccessKeyId=proof.access_key)
    wrong = mismatch(proof.access_key, fields["policy"].encode(), proof.given)
    if credential is None:
        raise unknown
    if not good:
        raise wrong
    if fields.get("x-amz-security-token"):
        raise S3Error("InvalidToken", NO_TOKENS)
    return Verified(proof.access_key, credential, sigv2=proof.sigv2)


def _wanted(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        text = f"Bucket POST must contain a field named '{name}'."
        raise S3Error("InvalidArgument", text, ArgumentName=name)
    return fields[name]


def _sigv4(fields: Mapping[str, str]) -> _Proof:
    if _wanted(fields, "x-amz-algorithm") != "AWS4-HMAC-SHA256":
        raise S3Error("InvalidArgument", "x-amz-algorithm must be AWS4-HMAC-SHA256.")
    date = _wanted(fields, "x-amz-date")
    if parse_amz_date(date) is None:
        raise S3Error("InvalidArgument", "x-amz-date must be of the form 20130524T000000Z.")
    named = _wanted(fields, "x-amz-credential")
    access_key, day, region = read_credential(named, date, "InvalidArgument")

    def expected(secret: str) -> str:
        return sign(signing_key(secret, day, region), fields["policy"])

    return _Proof(access_key, expected, fields["x-amz-signature"], sigv2=False)


def _sigv2(fields: Mapping[str, str]) -> _Proof:
    def expected(secret: str) -> str:
        return signature(secret, fields["policy"].encode()).decode()

    access_key, given = _wanted(fields, "awsaccesskeyid"), _wanted(fields, "signature")
    return _Proof(access_key, expected, given, sigv2=True)


# --- what it allows ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SizeRange:
    """Bytes that the file may have, both ends included."""

    least: int = 0
    most: int | None = None


def judge(fields: Mapping[str, str], bucket: str, now: int) -> SizeRange:
    """Holds the form to its policy; `now` is in seconds.

    Every field must be covered by a condition. Raises InvalidPolicyDocument for a policy that
    can't be read, AccessDenied for one that has expired or does not allow this form.
    """
    policy = _policy(fields["policy"])
    _check_expiration(policy.get("expiration"), now)
    conditions = policy.get("conditions")
    if not isinstance(conditions, list) or not conditions:
        raise _bad_policy("conditions must be a list")
    values = {**fields, "bucket": bucket}
    covered: set[str] = set()
    size = SizeRange()
    for condition in conditions:
        if isinstance(condition, list) and condition[:1] and _range_named(condition[0]):
            size = _size_range(condition)
            continue
        for operator, field, wanted in _tests(condition):
            covered.add(field)
            if not _holds(operator, field, values.get(field, ""), wanted):
                raise _denied(f"Policy Condition failed: {field}")
    for field in values.keys() - covered - _UNJUDGED:
        if not field.startswith(_UNJUDGED_PREFIXES):
            raise _denied(f"Extra input fields: {field}")
    return size


def _policy(text: str) -> Mapping[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _bad_policy("it is not base64 of JSON") from None
    if not isinstance(policy, dict):
        raise _bad_policy("it is not an object")
    return policy


def _check_expiration(text: object, now: int) -> None:
    if not isinstance(text, str) or _EXPIRATION.fullmatch(text) is None:
        raise _bad_policy("expiration must be of the form 2026-01-01T00:00:00Z")
    at = parse_iso_date(text)
    if at is None:
        raise _bad_policy("expiration is no date")
    if at <= now:
        raise _denied("Policy expired.")
    if at > now + PRESIGNED_S_MAX:
        raise _denied("the policy's expiration is more than 7 days ahead.")


def _range_named(operator: object) -> bool:
    return isinstance(operator, str) and operator.lower() == "content-length-range"


def _size_range(condition: list[Any]) -> SizeRange:
    if len(condition) != 3:
        raise _bad_policy("content-length-range needs two numbers")
    least, most = (_number(each) for each in condition[1:])
    return SizeRange(least, most)


def _number(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise _bad_policy("content-length-range needs two numbers")
    return int(text)


def _tests(condition: object) -> list[tuple[str, str, str]]:
    """(operator, field, value) of one condition, which may be an object of several."""
    if isinstance(condition, dict) and condition:
        pairs = [("eq", f"${name}", value) for name, value in condition.items()]
    elif isinstance(condition, list) and len(condition) == 3:
        pairs = [(condition[0], condition[1], condition[2])]
    else:
        raise _bad_policy("a condition must be an object, or a list of three")
    for operator, field, value in pairs:
        texts = all(isinstance(each, str) for each in (operator, field, value))
        if not texts or operator.lower() not in ("eq", "starts-with") or field[:1] != "$":
            raise _bad_policy("a condition is not of a known form")
    return [(operator.lower(), field[1:].lower(), value) for operator, field, value in pairs]


def _holds(operator: str, field: str, value: str, wanted: str) -> bool:
    if operator == "eq":
        return value == wanted
    if field == "content-type":  # a list is held to the condition item by item
        return all(item.strip().startswith(wanted) for item in value.split(","))
    return value.startswith(wanted)


def _bad_policy(why: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {why}.")


def _denied(why: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {why}")
