"""Lifecycle through the door: rules are the owner's, and what they take away is gone for all.

Time is not waited for: a pass is run by hand, with a day of a nanosecond where all is to be old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.audit.records import Opened, decode
from gateway.exchange.floor import Floor
from gateway.exchange.lifecycle import Lifecycle, Passed
from gateway.lifecycle import SETTING, Standing
from gateway.locks import DAY_NS
from gateway.model import Bucket, ObjectRef
from tests.harness import FILES, Gateway, fresh
from tests.s3.raw import ask, sign

SHARED = "acme-shared"
TO = "to: {globex: copy, initech: share}"
ACCEPTED = f"- {{id: more, from: [acme], bucket: {SHARED}"
POLICIES = {
    **FILES,
    "acme.yaml": f"""
party: acme
sends: [{{id: all, bucket: {SHARED}, keys: ["**"], {TO}}}]
""",
    "globex.yaml": f'party: globex\naccepts:\n  {ACCEPTED}, into: "in/{{key}}"}}\n',
    "initech.yaml": f"party: initech\naccepts:\n  {ACCEPTED}}}\n",
}
EVERY = {"ID": "every", "Filter": {}, "Status": "Enabled"}
EXPIRE = {**EVERY, "Expiration": {"Days": 1}}
EXPIRE_OLD = {**EVERY, "ID": "old", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
LONE = {**EVERY, "ID": "lone", "Expiration": {"ExpiredObjectDeleteMarker": True}}
ABORT = {**EVERY, "ID": "abort", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("lifecycle"), POLICIES) as running:
        s3 = running.client()
        s3.create_bucket(Bucket=SHARED)
        status = {"Status": "Enabled"}
        s3.put_bucket_versioning(Bucket=SHARED, VersioningConfiguration=status)
        yield running


@pytest.fixture
def shared(s3: Any) -> Iterator[str]:
    """A bucket of acme's that globex and initech get everything of, without rules."""
    yield SHARED
    s3.delete_bucket_lifecycle(Bucket=SHARED)


def put_rules(s3: Any, bucket: str, *rules: dict[str, Any]) -> None:
    document = {"Rules": list(rules)}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=document)


def ruled(gateway: Gateway, name: str) -> Bucket:
    every = gateway.run(gateway.exchange.lifecycle.buckets())
    return next(bucket for bucket in every if bucket.name == name)


def age(gateway: Gateway, name: str, day_ns: int = 1) -> Passed:
    """One pass; by default everything is older than any rule asks."""
    return gateway.run(gateway.exchange.lifecycle.run(ruled(gateway, name), day_ns))


def put(s3: Any, bucket: str, key: str = "k", **how: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=b"body", **how).get("VersionId", ""))


def keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    page = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for entry in page.get("Contents", ())]


def shown(s3: Any, bucket: str, prefix: str = "") -> tuple[list[str], list[str]]:
    """Ids of versions and of delete markers, newest first."""
    page = s3.list_object_versions(Bucket=bucket, Prefix=prefix)
    versions, markers = page.get("Versions", ()), page.get("DeleteMarkers", ())
    return [each["VersionId"] for each in versions], [each["VersionId"] for each in markers]


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def records(gateway: Gateway, bucket: str, *kinds: str) -> list[Opened]:
    size = gateway.run(gateway.catalog.size())
    kept = gateway.run(gateway.catalog.records(0, size))
    found = [decode(record.openings) for record in kept]
    return [e for e in found if e.value("bucket") == bucket and e.value("kind") in kinds]


# --- the document ------------------------------------------------------------------------------


def test_rules_come_back_as_they_were_put_and_go(s3: Any, bucket: str) -> None:
    get = s3.get_bucket_lifecycle_configuration
    assert refusal(get, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    tags = [{"Key": "a", "Value": "<&"}, {"Key": "b", "Value": ""}]
    rules: list[dict[str, Any]] = [
        {**EXPIRE, "Filter": {"Prefix": "a/"}},
        {**EXPIRE_OLD, "Status": "Disabled", "Filter": {"Tag": tags[0]}},
        {
            **EVERY,
            "ID": "ü",
            "Filter": {"And": {"Prefix": "b", "Tags": tags, "ObjectSizeGreaterThan": 5}},
            "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 3},
        },
        LONE,
        ABORT,
    ]
    put_rules(s3, bucket, *rules)
    found = get(Bucket=bucket)
    assert found["Rules"] == rules
    assert found["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refusal(get, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    s3.delete_bucket_lifecycle(Bucket=bucket)


def test_what_is_refused_changes_nothing(gateway: Gateway, s3: Any, bucket: str) -> None:
    put_rules(s3, bucket, EXPIRE)
    change = s3.put_bucket_lifecycle_configuration
    moving = {"Days": 30, "StorageClass": "GLACIER"}
    for rule, code in (
        ({**EXPIRE, "Expiration": {"Days": 0}}, "InvalidArgument"),
        ({**EVERY, "Transitions": [moving]}, "InvalidStorageClass"),
        ({**EXPIRE, "Status": "enabled"}, "MalformedXML"),
    ):
        assert refusal(change, Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}) == code
    size = "varies_by_storage_class"
    rules = {"Rules": [EXPIRE]}
    code = refusal(
        change, Bucket=bucket, LifecycleConfiguration=rules, TransitionDefaultMinimumObjectSize=size
    )
    assert code == "InvalidRequest"
    large = b"<LifecycleConfiguration>" + b" " * 512 * 1024 + b"</LifecycleConfiguration>"
    reply = ask(gateway, sign(gateway, "PUT", f"/{bucket}?lifecycle", body=large), large)
    assert reply.code == "MaxMessageLengthExceeded"
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [EXPIRE]


def test_rules_are_the_owners_alone(gateway: Gateway, s3: Any, shared: str) -> None:
    put_rules(s3, shared, EXPIRE)
    guest, rules = gateway.client("globex/wms"), {"Rules": [EXPIRE]}
    assert refusal(guest.get_bucket_lifecycle_configuration, Bucket=shared) == "AccessDenied"
    change = guest.put_bucket_lifecycle_configuration
    assert refusal(change, Bucket=shared, LifecycleConfiguration=rules) == "AccessDenied"
    assert refusal(guest.delete_bucket_lifecycle, Bucket=shared) == "AccessDenied"
    narrowed = gateway.client("acme/auditor")
    assert refusal(narrowed.get_bucket_lifecycle_configuration, Bucket=shared) == "AccessDenied"


def test_a_bucket_of_the_topology_has_those_that_its_owner_gives_it(
    gateway: Gateway, s3: Any
) -> None:
    get, change = s3.get_bucket_lifecycle_configuration, s3.put_bucket_lifecycle_configuration
    assert refusal(get, Bucket="orders") == "NoSuchLifecycleConfiguration"
    rules = {"Rules": [EXPIRE]}
    other = gateway.client("globex/wms").put_bucket_lifecycle_configuration
    assert refusal(other, Bucket="orders", LifecycleConfiguration=rules) == "AccessDenied"
    change(Bucket="orders", LifecycleConfiguration=rules)
    assert [rule["ID"] for rule in get(Bucket="orders")["Rules"]] == [EXPIRE["ID"]]
    s3.delete_bucket_lifecycle(Bucket="orders")
    assert refusal(get, Bucket="orders") == "NoSuchLifecycleConfiguration"


def test_lifecycle_acts_on_its_owners_own_versions_in_a_bucket_of_the_topology(
    gateway: Gateway, s3: Any
) -> None:
    mine, theirs = f"invoices/{fresh()}", f"acks/{fresh()}"
    put(s3, "orders", mine)
    gateway.client("globex/wms").put_object(Bucket="orders", Key=theirs, Body=b"x")
    put_rules(s3, "orders", EXPIRE)
    assert age(gateway, "orders", DAY_NS) == Passed()
    gateway.drain()
    assert age(gateway, "orders").hidden >= 1
    assert refusal(s3.get_object, Bucket="orders", Key=mine) == "NoSuchKey"
    assert gateway.client("globex/wms").head_object(Bucket="orders", Key=theirs)
    s3.delete_bucket_lifecycle(Bucket="orders")


# --- what expires ------------------------------------------------------------------------------


def test_expired_in_a_versioned_bucket_is_hidden_by_a_marker(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    version = put(s3, versioned)
    put_rules(s3, versioned, EXPIRE)
    assert not age(gateway, versioned, DAY_NS)
    assert age(gateway, versioned) == Passed(hidden=1)
    assert keys(s3, versioned) == []
    versions, markers = shown(s3, versioned)
    assert (versions, len(markers)) == ([version], 1)
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=version)["Body"].read() == b"body"
    assert not age(gateway, versioned)


def test_expired_in_a_bucket_that_never_was_versioned_is_gone(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    put(s3, bucket)
    put_rules(s3, bucket, EXPIRE)
    assert age(gateway, bucket) == Passed(hidden=1)
    assert shown(s3, bucket) == ([], [])
    assert refusal(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"
    assert not age(gateway, bucket)
    s3.delete_bucket(Bucket=bucket)


def test_expired_in_a_suspended_bucket_leaves_a_null_marker(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    first = put(s3, versioned)
    status = {"Status": "Suspended"}
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration=status)
    put(s3, versioned)
    put_rules(s3, versioned, EXPIRE)
    assert age(gateway, versioned) == Passed(hidden=1)
    assert shown(s3, versioned) == ([first], ["null"])


def test_only_what_the_filter_covers_expires(gateway: Gateway, s3: Any, bucket: str) -> None:
    for key, tag in (("in/a", "x=1"), ("in/b", "x=2"), ("in/c", ""), ("out/a", "x=1")):
        put(s3, bucket, key, Tagging=tag)
    s3.put_object(Bucket=bucket, Key="in/large", Body=b"x" * 99, Tagging="x=1")
    both = {"Prefix": "in/", "Tags": [{"Key": "x", "Value": "1"}], "ObjectSizeLessThan": 50}
    put_rules(s3, bucket, {**EXPIRE, "Filter": {"And": both}})
    assert age(gateway, bucket) == Passed(hidden=1)
    assert keys(s3, bucket) == ["in/b", "in/c", "in/large", "out/a"]
    put_rules(s3, bucket, {**EXPIRE, "Status": "Disabled"})
    assert not age(gateway, bucket)


def test_a_date_that_has_passed_counts_and_one_that_has_not_does_not(
    gateway: Gateway, s3: Any, bucket: str
) -> None:
    put(s3, bucket)
    for year, passed in ((2130, Passed()), (2015, Passed(hidden=1))):
        date = datetime(year, 1, 1, tzinfo=UTC)
        put_rules(s3, bucket, {**EVERY, "Expiration": {"Date": date}})
        assert age(gateway, bucket, DAY_NS) == passed


def test_whoever_held_it_sees_it_go_and_keeps_a_copy(
    gateway: Gateway, s3: Any, shared: str
) -> None:
    globex, initech = gateway.client("globex/wms"), gateway.client("initech/ledger")
    put(s3, shared, "gone")
    put_rules(s3, shared, {**EXPIRE, "Filter": {"Prefix": "gone"}})
    assert not age(gateway, shared), "the copy is still on its way"
    gateway.drain()
    assert "Expiration" not in initech.head_object(Bucket=shared, Key="gone")
    assert age(gateway, shared) == Passed(hidden=1)
    for party in (globex, initech):
        assert refusal(party.get_object, Bucket=shared, Key="gone") == "NoSuchKey"
        assert keys(party, shared, "gone") == []
    assert (gateway.folder / "stores/globex/in/gone").read_bytes() == b"body"


# --- what is no longer current -----------------------------------------------------------------


def test_what_is_no_longer_current_goes_for_all(gateway: Gateway, s3: Any, shared: str) -> None:
    initech = gateway.client("initech/ledger")
    old, new = put(s3, shared, "twice"), put(s3, shared, "twice")
    gateway.drain()
    put_rules(s3, shared, {**EXPIRE_OLD, "Filter": {"Prefix": "twice"}})
    assert not age(gateway, shared, DAY_NS)
    assert age(gateway, shared) == Passed(removed=1)
    for party in (s3, initech):
        named = {"Bucket": shared, "Key": "twice", "VersionId": old}
        assert refusal(party.get_object, **named) == "NoSuchVersion"
        assert shown(party, shared, "twice") == ([new], [])


def test_its_bytes_stay_for_the_history_period(gateway: Gateway, s3: Any, versioned: str) -> None:
    old = put(s3, versioned)
    put(s3, versioned)
    put_rules(s3, versioned, EXPIRE_OLD)
    assert age(gateway, versioned) == Passed(removed=1)
    story = gateway.run(gateway.catalog.story(ObjectRef(versioned, "k")))[-1]
    assert (story.version.id, story.unwritten > 0, story.purged) == (old, True, False)
    idle = gateway.run(gateway.catalog.unreferenced(1 << 62, 1000))
    assert not {extent.key for extent in story.version.extents} & {e.key for e in idle}


def test_as_many_newer_ones_stay_as_the_rule_says(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    made = [put(s3, versioned) for _ in range(6)]
    kept = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    put_rules(s3, versioned, {**EXPIRE_OLD, "NoncurrentVersionExpiration": kept})
    assert age(gateway, versioned) == Passed(removed=3)
    assert shown(s3, versioned)[0] == made[:2:-1]
    assert not age(gateway, versioned)


def test_a_lock_and_a_legal_hold_beat_the_rules(gateway: Gateway, s3: Any) -> None:
    name = fresh()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    until = datetime.now(UTC) + timedelta(days=9)
    locked: dict[str, Any] = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    held = put(s3, name, ObjectLockLegalHoldStatus="ON")
    retained = put(s3, name, **locked)
    free, current = put(s3, name), put(s3, name, **locked)
    put_rules(s3, name, EXPIRE, EXPIRE_OLD)
    refusals = len(gateway.events)
    assert age(gateway, name) == Passed(hidden=1, removed=1)
    assert age(gateway, name, DAY_NS) == Passed()
    assert not age(gateway, name)
    assert gateway.events[refusals:] == []
    versions, markers = shown(s3, name)
    assert (versions, len(markers)) == ([current, retained, held], 1)
    assert free not in versions
    s3.put_object_legal_hold(Bucket=name, Key="k", VersionId=held, LegalHold={"Status": "OFF"})
    assert age(gateway, name) == Passed(removed=1)
    assert shown(s3, name)[0] == [current, retained]


def test_a_marker_that_hides_nothing_any_more_goes(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    put(s3, versioned)
    s3.delete_object(Bucket=versioned, Key="k")
    put_rules(s3, versioned, LONE, EXPIRE_OLD)
    assert age(gateway, versioned, DAY_NS) == Passed()
    passes = [age(gateway, versioned) for _ in range(3)]
    assert passes == [Passed(removed=1), Passed(removed=1), Passed()]
    assert shown(s3, versioned) == ([], [])
    s3.delete_bucket(Bucket=versioned)


def test_everything_together_empties_a_bucket(gateway: Gateway, s3: Any, versioned: str) -> None:
    for key in ("a", "b", "c"):
        for _ in range(3):
            put(s3, versioned, key)
    s3.create_multipart_upload(Bucket=versioned, Key="b")
    put_rules(s3, versioned, EXPIRE, EXPIRE_OLD, LONE, ABORT)
    passes = 0
    while age(gateway, versioned):
        passes += 1
    assert passes <= 4
    s3.delete_bucket(Bucket=versioned)


# --- uploads -----------------------------------------------------------------------------------


def test_old_uploads_are_aborted(gateway: Gateway, s3: Any, bucket: str) -> None:
    put_rules(s3, bucket, {**ABORT, "Filter": {"Prefix": "in/"}})
    made = {
        key: s3.create_multipart_upload(Bucket=bucket, Key=key) for key in ("in/a", "out", "in/b")
    }
    upload = {"Bucket": bucket, "Key": "in/a", "UploadId": made["in/a"]["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"part")
    assert not age(gateway, bucket, DAY_NS)
    assert age(gateway, bucket) == Passed(aborted=2)
    left = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [each["Key"] for each in left] == ["out"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert refusal(s3.complete_multipart_upload, **upload, MultipartUpload=parts) == "NoSuchUpload"


def test_an_upload_tells_when_it_will_be_aborted(s3: Any, bucket: str) -> None:
    name = {"Bucket": bucket, "Key": "k"}
    assert "AbortDate" not in s3.create_multipart_upload(**name)
    put_rules(s3, bucket, ABORT)
    begun = s3.create_multipart_upload(**name)
    assert begun["AbortRuleId"] == "abort"
    assert timedelta(days=2) <= begun["AbortDate"] - datetime.now(UTC) <= timedelta(days=3)
    listed = s3.list_parts(**name, UploadId=begun["UploadId"])
    assert (listed["AbortRuleId"], listed["AbortDate"]) == ("abort", begun["AbortDate"])


# --- x-amz-expiration --------------------------------------------------------------------------


def test_the_owner_is_told_when_a_current_version_expires(s3: Any, versioned: str) -> None:
    put_rules(s3, versioned, {**EXPIRE, "Filter": {"Prefix": "k"}}, LONE)
    name = {"Bucket": versioned, "Key": "k"}
    made = s3.put_object(**name, Body=b"x")
    told = made["Expiration"]
    date = parsedate_to_datetime(told.split('"')[1])
    assert (date.hour, date.minute, date.second, date.tzinfo) == (0, 0, 0, UTC)
    assert timedelta(days=1) <= date - datetime.now(UTC) <= timedelta(days=2)
    assert told.endswith(', rule-id="every"')
    copied = s3.copy_object(Bucket=versioned, Key="k2", CopySource=name)
    assert [s3.head_object(**name)["Expiration"], copied["Expiration"]] == [told, told]
    assert s3.get_object(**name, Range="bytes=0-0")["Expiration"] == told
    # not of a version that is named, as on S3, nor of what no rule is about
    assert "Expiration" not in s3.head_object(**name, VersionId=made["VersionId"])
    assert "Expiration" not in s3.put_object(Bucket=versioned, Key="other", Body=b"x")


def test_a_completed_upload_tells_it_too(s3: Any, bucket: str) -> None:
    put_rules(s3, bucket, EXPIRE)
    name = {"Bucket": bucket, "Key": "k"}
    upload = {**name, "UploadId": s3.create_multipart_upload(**name)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert 'rule-id="every"' in done["Expiration"]


def test_tags_that_change_change_what_is_told(s3: Any, bucket: str) -> None:
    put_rules(s3, bucket, {**EXPIRE, "Filter": {"Tag": {"Key": "t", "Value": "1"}}})
    name = {"Bucket": bucket, "Key": "k"}
    assert "Expiration" not in s3.put_object(**name, Body=b"x")
    s3.put_object_tagging(**name, Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    assert "Expiration" in s3.head_object(**name)
    s3.delete_object_tagging(**name)
    assert "Expiration" not in s3.head_object(**name)


# --- between look and commit -------------------------------------------------------------------


class Late:
    """The catalog of a gateway that is slow: something happens once it has looked."""

    def __init__(self, gateway: Gateway, change: Callable[[], Any]) -> None:
        self._rows = gateway.catalog
        self._change: Callable[[], Any] | None = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def standings(self, *places: Any, **how: Any) -> Sequence[Standing]:
        found = await self._rows.standings(*places, **how)
        if self._change is not None:
            change, self._change = self._change, None
            await asyncio.to_thread(change)
        return found


def age_late(gateway: Gateway, name: str, change: Callable[[], Any]) -> Passed:
    exchange = gateway.exchange
    floor = Floor(gateway._means(), exchange.mesh, {})
    floor.rows = Late(gateway, change)
    slow = Lifecycle(floor, exchange.removals)
    return gateway.run(slow.run(ruled(gateway, name), 1))


def test_a_version_written_meanwhile_is_not_hidden(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    first = put(s3, versioned)
    put_rules(s3, versioned, EXPIRE)
    newer: list[str] = []
    passed = age_late(gateway, versioned, lambda: newer.append(put(s3, versioned)))
    assert passed == Passed(missed=1)
    assert shown(s3, versioned) == ([newer[0], first], [])


def test_a_version_that_became_current_again_is_not_removed(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    old, new = put(s3, versioned), put(s3, versioned)
    put_rules(s3, versioned, EXPIRE_OLD)
    name = {"Bucket": versioned, "Key": "k"}
    passed = age_late(gateway, versioned, lambda: s3.delete_object(**name, VersionId=new))
    assert passed == Passed(missed=1)
    assert shown(s3, versioned) == ([old], [])


@pytest.mark.parametrize("how", ["rules", "tags", "hold", "versioning"])
def test_what_is_no_longer_due_stays(gateway: Gateway, s3: Any, how: str) -> None:
    name = fresh()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=how == "hold")
    status = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=status)
    versions = [put(s3, name, Tagging="t=1"), put(s3, name)]
    tagged = {"Filter": {"Tag": {"Key": "t", "Value": "1"}}}
    put_rules(s3, name, {**EXPIRE_OLD, **tagged})
    old = {"Bucket": name, "Key": "k", "VersionId": versions[0]}
    changes: dict[str, Callable[[], Any]] = {
        "rules": lambda: s3.delete_bucket_lifecycle(Bucket=name),
        "tags": lambda: s3.delete_object_tagging(**old),
        "hold": lambda: s3.put_object_legal_hold(**old, LegalHold={"Status": "ON"}),
        "versioning": lambda: s3.put_bucket_versioning(
            Bucket=name, VersioningConfiguration={"Status": "Suspended"}
        ),
    }
    assert age_late(gateway, name, changes[how]) == Passed(missed=1)
    assert shown(s3, name)[0] == versions[::-1]


def test_several_at_once_do_everything_once(gateway: Gateway, s3: Any, versioned: str) -> None:
    for number in range(20):
        put(s3, versioned, f"k{number}")
        put(s3, versioned, f"k{number}")
    put_rules(s3, versioned, EXPIRE, EXPIRE_OLD)
    bucket, lifecycle = ruled(gateway, versioned), gateway.exchange.lifecycle

    async def both() -> list[Passed]:
        return await asyncio.gather(*(lifecycle.run(bucket, 1) for _ in range(3)))

    gateway.run(both())
    while age(gateway, versioned):
        pass
    assert shown(s3, versioned) == ([], [])
    assert len(records(gateway, versioned, "marker")) == 20
    assert len(records(gateway, versioned, "unwrite")) == 60  # the markers among them


def test_large_buckets_are_gone_through_in_batches(
    gateway: Gateway, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.exchange.lifecycle.BATCH", 3)
    monkeypatch.setattr("gateway.exchange.lifecycle.TOGETHER", 2)
    for number in range(8):
        put(s3, bucket, f"in/{number}")
        s3.create_multipart_upload(Bucket=bucket, Key=f"in/{number}")
    put(s3, bucket, "out")
    below = {"Filter": {"Prefix": "in/"}}
    put_rules(s3, bucket, {**EXPIRE, **below}, {**ABORT, **below})
    assert age(gateway, bucket) == Passed(hidden=8, aborted=8)
    assert keys(s3, bucket) == ["out"]


# --- the record --------------------------------------------------------------------------------


def test_the_log_says_that_lifecycle_did_it_and_by_which_rule(
    gateway: Gateway, s3: Any, versioned: str
) -> None:
    old, new = put(s3, versioned), put(s3, versioned)
    put_rules(s3, versioned, EXPIRE, EXPIRE_OLD)
    assert age(gateway, versioned) == Passed(hidden=1, removed=1)
    told = {
        (e.value("kind"), e.value("outcome"), e.value("detail/lifecycle"))
        for e in records(gateway, versioned, "marker", "unwrite")
    }
    assert told == {("marker", "expired", "every"), ("unwrite", "expired", "old")}
    for event in records(gateway, versioned, "marker", "unwrite"):
        who = [event.value(name) for name in ("party", "principal", "door")]
        assert who == ["acme", "lifecycle", "lifecycle"]
    (marker, *_) = gateway.run(gateway.catalog.story(ObjectRef(versioned, "k")))
    assert (marker.version.principal, marker.version.door) == ("lifecycle", "lifecycle")
    assert marker.version.parent == new
    assert old != new


def test_a_change_of_rules_is_on_the_record(gateway: Gateway, s3: Any, bucket: str) -> None:
    put_rules(s3, bucket, EXPIRE)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    outcomes = [e.value("outcome") for e in records(gateway, bucket, "bucket")]
    assert outcomes == ["created", f"{SETTING} set", f"{SETTING} removed"]
