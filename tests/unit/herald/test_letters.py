"""The message and its signature, against the specifications' own words and vectors."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.herald.letters import Webhook, body, headers, key_of
from gateway.model import Bucket, ObjectRef, Version, Versioning
from gateway.notifications import EVENTS, Notice

BUCKET = Bucket("orders", "acme", {"acme": ("**",)})
SECOND = 10**9


def told(key: str = "k", event: str = "s3:ObjectCreated:Put", **how: Any) -> Any:
    version = Version("v1", ObjectRef("orders", key), "acme", "erp", "s3", 1, size=3, etag="e")
    made: dict[str, Any] = {"id": 1_700_000_000_123_456_789, "name": "ab" * 16} | how
    notice = Notice(party="acme", webhook="w", ref=version.ref, event=event, watch="c", **made)
    (record,) = json.loads(body(notice, version, how.get("bucket", BUCKET), "eu-west-1"))["Records"]
    return record


def test_the_signature_of_the_specifications_example() -> None:
    """From the specification's reference implementations' tests."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    name = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    notice = Notice(1, name, "acme", "w", ObjectRef("b", "k"), "s3:TestEvent", "")
    made = headers(Webhook("u", key_of(secret)), notice, 1614265330, b'{"test": 2432232314}', 7)
    assert made == {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "x-crossdock-missed": "7",
    }


def test_secrets() -> None:
    plain = "sixteen bytes or"
    assert key_of(plain) == plain.encode()
    assert key_of(f"whsec_{base64.b64encode(b'k' * 24).decode()}") == b"k" * 24
    for wrong in ("", "short", "whsec_no base64!", "whsec_c2hvcnQ="):
        with pytest.raises(ConfigError) as error:
            key_of(wrong)
        assert not wrong or wrong not in error.value.message


def test_a_webhook_shows_neither_its_key_nor_its_query() -> None:
    shown = repr(Webhook("https://h/in?token=hunter2", b"secret of the hook"))
    assert shown == "Webhook('https://h/in')"


def test_times_and_numbers() -> None:
    record = told()
    assert record["eventTime"] == "2023-11-14T22:13:20.123Z"
    assert record["s3"]["object"]["sequencer"] == "17979CFE3D85CD15"
    assert record["awsRegion"] == "eu-west-1"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_every_key_comes_back_by_the_decoding_that_consumers_use(key: str) -> None:
    encoded = told(key)["s3"]["object"]["key"]
    assert unquote_plus(encoded) == key
    assert encoded.isascii()


@pytest.mark.parametrize(
    ("event", "version"),
    [
        ("s3:ObjectCreated:Copy", "2.1"),
        ("s3:ObjectTagging:Put", "2.3"),
        ("s3:LifecycleExpiration:Delete", "2.3"),
        ("s3:Replication:OperationMissedThreshold", "2.2"),
    ],
)
def test_versions_of_the_structure(event: str, version: str) -> None:
    assert event in EVENTS
    record = told(event=event)
    assert record["eventVersion"] == version
    assert record["eventName"] == event.removeprefix("s3:")
    assert ("replicationEventData" in record) == ("Replication" in event)


def test_a_late_copy_says_how_late() -> None:
    copy = {"to": "globex", "rule": "acme.yaml:3 (in)", "threshold": "60", "took": "61500"}
    record = told(event="s3:Replication:OperationReplicatedAfterThreshold", copy=copy)
    assert record["replicationEventData"] == {
        "replicationRuleId": "acme.yaml:3 (in)",
        "destinationBucket": "arn:crossdock:s3:::globex",
        "s3Operation": "OBJECT_PUT",
        "requestTime": "2023-11-14T22:13:20.123Z",
        "threshold": "60",
        "replicationTime": "61.500",
    }


@pytest.mark.parametrize("status", Versioning)
def test_the_version_id_is_the_one_that_the_api_shows(status: Versioning) -> None:
    record = json.loads(
        body(
            Notice(1, "n", "acme", "w", ObjectRef("b", "k"), "s3:ObjectCreated:Put", "c"),
            Version("v1", ObjectRef("b", "k"), "acme", "erp", "s3", 1, null=True),
            Bucket("b", "acme", {}, versioning=status),
            "r",
        )
    )["Records"][0]
    shown = record["s3"]["object"].get("versionId")
    assert shown == (None if status is Versioning.OFF else "null")
