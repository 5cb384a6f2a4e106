"""Object lock: a bucket's rule, retention, legal hold, and what they keep from being deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Gateway, fresh

FAR = datetime(2140, 1, 1, tzinfo=UTC)
GOVERNANCE = {"Mode": "GOVERNANCE", "RetainUntilDate": FAR}
COMPLIANCE = {"Mode": "COMPLIANCE", "RetainUntilDate": FAR}


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return str(error.value.response["Error"]["Code"])


def rule(**period: Any) -> dict[str, Any]:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": period}}


@pytest.fixture
def locked(s3: Any) -> str:
    """A new bucket of acme's with object lock."""
    name = fresh()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def held(s3: Any, locked: str) -> dict[str, str]:
    version = s3.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]
    return {"Bucket": locked, "Key": "k", "VersionId": version}


def test_a_bucket_with_object_lock_is_versioned_and_stays_so(s3: Any, locked: str) -> None:
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    suspended = {"Status": "Suspended"}
    code = refusal(s3.put_bucket_versioning, Bucket=locked, VersioningConfiguration=suspended)
    assert code == "InvalidBucketState"


def test_the_rule_comes_back_and_gives_new_versions_their_retention(s3: Any, locked: str) -> None:
    assert "Rule" not in s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    made = rule(Mode="GOVERNANCE", Days=2)
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=made)
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == made
    s3.put_object(Bucket=locked, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    found = s3.head_object(Bucket=locked, Key="k")
    assert (found["ObjectLockMode"], found["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
    days = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(hours=47) < days <= timedelta(days=2)
    gone = s3.delete_object(Bucket=locked, Key="k")  # a marker hides it, and is not locked itself
    s3.delete_object(Bucket=locked, Key="k", VersionId=gone["VersionId"])


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (rule(Mode="GOVERNANCE", Days=1, Years=1), "MalformedXML"),
        (rule(Mode="GOVERNANCE"), "MalformedXML"),
        (rule(Mode="governance", Days=1), "MalformedXML"),
        (rule(Mode="GOVERNANCE", Days=0), "InvalidRetentionPeriod"),
        (rule(Mode="COMPLIANCE", Years=-1), "InvalidRetentionPeriod"),
        (rule(Mode="COMPLIANCE", Years=101), "InvalidRetentionPeriod"),
    ],
)
def test_rules_that_make_no_sense(s3: Any, locked: str, made: Any, code: str) -> None:
    call = s3.put_object_lock_configuration
    assert refusal(call, Bucket=locked, ObjectLockConfiguration=made) == code


def test_a_bucket_without_object_lock(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    made = rule(Mode="GOVERNANCE", Days=1)
    name = {"Bucket": bucket, "Key": "k"}
    configure = s3.put_object_lock_configuration
    absent = refusal(s3.get_object_lock_configuration, Bucket=bucket)
    assert absent == "ObjectLockConfigurationNotFoundError"
    assert refusal(configure, Bucket=bucket, ObjectLockConfiguration=made) == "InvalidBucketState"
    assert refusal(s3.get_object_retention, **name) == "InvalidRequest"
    assert refusal(s3.put_object_retention, **name, Retention=GOVERNANCE) == "InvalidRequest"
    assert refusal(s3.put_object_legal_hold, **name, LegalHold={"Status": "ON"}) == "InvalidRequest"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configure(Bucket=bucket, ObjectLockConfiguration=made)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == made


def test_governance_yields_to_the_owners_bypass_alone(s3: Any, held: dict[str, str]) -> None:
    s3.put_object_retention(**held, Retention=GOVERNANCE)
    assert s3.get_object_retention(**held)["Retention"] == GOVERNANCE
    assert refusal(s3.delete_object, **held) == "AccessDenied"
    assert refusal(s3.put_object_retention, **held, Retention=COMPLIANCE) == "AccessDenied"
    name = {"Key": held["Key"], "VersionId": held["VersionId"]}
    answer = s3.delete_objects(Bucket=held["Bucket"], Delete={"Objects": [name]})
    assert [e["Code"] for e in answer["Errors"]] == ["AccessDenied"]
    s3.delete_object(**held, BypassGovernanceRetention=True)
    assert refusal(s3.head_object, **held) == "404"


def test_compliance_and_legal_hold_yield_to_nobody(s3: Any, held: dict[str, str]) -> None:
    assert refusal(s3.get_object_legal_hold, **held) == "NoSuchObjectLockConfiguration"
    s3.put_object_legal_hold(**held, LegalHold={"Status": "ON"})
    assert refusal(s3.delete_object, **held, BypassGovernanceRetention=True) == "AccessDenied"
    s3.put_object_legal_hold(**held, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(**held)["LegalHold"] == {"Status": "OFF"}
    s3.put_object_retention(**held, Retention=COMPLIANCE)
    assert refusal(s3.delete_object, **held, BypassGovernanceRetention=True) == "AccessDenied"
    shorter = {**COMPLIANCE, "RetainUntilDate": FAR - timedelta(days=1)}
    call = s3.put_object_retention
    refused = refusal(call, **held, Retention=shorter, BypassGovernanceRetention=True)
    assert refused == "AccessDenied"
    s3.put_object_retention(**held, Retention={**COMPLIANCE, "RetainUntilDate": FAR.replace(2141)})


def test_an_upload_and_a_copy_carry_the_lock_they_ask_for(s3: Any, locked: str) -> None:
    asked = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": FAR}
    name = {"Bucket": locked, "Key": "big"}
    upload = {**name, "UploadId": s3.create_multipart_upload(**name, **asked)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    parts = [{"ETag": etag, "PartNumber": 1}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(**name)["ObjectLockMode"] == "GOVERNANCE"
    s3.copy_object(Bucket=locked, Key="free", CopySource=name)
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="free")
    s3.copy_object(Bucket=locked, Key="held", CopySource=name, **asked)
    assert s3.head_object(Bucket=locked, Key="held")["ObjectLockRetainUntilDate"] == FAR


def test_a_date_that_is_past_is_refused(s3: Any, held: dict[str, str]) -> None:
    past = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)}
    assert refusal(s3.put_object_retention, **held, Retention=past) == "InvalidArgument"


def test_changes_of_locks_are_on_the_record(
    gateway: Gateway, s3: Any, held: dict[str, str]
) -> None:
    before = gateway.run(gateway.catalog.size())
    s3.put_object_legal_hold(**held, LegalHold={"Status": "ON"})
    assert gateway.run(gateway.catalog.size()) == before + 1
    events = len(gateway.events)
    refusal(s3.delete_object, **held)
    assert [e.outcome for e in gateway.events[events:] if e.kind == "refusal"] == ["Locked"]
