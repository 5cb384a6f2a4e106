"""XML answers: botocore reads back what was meant, and nothing stored breaks out of its place."""

from __future__ import annotations

import time
from typing import Any

import botocore.session
import pytest
from botocore.parsers import RestXMLParser
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.s3 import documents as docs
from gateway.s3.errors import Rendered
from gateway.s3.xml import build

AT = 1369353600
OWNER = docs.Owner("acme", "Acme Manufacturing")
MODEL: Any = botocore.session.get_session().get_service_model("s3")


def as_botocore_reads(operation: str, body: bytes) -> dict[str, Any]:
    shape = MODEL.operation_model(operation).output_shape
    answer = {"status_code": 200, "headers": {}, "body": body}
    parsed: dict[str, Any] = RestXMLParser().parse(answer, shape)
    return parsed


def children(body: bytes) -> list[str]:
    return [etree.QName(child).localname for child in etree.fromstring(body)]


def objects(*keys: str) -> list[docs.ListedObject]:
    return [docs.ListedObject(key, AT, "abc-2", 7, "crc32", "COMPOSITE") for key in keys]


# --- listings ------------------------------------------------------------------------------------


def test_list_objects() -> None:
    found = docs.ObjectList(
        "orders", objects("a&b", "c<d>"), ["x/"], "p", "/", 2, True, "m", "c<d>"
    )
    got = as_botocore_reads("ListObjects", build.object_list(found))
    assert [o["Key"] for o in got["Contents"]] == ["a&b", "c<d>"]
    assert got["Contents"][0]["ETag"] == '"abc-2"'
    assert got["Contents"][0]["Size"] == 7
    assert got["Contents"][0]["LastModified"].timestamp() == AT
    assert got["Contents"][0]["ChecksumAlgorithm"] == ["CRC32"]
    assert got["Contents"][0]["StorageClass"] == "STANDARD"
    assert got["CommonPrefixes"] == [{"Prefix": "x/"}]
    assert (got["Name"], got["Prefix"], got["Delimiter"]) == ("orders", "p", "/")
    assert (got["MaxKeys"], got["IsTruncated"]) == (2, True)
    assert (got["Marker"], got["NextMarker"]) == ("m", "c<d>")


def test_an_empty_list_still_has_prefix_and_marker_and_no_delimiter() -> None:
    names = children(build.object_list(docs.ObjectList("b", ())))
    assert names == ["Name", "Prefix", "MaxKeys", "IsTruncated", "Marker"]


@pytest.mark.parametrize(("truncated", "delimiter"), [(True, ""), (False, "/")])
def test_next_marker_needs_truncation_and_a_delimiter(truncated: bool, delimiter: str) -> None:
    found = docs.ObjectList("b", (), delimiter=delimiter, truncated=truncated, next_marker="n")
    assert "NextMarker" not in children(build.object_list(found))


def test_list_objects_v2() -> None:
    found = docs.ObjectListV2(
        "orders", objects("k"), ["x/", "y/"], "p", "/", 3, True, "t1", "t2", "s"
    )
    got = as_botocore_reads("ListObjectsV2", build.object_list_v2(found))
    assert (got["KeyCount"], got["MaxKeys"]) == (3, 3)
    assert (got["ContinuationToken"], got["NextContinuationToken"]) == ("t1", "t2")
    assert got["StartAfter"] == "s"
    assert "Owner" not in got["Contents"][0]


def test_list_objects_v2_echoes_only_what_was_asked() -> None:
    names = children(build.object_list_v2(docs.ObjectListV2("b", (), next_token="n")))
    assert not {"ContinuationToken", "NextContinuationToken", "StartAfter"} & set(names)
    empty = children(build.object_list_v2(docs.ObjectListV2("b", (), token="", start_after="")))
    assert {"ContinuationToken", "StartAfter"} <= set(empty)


def test_owners_are_shown_where_given() -> None:
    one = docs.ListedObject("k", AT, "e", 1, owner=OWNER)
    got = as_botocore_reads("ListObjectsV2", build.object_list_v2(docs.ObjectListV2("b", [one])))
    assert got["Contents"][0]["Owner"] == {"ID": "acme", "DisplayName": "Acme Manufacturing"}


def test_encoding_type_url_encodes_every_name_and_keeps_slashes() -> None:
    found = docs.ObjectList(
        "b", objects("a b+c/é\x01"), ["p q/"], "p ", "%", 1, True, "m n", "n+1", url=True
    )
    got = as_botocore_reads("ListObjects", build.object_list(found))
    assert got["EncodingType"] == "url"
    assert got["Contents"][0]["Key"] == "a%20b%2Bc/%C3%A9%01"
    assert got["CommonPrefixes"] == [{"Prefix": "p%20q/"}]
    assert (got["Prefix"], got["Delimiter"]) == ("p%20", "%25")
    assert (got["Marker"], got["NextMarker"]) == ("m%20n", "n%2B1")


def test_list_object_versions() -> None:
    found = docs.VersionList(
        "b",
        [
            docs.ListedVersion("k", "v2", True, AT, marker=True, owner=OWNER),
            docs.ListedVersion("k", "null", False, AT, "e", 5, owner=OWNER),
        ],
        ["x/"],
        truncated=True,
        next_key_marker="k",
        next_version_id_marker="null",
    )
    body = build.version_list(found)
    got = as_botocore_reads("ListObjectVersions", body)
    (marker,), (version,) = got["DeleteMarkers"], got["Versions"]
    assert (marker["VersionId"], marker["IsLatest"]) == ("v2", True)
    assert (version["VersionId"], version["IsLatest"], version["Size"]) == ("null", False, 5)
    assert (got["NextKeyMarker"], got["NextVersionIdMarker"]) == ("k", "null")
    names = children(body)
    assert names.index("DeleteMarker") < names.index("Version")
    assert {"KeyMarker", "VersionIdMarker"} <= set(names)


def test_list_buckets() -> None:
    found = docs.BucketList(OWNER, [docs.ListedBucket("orders", AT, "us-east-1")], "o", "t")
    got = as_botocore_reads("ListBuckets", build.bucket_list(found))
    assert got["Buckets"][0]["Name"] == "orders"
    assert got["Buckets"][0]["CreationDate"].timestamp() == AT
    assert got["Owner"]["ID"] == "acme"
    assert (got["Prefix"], got["ContinuationToken"]) == ("o", "t")


def test_a_thousand_keys_are_listed_in_milliseconds() -> None:
    keys = objects(*(f"invoices/2026/11/{n:08}.csv" for n in range(1000)))
    found = docs.ObjectListV2("orders", keys, url=True)
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        build.object_list_v2(found)
        best = min(best, time.perf_counter() - start)
    assert best < 0.02


# --- multipart, copies, deletes ------------------------------------------------------------------


def test_multipart_answers() -> None:
    got = as_botocore_reads("CreateMultipartUpload", build.initiated_upload("b", "k&", "u"))
    assert (got["Bucket"], got["Key"], got["UploadId"]) == ("b", "k&", "u")
    done = docs.CompletedUpload("http://h/b/k", "b", "k", "e-2", {"crc32": "x-2"}, "COMPOSITE")
    got = as_botocore_reads("CompleteMultipartUpload", build.completed_upload(done))
    assert (got["ETag"], got["ChecksumCRC32"], got["ChecksumType"]) == (
        '"e-2"',
        "x-2",
        "COMPOSITE",
    )


def test_list_parts() -> None:
    parts = [docs.ListedPart(1, AT, "e", 5, {"crc64nvme": "c"}), docs.ListedPart(3, AT, "f", 6)]
    found = docs.PartList(
        "b", "k", "u", OWNER, OWNER, parts, 0, 3, 2, True, "crc64nvme", "FULL_OBJECT"
    )
    got = as_botocore_reads("ListParts", build.part_list(found))
    assert [(p["PartNumber"], p["ETag"], p["Size"]) for p in got["Parts"]] == [
        (1, '"e"', 5),
        (3, '"f"', 6),
    ]
    assert got["Parts"][0]["ChecksumCRC64NVME"] == "c"
    assert (got["NextPartNumberMarker"], got["IsTruncated"]) == (3, True)
    assert (got["Initiator"]["ID"], got["Owner"]["ID"]) == ("acme", "acme")
    assert (got["ChecksumAlgorithm"], got["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")


def test_list_multipart_uploads() -> None:
    upload = docs.ListedUpload("k", "u", OWNER, OWNER, AT)
    found = docs.UploadList(
        "b", [upload], ["x/"], delimiter="/", truncated=True, next_key_marker="k",
        next_upload_id_marker="u",
    )  # fmt: skip
    got = as_botocore_reads("ListMultipartUploads", build.upload_list(found))
    assert (got["Uploads"][0]["Key"], got["Uploads"][0]["UploadId"]) == ("k", "u")
    assert (got["NextKeyMarker"], got["NextUploadIdMarker"]) == ("k", "u")
    assert got["CommonPrefixes"] == [{"Prefix": "x/"}]


def test_copies() -> None:
    result = docs.CopyResult("e", AT, {"sha256": "s"}, "FULL_OBJECT")
    got = as_botocore_reads("CopyObject", build.copied_object(result))["CopyObjectResult"]
    assert (got["ETag"], got["ChecksumSHA256"]) == ('"e"', "s")
    got = as_botocore_reads("UploadPartCopy", build.copied_part(result))["CopyPartResult"]
    assert got["LastModified"].timestamp() == AT


def test_delete_results() -> None:
    deleted = [docs.Deleted("a\r\nb"), docs.Deleted("c", "v", True, "m")]
    errors = [docs.NotDeleted("d", "AccessDenied", "no <grant>", "v")]
    got = as_botocore_reads(
        "DeleteObjects", build.delete_result(docs.DeleteResult(deleted, errors))
    )
    assert got["Deleted"] == [
        {"Key": "a\r\nb"},
        {"Key": "c", "VersionId": "v", "DeleteMarker": True, "DeleteMarkerVersionId": "m"},
    ]
    assert got["Errors"] == [
        {"Key": "d", "VersionId": "v", "Code": "AccessDenied", "Message": "no <grant>"}
    ]
    quiet = as_botocore_reads(
        "DeleteObjects", build.delete_result(docs.DeleteResult(deleted, errors, quiet=True))
    )
    assert "Deleted" not in quiet
    assert quiet["Errors"]


def test_small_documents() -> None:
    assert as_botocore_reads("GetBucketVersioning", build.versioning("Enabled"))["Status"] == (
        "Enabled"
    )
    assert "Status" not in as_botocore_reads("GetBucketVersioning", build.versioning(""))
    assert etree.fromstring(build.location("us-east-1")).text is None
    assert etree.fromstring(build.location("eu-west-1")).text == "eu-west-1"
    got = as_botocore_reads("GetObjectTagging", build.tagging([("a", "1"), ("b&", "")]))
    assert got["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b&", "Value": ""}]


# --- errors --------------------------------------------------------------------------------------


def test_an_error_has_s3s_shape_and_no_namespace() -> None:
    rendered = Rendered(403, "AccessDenied", "no <way>", {"HeadersNotSigned": "x-amz-acl"})
    root = etree.fromstring(build.error(rendered, "/b/k&", "R1", "H1"))
    assert root.tag == "Error"
    assert {child.tag: child.text for child in root} == {
        "Code": "AccessDenied",
        "Message": "no <way>",
        "HeadersNotSigned": "x-amz-acl",
        "Resource": "/b/k&",
        "RequestId": "R1",
        "HostId": "H1",
    }


# --- whatever is stored --------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_key_makes_well_formed_xml_and_legal_ones_come_back(key: str) -> None:
    found = docs.ObjectList("b", objects(key), prefix=key, delimiter=key, marker=key)
    root = etree.fromstring(build.object_list(found))
    (text,) = root.xpath("//*[local-name()='Contents']/*[local-name()='Key']/text()")
    legal = "".join(c if _is_xml(c) else "\ufffd" for c in key)
    assert text == legal


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_key_comes_back_whole_with_encoding_type_url(key: str) -> None:
    found = docs.ObjectList("b", objects(key), url=True)
    got = as_botocore_reads("ListObjects", build.object_list(found))
    assert botocore.compat.unquote_str(got["Contents"][0]["Key"]) == key


def _is_xml(char: str) -> bool:
    """XML 1.0, production 2 (Char)."""
    return char in "\t\n\r" or "\x20" <= char <= "\ud7ff" or (
        "\ue000" <= char <= "\ufffd" or char >= "\U00010000"
    )  # fmt: skip
