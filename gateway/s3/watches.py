"""Notification configurations to and from S3's document, and the ARNs that name webhooks.

What is refused, by which code and in which words, is S3's own (AWS:
PutBucketNotificationConfiguration and "Configuring event notifications"); where the reference is
silent, what S3 was seen to answer.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.errors import NoSuchWebhook
from gateway.model import KEY_BYTES_MAX
from gateway.notifications import EVENTS, Watch, overlapping
from gateway.s3.errors import S3Error
from gateway.s3.xml.shapes import Tree

ID_CHARS_MAX = 255
WATCHES_MAX = 100
"""Configurations of one party and bucket, as on AWS."""

OVERLAP = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the "
    "prefixes are overlapping for the same event type."
)
NO_FILTER_OVERLAP = (
    "Configurations overlap. Configurations on the same bucket cannot share a common event type."
)


class _Kind(NamedTuple):
    """A form of configuration: the element that holds its ARN, and the ARN's service."""

    element: str
    service: str


KINDS: Mapping[str, _Kind] = MappingProxyType(
    {"queue": _Kind("Queue", "sqs"), "topic": _Kind("Topic", "sns")}
)
"""By `Watch.kind`. Both mean a webhook; no other destination exists here."""

_ARN = re.compile(r"arn:([^:]+):([^:]+):([^:]*):([^:]*):([^:]+)")


class Home(NamedTuple):
    """Whose configuration it is: the part that its ARNs share."""

    region: str
    party: str


def arn(home: Home, watch: Watch) -> str:
    service = KINDS[watch.kind].service
    return f"arn:crossdock:{service}:{home.region}:{home.party}:{watch.webhook}"


def unknown(element: str, arn: str) -> NoSuchWebhook:
    """The one answer for a webhook that is another party's, or nobody's."""
    return NoSuchWebhook(name=element, value=arn)


# --- from the document -------------------------------------------------------------------------


def watches_in(tree: Tree, home: Home) -> tuple[Watch, ...]:
    """The watches of a NotificationConfiguration that is of its shape, as yet without a look at
    which webhooks there are."""
    if "EventBridgeConfiguration" in tree:
        raise S3Error("NotImplemented", "There is no EventBridge here; name a webhook's ARN.")
    for other in tree.get("CloudFunctionConfiguration", ()):
        raise unknown("CloudFunction", other["CloudFunction"][0])
    watches = tuple(_watches(tree, home))
    ids = [watch.id for watch in watches]
    if len(set(ids)) < len(ids):
        raise _invalid("Same ID used for multiple configurations. IDs must be unique.")
    if len(watches) > WATCHES_MAX:
        text = f"A bucket can have at most {WATCHES_MAX} notification configurations."
        raise _invalid(text)
    pair = overlapping(watches)
    if pair:
        filtered = any(w.prefix is not None or w.suffix is not None for w in pair)
        raise _invalid(OVERLAP if filtered else NO_FILTER_OVERLAP)
    return watches


def _watches(tree: Tree, home: Home) -> Iterator[Watch]:
    for kind, (element, service) in KINDS.items():
        for said in tree.get(f"{element}Configuration", ()):
            text = said[element][0].strip()
            yield _watch(said, kind, _webhook(text, element, service, home))


def _webhook(text: str, element: str, service: str, home: Home) -> str:
    match = _ARN.fullmatch(text)
    if match is None:
        raise S3Error(
            *("InvalidArgument", "The ARN could not be parsed"),
            ArgumentName=element,
            ArgumentValue=text,
        )
    partition, found, region, party, webhook = match.groups()
    if (partition, found, party) != ("crossdock", service, home.party):
        raise unknown(element, text)
    if region not in ("", home.region):
        raise unknown(element, text)
    return webhook


def _watch(said: Tree, kind: str, webhook: str) -> Watch:
    events = tuple(said["Event"])
    for event in events:
        if event not in EVENTS:
            text = "A specified event is not supported for notifications."
            raise S3Error("InvalidArgument", text, ArgumentName="Event", ArgumentValue=event)
    rules = _rules(said.get("Filter", ()))
    prefix, suffix = rules.get("prefix"), rules.get("suffix")
    seed = repr((kind, webhook, events, prefix, suffix))
    id_ = said.get("Id", [""])[0] or _made_id(seed)
    if len(id_) > ID_CHARS_MAX:
        raise _invalid(f"The ID of a configuration can have at most {ID_CHARS_MAX} characters.")
    return Watch(id_, kind, webhook, events, prefix, suffix)


def _rules(filters: Sequence[Any]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for rule in (
        r for f in filters for key in f.get("S3Key", ()) for r in key.get("FilterRule", ())
    ):
        name, value = rule["Name"][0].lower(), rule["Value"][0]
        if name not in ("prefix", "suffix"):
            raise _invalid("filter rule name must be either prefix or suffix")
        if name in found:
            raise _invalid(f"Cannot specify more than one {name} rule in a filter.")
        if len(value.encode()) > KEY_BYTES_MAX:
            text = f"Size of filter rule value cannot exceed {KEY_BYTES_MAX} bytes in UTF-8"
            raise _invalid(f"{text} representation")
        found[name] = value
    return found


def _invalid(text: str) -> S3Error:
    return S3Error("InvalidArgument", text)


def _made_id(seed: str) -> str:
    """Of a configuration that was put without one: the same for the same one."""
    return base64.b32encode(hashlib.sha256(seed.encode()).digest()[:15]).decode().lower()


# --- to the document ---------------------------------------------------------------------------


def tree_of(watches: Sequence[Watch], home: Home) -> Tree:
    found: dict[str, list[Tree]] = {}
    for watch in watches:
        element = KINDS[watch.kind].element
        said: dict[str, Sequence[Any]] = {
            "Id": [watch.id],
            element: [arn(home, watch)],
            "Event": watch.events,
        }
        # in lower case as the API reference has it: clients compare it, though S3 answers `Prefix`
        named = (("prefix", watch.prefix), ("suffix", watch.suffix))
        rules = [{"Name": [name], "Value": [text]} for name, text in named if text is not None]
        if rules:
            said["Filter"] = [{"S3Key": [{"FilterRule": rules}]}]
        found.setdefault(f"{element}Configuration", []).append(said)
    return found
