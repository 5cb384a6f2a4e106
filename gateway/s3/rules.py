"""A bucket's lifecycle rules to and from S3's document, and what headers tell of them.

What is refused, by which code and in which words, is S3's own (AWS: LifecycleRule and its parts;
where the reference is silent, answers that S3 was seen to give).
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from gateway.lifecycle import NEWER_MAX, Rule, When, text_of
from gateway.locks import DAY_NS
from gateway.model import KEY_BYTES_MAX
from gateway.s3.dates import NS_PER_SECOND, SECONDS_MAX, http_date, iso_date, parse_iso_date
from gateway.s3.errors import S3Error
from gateway.s3.xml.shapes import Tree

ID_CHARS_MAX = 255
SIZE_MAX = 50 * 1024**4
"""Bytes that a filter may name, S3's bound on an object."""

TAG_KEY_CHARS_MAX = 128
TAG_VALUE_CHARS_MAX = 256

QUOTED = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"
"""What an id keeps in a header: all of ASCII that is printed, but for `"`, `%` and backslash."""


# --- from the document -------------------------------------------------------------------------


def rules_in(tree: Tree) -> tuple[Rule, ...]:
    """The rules of a LifecycleConfiguration that is of its shape; S3Error for what S3 refuses."""
    rules = [_rule(each) for each in tree["Rule"]]
    if len({rule.bare for rule in rules}) > 1:
        text = "A rule's own Prefix and a Filter can't stand in one configuration."
        raise S3Error("InvalidRequest", text)
    _check_overlaps([rule for rule in rules if rule.bare])
    ids = Counter(rule.id for rule in rules if rule.id)
    if any(count > 1 for count in ids.values()):
        text = "Rule ID must be unique. Found same ID for more than one rule"
        raise S3Error("InvalidArgument", text)
    return tuple(r if r.id else replace(r, id=_made_id(r, n)) for n, r in enumerate(rules))


def _rule(tree: Tree) -> Rule:
    if ("Prefix" in tree) == ("Filter" in tree):
        raise S3Error("MalformedXML", "A rule must have a Filter (or, the older way, a Prefix).")
    for name in ("Transition", "NoncurrentVersionTransition"):
        for transition in tree.get(name, ()):
            text = f"{transition['StorageClass'][0]}: there is no storage class but STANDARD here"
            raise S3Error("InvalidStorageClass", text)
    bare = "Prefix" in tree
    rule = Rule(
        id=tree.get("ID", [""])[0],
        enabled=tree["Status"] == ["Enabled"],
        bare=bare,
        **(_conditions(tree) if bare else _filter(tree["Filter"][0])),
        **_expiration(tree),
        **_noncurrent(tree, bare),
        **_uploads(tree),
    )
    if len(rule.id) > ID_CHARS_MAX:
        text = f"ID length should not exceed allowed limit of {ID_CHARS_MAX}"
        raise S3Error("InvalidArgument", text)
    _check_actions(rule)
    return rule


def _filter(tree: Tree) -> Mapping[str, Any]:
    """One condition, or several inside And."""
    if "And" not in tree:
        if len(tree) > 1:
            raise S3Error("MalformedXML", "Several conditions of a Filter belong inside And.")
        return _conditions(tree)
    both = tree["And"][0]
    if len(tree) > 1 or sum(map(len, both.values())) < 2:
        raise S3Error("MalformedXML", "And stands alone in a Filter, and holds two conditions.")
    return _conditions(both)


def _conditions(tree: Tree) -> Mapping[str, Any]:
    tags = [(tag["Key"][0], tag["Value"][0]) for tag in tree.get("Tag", ())]
    if len(dict(tags)) < len(tags):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    for key, value in tags:
        if not 0 < len(key) <= TAG_KEY_CHARS_MAX or len(value) > TAG_VALUE_CHARS_MAX:
            raise S3Error("InvalidTag")
    prefix = tree["Prefix"][0] if "Prefix" in tree else None
    if prefix and len(prefix.encode()) > KEY_BYTES_MAX:
        raise S3Error("InvalidRequest", f"A prefix has at most {KEY_BYTES_MAX} bytes.")
    larger, smaller = _size(tree, "ObjectSizeGreaterThan", 0), _size(tree, "ObjectSizeLessThan", 1)
    if larger is not None and smaller is not None and larger >= smaller:
        text = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."
        raise S3Error("InvalidRequest", text)
    return {"prefix": prefix, "tags": tuple(tags), "larger": larger, "smaller": smaller}


def _size(tree: Tree, name: str, least: int) -> int | None:
    if name not in tree:
        return None
    size = int(tree[name][0])
    if not least <= size <= SIZE_MAX:
        raise S3Error("InvalidRequest", f"'{name}' should be between {least} and {SIZE_MAX}.")
    return size


def _expiration(tree: Tree) -> Mapping[str, Any]:
    if "Expiration" not in tree:
        return {}
    asked = tree["Expiration"][0]
    if len(asked) != 1:
        text = "An Expiration holds one of Days, Date and ExpiredObjectDeleteMarker."
        raise S3Error("MalformedXML", text)
    if "Days" in asked:
        return {"days": _positive(asked, "Days", "Expiration")}
    if "Date" in asked:
        return {"date": _midnight(asked["Date"][0])}
    return {"lone_markers": asked["ExpiredObjectDeleteMarker"][0].lower() == "true"}


def _midnight(text: str) -> int:
    seconds = parse_iso_date(text.strip())
    if seconds is None:
        raise S3Error("MalformedXML", "'Date' must be a date in ISO 8601 format")
    moment = seconds * NS_PER_SECOND
    if moment % DAY_NS:
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
    return moment


def _noncurrent(tree: Tree, bare: bool) -> Mapping[str, Any]:
    name = "NoncurrentVersionExpiration"
    if name not in tree:
        return {}
    asked = tree[name][0]
    found = {"noncurrent_days": _positive(asked, "NoncurrentDays", name)}
    if "NewerNoncurrentVersions" in asked:
        if bare:
            text = "NewerNoncurrentVersions element can only be used in rules with a Filter."
            raise S3Error("InvalidRequest", text)
        found["newer"] = _positive(asked, "NewerNoncurrentVersions", name, NEWER_MAX)
    return found


def _uploads(tree: Tree) -> Mapping[str, Any]:
    name = "AbortIncompleteMultipartUpload"
    if name not in tree:
        return {}
    return {"upload_days": _positive(tree[name][0], "DaysAfterInitiation", name)}


def _positive(tree: Tree, name: str, action: str, most: int | None = None) -> int:
    number = int(tree[name][0])
    if number < 1 or (most is not None and number > most):
        limit = f" up to {most}" if most is not None else ""
        text = f"'{name}' for {action} action must be a positive integer{limit}"
        raise S3Error("InvalidArgument", text)
    return number


def _check_actions(rule: Rule) -> None:
    current = rule.days or rule.date is not None or rule.lone_markers is not None
    if not (current or rule.noncurrent_days or rule.upload_days):
        text = "At least one action needs to be specified in a rule"
        raise S3Error("InvalidRequest", text)
    sized = rule.larger is not None or rule.smaller is not None
    without = {
        "ExpiredObjectDeleteMarker": rule.lone_markers is not None,
        "AbortIncompleteMultipartUpload": bool(rule.upload_days),
    }
    for name, asked in without.items():
        for what, filtered in (("Tags", bool(rule.tags)), ("Object Size", sized)):
            if asked and filtered:
                raise S3Error("InvalidRequest", f"{name} cannot be specified with {what}.")


_ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Expiration": ("days", "date", "lone_markers"),
        "NoncurrentVersionExpiration": ("noncurrent_days",),
        "AbortIncompleteMultipartUpload": ("upload_days",),
    }
)
"""By S3's name of an action the fields of a rule that ask for it."""


def _check_overlaps(rules: Sequence[Rule]) -> None:
    """Rules of the older form may not be about the same keys with the same action."""
    for action, names in _ACTIONS.items():
        asked = [r for r in rules if any(getattr(r, name) not in (0, None) for name in names)]
        for one, other in pairwise(sorted(rule.prefix or "" for rule in asked)):
            if other.startswith(one):
                text = f"Found overlapping prefixes '{one}' and '{other}' for same action type "
                raise S3Error("InvalidRequest", f"{text}'{action}'")


def _made_id(rule: Rule, place: int) -> str:
    """Of a rule that was put without one: it looks as S3's do, and is the same for the same rule
    at the same place, for no more is wanted of it."""
    seed = json.dumps([place, text_of([rule])])
    digest = hashlib.sha256(seed.encode()).digest()[:16]
    return base64.b64encode(str(uuid.UUID(bytes=digest, version=4)).encode()).decode()


# --- to the document ---------------------------------------------------------------------------


def tree_of(rules: Sequence[Rule]) -> Tree:
    return {"Rule": [_shown(rule) for rule in rules]}


def _shown(rule: Rule) -> Tree:
    found: dict[str, Sequence[Any]] = {"ID": [rule.id]}
    conditions = _shown_conditions(rule)
    if rule.bare:
        found |= conditions
    elif sum(map(len, conditions.values())) > 1:
        found["Filter"] = [{"And": [conditions]}]
    else:
        found["Filter"] = [conditions]
    found["Status"] = ["Enabled" if rule.enabled else "Disabled"]
    if expiration := _shown_expiration(rule):
        found["Expiration"] = [expiration]
    if rule.noncurrent_days:
        kept = {"NewerNoncurrentVersions": [rule.newer]} if rule.newer else {}
        found["NoncurrentVersionExpiration"] = [{"NoncurrentDays": [rule.noncurrent_days], **kept}]
    if rule.upload_days:
        days = {"DaysAfterInitiation": [rule.upload_days]}
        found["AbortIncompleteMultipartUpload"] = [days]
    return found


def _shown_conditions(rule: Rule) -> dict[str, Sequence[Any]]:
    found: dict[str, Sequence[Any]] = {
        "Prefix": [] if rule.prefix is None else [rule.prefix],
        "Tag": [{"Key": [key], "Value": [value]} for key, value in rule.tags],
        "ObjectSizeGreaterThan": [] if rule.larger is None else [rule.larger],
        "ObjectSizeLessThan": [] if rule.smaller is None else [rule.smaller],
    }
    return {name: values for name, values in found.items() if values}


def _shown_expiration(rule: Rule) -> Tree:
    if rule.days:
        return {"Days": [rule.days]}
    if rule.date is not None:
        return {"Date": [iso_date(rule.date // NS_PER_SECOND)]}
    if rule.lone_markers is not None:
        return {"ExpiredObjectDeleteMarker": ["true" if rule.lone_markers else "false"]}
    return {}


# --- in headers --------------------------------------------------------------------------------


def expiration_headers(when: When | None) -> Mapping[str, str]:
    """None for what never expires, nor for what does so after the year 9999."""
    date = _date(when)
    if when is None or not date:
        return {}
    told = f'expiry-date="{date}", rule-id="{quote(when.rule, safe=QUOTED)}"'
    return {"x-amz-expiration": told}


def abortion_headers(when: When | None) -> Mapping[str, str]:
    date = _date(when)
    if when is None or not date:
        return {}
    return {"x-amz-abort-date": date, "x-amz-abort-rule-id": quote(when.rule, safe=QUOTED)}


def _date(when: When | None) -> str:
    seconds = when.at // NS_PER_SECOND if when else SECONDS_MAX + 1
    return http_date(seconds) if seconds <= SECONDS_MAX else ""
