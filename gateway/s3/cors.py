"""Which pages of other sites may use a bucket from a browser: its CORS configuration, judged.

AWS: "Using cross-origin resource sharing (CORS)", with the answers of the S3 API; the terms are
those of the Fetch standard. A preflight is asked without a signature, so what is judged here is
public: it rests on the configuration and the request's own words, and on nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from gateway.model import EMPTY
from gateway.s3.errors import S3Error
from gateway.s3.xml.shapes import Tree

SETTING = "cors"
"""The configuration's name among a bucket's settings."""

METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
ASKED_HEADERS_MAX = 100
"""Header names of one preflight; more than that no rule admits."""

CONFIGURATIONS_CACHED = 64

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

Rule = Mapping[str, Sequence[Any]]


def check(tree: Tree) -> None:
    """Raises InvalidRequest, as AWS does, for a configuration whose rules can't be judged."""
    for rule in tree["CORSRule"]:
        for method in rule["AllowedMethod"]:
            if method not in METHODS:
                text = f"Found unsupported HTTP method in CORS config. Unsupported method: {method}"
                raise S3Error("InvalidRequest", text)
        for name in ("AllowedOrigin", "AllowedHeader"):
            for pattern in rule.get(name, ()):
                if pattern.count("*") > 1:
                    text = f'{name} "{pattern}" can not have more than one wildcard.'
                    raise S3Error("InvalidRequest", text)
        for exposed in rule.get("ExposeHeader", ()):
            if "*" in exposed or _TOKEN.fullmatch(exposed) is None:
                text = f'ExposeHeader "{exposed}" is no name of a header; wildcards can\'t be used.'
                raise S3Error("InvalidRequest", text)


def answer_headers(kept: str, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """What an answer to a cross-origin request carries, whatever it says; `kept` is the bucket's
    configuration, or "". Nothing where no rule admits the origin and the method."""
    origin = headers.get("origin", "")
    rule = _rule(kept, origin, method, ()) if origin else None
    return EMPTY if rule is None else _admitted(rule, origin)


class Preflight:
    """A browser's question whether the request that it is about to make is welcome.

    BadRequest (400) for one that does not say which origin or method.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.origin = headers.get("origin", "")
        self.method = headers.get("access-control-request-method", "")
        asked = headers.get("access-control-request-headers", "").lower().split(",")
        self.asked = [name.strip() for name in asked if name.strip()]
        if not self.origin:
            text = "Insufficient information. Origin request header needed."
            raise S3Error("BadRequest", text)
        if self.method not in METHODS:
            text = f"Invalid Access-Control-Request-Method: {self.method or 'null'}"
            raise S3Error("BadRequest", text)

    def judge(self, kept: str, resource: str) -> Mapping[str, str]:
        """The headers that say yes; AccessForbidden (403) where no rule does."""
        text = "CORS is not enabled for this bucket."
        if kept:
            text = (
                "This CORS request is not allowed: no rule of the bucket admits its Origin, "
                "Access-Control-Request-Method and Access-Control-Request-Headers."
            )
            few = len(self.asked) <= ASKED_HEADERS_MAX
            rule = _rule(kept, self.origin, self.method, self.asked) if few else None
            if rule is not None:
                found = {**_admitted(rule, self.origin)}
                if self.asked:
                    found["access-control-allow-headers"] = ", ".join(self.asked)
                return found
        raise S3Error(
            "AccessForbidden",
            f"CORSResponse: {text}",
            Method=self.method,
            ResourceType=resource,
        )


def _rule(kept: str, origin: str, method: str, asked: Sequence[str]) -> Rule | None:
    """The first rule that admits all of it, as on AWS: rules don't add up."""
    for rule in _rules(kept) if kept else ():
        if method in rule["AllowedMethod"] and _any(rule["AllowedOrigin"], origin):
            patterns = [pattern.lower() for pattern in rule.get("AllowedHeader", ())]
            if all(_any(patterns, name) for name in asked):
                return rule
    return None


def _any(patterns: Sequence[str], text: str) -> bool:
    return any(_fits(pattern, text) for pattern in patterns)


def _fits(pattern: str, text: str) -> bool:
    """`*` stands for any text, also none."""
    before, star, after = pattern.partition("*")
    if not star:
        return text == pattern
    long_enough = len(text) >= len(before) + len(after)
    return long_enough and text.startswith(before) and text.endswith(after)


def _admitted(rule: Rule, origin: str) -> Mapping[str, str]:
    """An origin that is admitted by name may send credentials; what all may read needs none."""
    every = "*" in rule["AllowedOrigin"]
    found = {
        "access-control-allow-origin": "*" if every else origin,
        "access-control-allow-methods": ", ".join(rule["AllowedMethod"]),
        "vary": _VARY,
    }
    if not every:
        found["access-control-allow-credentials"] = "true"
    if rule.get("ExposeHeader"):
        found["access-control-expose-headers"] = ", ".join(rule["ExposeHeader"])
    if rule.get("MaxAgeSeconds"):
        found["access-control-max-age"] = rule["MaxAgeSeconds"][0]
    return MappingProxyType(found)


@lru_cache(CONFIGURATIONS_CACHED)
def _rules(kept: str) -> tuple[Rule, ...]:
    return tuple(json.loads(kept)["CORSRule"])
