"""Listings: pages, delimiters, encodings; against a small reference model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness import Gateway, fresh
from tests.s3.raw import Socket, ask, sign

KEYS = [
    "a", "a/1", "a/2", "a/b/3", "b", "b//4", "b c", "b+c", "c/", "c/5", "d%2F6", "é", "é/7",
    "e\u0301", "z", "\U0001f69a", "\uffee",
]  # fmt: skip


@pytest.fixture(scope="module")
def listed(gateway: Gateway) -> str:
    """A bucket that holds KEYS."""
    s3, name = gateway.client(), fresh()
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def model(prefix: str, delimiter: str) -> list[str]:
    """Keys and common prefixes, in the order in which pages give them."""
    found: dict[str, None] = {}
    for key in sorted(KEYS, key=str.encode):
        if key.startswith(prefix):
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            found[key if at < 0 else key[: at + len(delimiter)]] = None
    return list(found)


def names(page: Any) -> list[str]:
    keys = [entry["Key"] for entry in page.get("Contents", [])]
    prefixes = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    return sorted(keys + prefixes, key=str.encode)


def pages_v2(s3: Any, **asked: Any) -> Iterator[Any]:
    while True:
        page = s3.list_objects_v2(**asked)
        yield page
        if not page["IsTruncated"]:
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def pages_v1(s3: Any, **asked: Any) -> Iterator[Any]:
    while True:
        page = s3.list_objects(**asked)
        yield page
        if not page["IsTruncated"]:
            return
        asked["Marker"] = page.get("NextMarker") or page["Contents"][-1]["Key"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    prefix=st.sampled_from(["", "a", "a/", "b", "é", "c/", "nothing", "/"]),
    delimiter=st.sampled_from(["", "/", "//", "%2F", "1", " "]),
    size=st.integers(1, 5),
)
def test_every_page_size_gives_the_same_listing(
    s3: Any, listed: str, prefix: str, delimiter: str, size: int
) -> None:
    asked = {"Bucket": listed, "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": size}
    for pages in (pages_v1, pages_v2):
        found: list[str] = []
        for page in pages(s3, **asked):
            some = names(page)
            assert len(some) <= size
            found += some
        assert found == model(prefix, delimiter), pages.__name__


def test_v2_page_says_what_it_is(gateway: Gateway, s3: Any, listed: str) -> None:
    page = s3.list_objects_v2(Bucket=listed, Prefix="a", Delimiter="/", MaxKeys=2)
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (2, 2, False)
    assert [entry["Key"] for entry in page["Contents"]] == ["a"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["a/"]
    assert "Owner" not in page["Contents"][0]
    with_owner = s3.list_objects_v2(Bucket=listed, MaxKeys=1, FetchOwner=True, StartAfter="a/2")
    assert with_owner["Contents"][0]["Owner"] == {"DisplayName": "acme", "ID": "acme"}
    assert (with_owner["Contents"][0]["Key"], with_owner["StartAfter"]) == ("a/b/3", "a/2")
    token = with_owner["NextContinuationToken"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    both = s3.list_objects_v2(Bucket=listed, ContinuationToken=token, StartAfter="z")
    assert both["Contents"][0]["Key"] == "b", "a token beats start-after"
    assert both["ContinuationToken"] == token


def test_no_keys_asked_for(s3: Any, listed: str) -> None:
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions):
        page = call(Bucket=listed, MaxKeys=0)
        assert page["IsTruncated"] is False
        assert not page.get("Contents")
        with pytest.raises(ClientError, match="NoSuchBucket"):
            call(Bucket="no-such-bucket", MaxKeys=0)


@pytest.mark.parametrize(
    "query",
    [
        "list-type=2&max-keys=x",
        "list-type=2&max-keys=-1",
        "max-keys=1.5",
        "list-type=2&continuation-token=garbage",
        "encoding-type=base64",
        "uploads&max-uploads=x",
        "versions&max-keys=x",
        "versions&version-id-marker=a",
    ],
)
def test_nonsense_is_an_invalid_argument(gateway: Gateway, listed: str, query: str) -> None:
    reply = ask(gateway, sign(gateway, "GET", f"/{listed}?{query}"))
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_more_than_1000_are_cut_to_1000(gateway: Gateway, listed: str) -> None:
    body = ask(gateway, sign(gateway, "GET", f"/{listed}?max-keys=5000")).body
    assert b"<MaxKeys>1000</MaxKeys>" in body


def test_v1_echoes_an_empty_marker_and_v2_an_empty_token(gateway: Gateway, listed: str) -> None:
    assert b"<Marker></Marker>" in ask(gateway, sign(gateway, "GET", f"/{listed}")).body
    target = f"/{listed}?continuation-token=&list-type=2&prefix="
    found = ask(gateway, sign(gateway, "GET", target))
    assert b"<ContinuationToken></ContinuationToken>" in found.body


def test_names_are_encoded_where_asked(gateway: Gateway, listed: str) -> None:
    target = f"/{listed}?delimiter=%2F&encoding-type=url&prefix=b"
    body = ask(gateway, sign(gateway, "GET", target)).body.decode()
    assert "<EncodingType>url</EncodingType>" in body
    keys = re.findall(r"<Key>(.*?)</Key>", body)
    assert keys == [quote(key) for key in ("b", "b c", "b+c")]
    assert unquote(re.findall(r"<Prefix>(.*?)</Prefix>", body)[-1]) == "b/"


def test_key_that_xml_can_not_hold_is_listed(gateway: Gateway, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="bell\x07", Body=b"x")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "bell\x07"
    plain = ask(gateway, sign(gateway, "GET", f"/{bucket}?list-type=2"))
    assert plain.status == 200
    assert b"\x07" not in plain.body


def test_empty_delimiter_is_none(gateway: Gateway, listed: str) -> None:
    body = ask(gateway, sign(gateway, "GET", f"/{listed}?delimiter=")).body
    assert b"<Delimiter>" not in body
    assert body.count(b"<Key>") == len(KEYS)


def test_marker_need_not_be_a_key(s3: Any, listed: str) -> None:
    assert names(s3.list_objects(Bucket=listed, Marker="a/11", MaxKeys=1)) == ["a/2"]
    after_prefix = s3.list_objects(Bucket=listed, Marker="a/", Delimiter="/", MaxKeys=1)
    assert names(after_prefix) == ["b"]


def test_token_of_another_bucket_or_party_is_garbage(gateway: Gateway, s3: Any) -> None:
    for key in ("invoices/1", "invoices/2"):
        s3.put_object(Bucket="orders", Key=key, Body=b"x")
    token = s3.list_objects_v2(Bucket="orders", MaxKeys=1)["NextContinuationToken"]
    with pytest.raises(ClientError, match="InvalidArgument"):
        gateway.client("globex/wms").list_objects_v2(Bucket="orders", ContinuationToken=token)


# --- views -------------------------------------------------------------------------------------


def test_each_party_lists_its_own_view(gateway: Gateway, s3: Any) -> None:
    for key in ("invoices/view", "internal/view"):
        s3.put_object(Bucket="orders", Key=key, Body=b"x")

    def seen(principal: str) -> set[str]:
        return set(names(gateway.client(principal).list_objects_v2(Bucket="orders")))

    assert {"invoices/view", "internal/view"} <= seen("acme/erp")
    assert "internal/view" not in seen("globex/wms") | seen("initech/ledger")
    assert "invoices/view" in seen("globex/wms") & seen("initech/ledger")
    groups = gateway.client("globex/wms").list_objects_v2(Bucket="orders", Delimiter="/")
    assert "internal/" not in names(groups), "a common prefix tells of hidden keys"


def test_narrowed_principal_lists_its_prefixes_alone(gateway: Gateway, s3: Any) -> None:
    for key in ("invoices/narrow", "internal/narrow"):
        s3.put_object(Bucket="orders", Key=key, Body=b"x")
    auditor = gateway.client("acme/auditor")
    assert all(n.startswith("invoices/") for n in names(auditor.list_objects_v2(Bucket="orders")))
    with pytest.raises(ClientError, match="NoSuchKey"):
        auditor.get_object(Bucket="orders", Key="internal/narrow")
    assert auditor.get_object(Bucket="orders", Key="invoices/narrow")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        auditor.put_object(Bucket="orders", Key="invoices/narrow", Body=b"y")


def test_withdrawn_rule_hides_at_once(tmp_path: Any) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.client().put_object(Bucket="orders", Key="invoices/1", Body=b"x")
        initech = gateway.client("initech/ledger")
        name = {"Bucket": "orders", "Key": "invoices/1"}
        url = initech.generate_presigned_url("get_object", name)
        assert initech.get_object(**name)["Body"].read() == b"x"
        gateway.edit_policy("acme.yaml", "party: acme\n")
        assert initech.list_objects_v2(Bucket="orders")["KeyCount"] == 0
        with pytest.raises(ClientError, match="NoSuchKey"):
            initech.get_object(**name)
        target = url.removeprefix(gateway.endpoint)
        head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n\r\n"
        with Socket(gateway) as connection:
            assert connection.ask(head.encode()).code == "NoSuchKey"


# --- versions ----------------------------------------------------------------------------------


def version_pages(s3: Any, **asked: Any) -> Iterator[Any]:
    while True:
        page = s3.list_object_versions(**asked)
        yield page
        if not page["IsTruncated"]:
            return
        asked["KeyMarker"] = page["NextKeyMarker"]
        if page.get("NextVersionIdMarker"):
            asked["VersionIdMarker"] = page["NextVersionIdMarker"]


def test_versions_newest_first_and_markers_apart_in_pages(s3: Any, versioned: str) -> None:
    ids: dict[str, list[str]] = {}
    for key in ("a", "b", "dir/c"):
        for body in (b"1", b"2"):
            answer = s3.put_object(Bucket=versioned, Key=key, Body=body)
            ids.setdefault(key, []).insert(0, answer["VersionId"])
    marker = s3.delete_object(Bucket=versioned, Key="b")["VersionId"]
    for size in (1, 2, 3, 100):
        versions: list[tuple[str, str, bool]] = []
        markers: list[tuple[str, str, bool]] = []
        for page in version_pages(s3, Bucket=versioned, MaxKeys=size):
            for kind, found in (("Versions", versions), ("DeleteMarkers", markers)):
                found += [(v["Key"], v["VersionId"], v["IsLatest"]) for v in page.get(kind, [])]
        assert markers == [("b", marker, True)]
        assert [(key, version) for key, version, _ in versions] == [
            (key, version) for key, some in ids.items() for version in some
        ]
        assert [latest for *_, latest in versions] == [True, False, False, False, True, False]
    groups = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [p["Prefix"] for p in groups["CommonPrefixes"]] == ["dir/"]


def test_versions_of_an_unversioned_bucket_are_null(s3: Any, bucket: str) -> None:
    for key in ("a", "a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    found = [
        (version["Key"], version["VersionId"], version["IsLatest"])
        for page in version_pages(s3, Bucket=bucket, MaxKeys=1)
        for version in page.get("Versions", [])
    ]
    assert found == [("a", "null", True), ("b", "null", True)]
