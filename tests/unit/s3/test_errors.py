"""Every domain error has an S3 answer, and 5xx answers tell nothing of the inside."""

from __future__ import annotations

import pytest

from gateway import errors
from gateway.model import ObjectRef, Version
from gateway.s3.errors import CODES, DOMAIN, S3Error, render


def every_domain_error() -> list[type[errors.CrossdockError]]:
    found, todo = [], [errors.CrossdockError]
    while todo:
        kind = todo.pop()
        if kind.__module__ == "gateway.errors":
            found.append(kind)
        todo.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", every_domain_error(), ids=lambda kind: kind.__name__)
def test_every_domain_error_has_an_entry_with_a_known_code(
    kind: type[errors.CrossdockError],
) -> None:
    assert DOMAIN[kind] in CODES


def test_a_protocol_error_renders_as_it_was_raised() -> None:
    error = S3Error("AccessDenied", "no", headers={"x": "y"}, HeadersNotSigned="a, b")
    got = render(error)
    assert (got.status, got.code, got.message) == (403, "AccessDenied", "no")
    assert got.fields == {"HeadersNotSigned": "a, b"}
    assert got.headers == {"x": "y"}


def test_a_code_that_is_not_in_the_table_can_not_be_raised() -> None:
    with pytest.raises(KeyError):
        S3Error("Oops")


def test_a_denial_keeps_its_sentence() -> None:
    got = render(errors.Denied("acme may not write invoices/x: no write grant covers it"))
    assert (got.status, got.code) == (403, "AccessDenied")
    assert got.message.startswith("acme may not write")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.StoreRefused("bucket globex-inbox said no"), 500, "InternalError"),
        (errors.StoreUnavailable("10.0.0.1 refused"), 503, "ServiceUnavailable"),
        (errors.TooBusy("queue 17 is full"), 503, "SlowDown"),
        (RuntimeError("secret"), 500, "InternalError"),
    ],
)
def test_what_fails_inside_is_not_told(error: Exception, status: int, code: str) -> None:
    got = render(error)
    assert (got.status, got.code, got.message) == (status, code, CODES[code][1])
    assert got.headers.get("retry-after") == ("1" if status == 503 else None)


def test_an_unsatisfiable_range_names_the_size() -> None:
    got = render(errors.InvalidRange(range="bytes=9-", size=5))
    assert got.status == 416
    assert got.headers["content-range"] == "bytes */5"
    assert got.fields == {"RangeRequested": "bytes=9-", "ActualObjectSize": "5"}


def test_a_bad_argument_is_named() -> None:
    got = render(errors.InvalidArgument(name="max-keys", value="x"))
    assert got.fields == {"ArgumentName": "max-keys", "ArgumentValue": "x"}


def test_a_deleted_key_shows_its_marker() -> None:
    got = render(errors.KeyIsDeleted(version_id="v1", last_modified=10**9))
    assert (got.status, got.code) == (404, "NoSuchKey")
    assert got.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": "v1"}


def test_a_marker_asked_for_by_id_is_not_allowed() -> None:
    got = render(errors.VersionIsMarker(version_id="v1", last_modified=10**9))
    assert (got.status, got.code) == (405, "MethodNotAllowed")
    assert got.headers["allow"] == "DELETE"
    assert got.headers["last-modified"] == "Thu, 01 Jan 1970 00:00:01 GMT"


def test_not_modified_carries_the_validators() -> None:
    version = Version(
        "v1", ObjectRef("b", "k"), "acme", "erp", "s3", 10**9, etag="abc",
        headers={"cache-control": "no-cache"},
    )  # fmt: skip
    got = render(errors.NotModified(version=version, version_id="v1"))
    assert got.status == 304
    assert got.headers == {
        "etag": '"abc"',
        "last-modified": "Thu, 01 Jan 1970 00:00:01 GMT",
        "x-amz-version-id": "v1",
        "cache-control": "no-cache",
    }
    unversioned = render(errors.NotModified(version=version))
    assert "x-amz-version-id" not in unversioned.headers
