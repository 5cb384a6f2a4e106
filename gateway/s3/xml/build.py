"""S3's XML answers, from the values in `gateway.s3.documents`.

Joined from strings: a listing of 1,000 keys is the gateway's hottest document. Each value passes
`escaped` (or `_name`), so nothing stored can break out of its element.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from gateway.s3 import documents as docs
from gateway.s3.dates import iso_date
from gateway.s3.errors import Rendered

CONTENT_TYPE = "application/xml"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
STORAGE_CLASS = "STANDARD"

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 can't hold becomes U+FFFD; line ends would be normalised, so they are escaped.
_UNSAFE = re.compile(
    "[^\x20\x21\x23-\x25\x27-\x3b\x3d\x3f-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_PLAIN = re.compile(r"[A-Za-z0-9._~/-]*")  # most keys: they need neither
_ESCAPES: Mapping[str, str] = MappingProxyType(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def escaped(value: str) -> str:
    if _UNSAFE.search(value) is None:
        return value
    return _UNSAFE.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), value)


def _name(value: str, url: bool) -> str:
    """A key or a part of one. A blank becomes `%20`, which every decoder takes."""
    if _PLAIN.fullmatch(value):
        return value
    return quote(value, safe="/") if url else escaped(value)


def element(name: str, value: str | int) -> str:
    return f"<{name}>{escaped(str(value))}</{name}>"


def _optional(name: str, value: str | None) -> str:
    return element(name, value) if value else ""


def _etag(value: str) -> str:
    return f"<ETag>&quot;{_name(value, url=False)}&quot;</ETag>"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def document(root: str, *pieces: str) -> bytes:
    body = "".join(pieces)
    return f'{_DECLARATION}<{root} xmlns="{NAMESPACE}">{body}</{root}>'.encode()


def _owner(owner: docs.Owner | None, tag: str = "Owner") -> str:
    if owner is None:
        return ""
    return f"<{tag}>{element('ID', owner.id)}{element('DisplayName', owner.name)}</{tag}>"


def _checksum_kind(algorithm: str, kind: str) -> str:
    upper = algorithm.upper()
    return _optional("ChecksumAlgorithm", upper) + _optional("ChecksumType", kind)


def _checksums(checksums: Mapping[str, str]) -> str:
    return "".join(element(f"Checksum{name.upper()}", value) for name, value in checksums.items())


def _prefixes(prefixes: Iterable[str], url: bool) -> str:
    return "".join(
        f"<CommonPrefixes><Prefix>{_name(prefix, url)}</Prefix></CommonPrefixes>"
        for prefix in prefixes
    )


def error(rendered: Rendered, resource: str, request_id: str, host_id: str) -> bytes:
    """An error's body; alone among S3's documents it has no namespace."""
    fields = "".join(element(name, value) for name, value in rendered.fields.items())
    return (
        f"{_DECLARATION}<Error>{element('Code', rendered.code)}"
        f"{element('Message', rendered.message)}{fields}"
        f"{element('Resource', resource)}{element('RequestId', request_id)}"
        f"{element('HostId', host_id)}</Error>"
    ).encode()


def bucket_list(found: docs.BucketList) -> bytes:
    buckets = "".join(
        f"<Bucket>{element('Name', bucket.name)}{element('CreationDate', iso_date(bucket.created))}"
        f"{_optional('BucketRegion', bucket.region)}</Bucket>"
        for bucket in found.buckets
    )
    return document(
        "ListAllMyBucketsResult",
        _owner(found.owner),
        f"<Buckets>{buckets}</Buckets>",
        _optional("Prefix", found.prefix),
        _optional("ContinuationToken", found.next_token),
    )


def _objects(objects: Sequence[docs.ListedObject], url: bool) -> str:
    kinds = {  # few, so written once for the whole page
        pair: _checksum_kind(*pair)
        for pair in {(o.checksum_algorithm, o.checksum_type) for o in objects}
    }
    return "".join(
        [
            f"<Contents><Key>{_name(o.key, url)}</Key>"
            f"<LastModified>{iso_date(o.modified)}</LastModified>{_etag(o.etag)}"
            f"{kinds[o.checksum_algorithm, o.checksum_type]}"
            f"<Size>{o.size}</Size>{_owner(o.owner)}"
            f"<StorageClass>{STORAGE_CLASS}</StorageClass></Contents>"
            for o in objects
        ]
    )


def _list_head(found: docs.ObjectList | docs.ObjectListV2 | docs.VersionList) -> str:
    delimiter = _name(found.delimiter, found.url)
    return (
        f"{element('Name', found.bucket)}<Prefix>{_name(found.prefix, found.url)}</Prefix>"
        f"{f'<Delimiter>{delimiter}</Delimiter>' if delimiter else ''}"
        f"<MaxKeys>{found.max_keys}</MaxKeys>"
        f"{'<EncodingType>url</EncodingType>' if found.url else ''}"
        f"<IsTruncated>{_bool(found.truncated)}</IsTruncated>"
    )


def object_list(found: docs.ObjectList) -> bytes:
    shows_next = found.truncated and found.delimiter and found.next_marker
    following = f"<NextMarker>{_name(found.next_marker, found.url)}</NextMarker>"
    return document(
        "ListBucketResult",
        _list_head(found),
        f"<Marker>{_name(found.marker, found.url)}</Marker>",
        following if shows_next else "",
        _objects(found.objects, found.url),
        _prefixes(found.prefixes, found.url),
    )


def object_list_v2(found: docs.ObjectListV2) -> bytes:
    start = found.start_after
    return document(
        "ListBucketResult",
        _list_head(found),
        f"<KeyCount>{len(found.objects) + len(found.prefixes)}</KeyCount>",
        "" if found.token is None else element("ContinuationToken", found.token),
        _optional("NextContinuationToken", found.next_token if found.truncated else ""),
        "" if start is None else f"<StartAfter>{_name(start, found.url)}</StartAfter>",
        _objects(found.objects, found.url),
        _prefixes(found.prefixes, found.url),
    )


def _version(v: docs.ListedVersion, url: bool) -> str:
    tag = "DeleteMarker" if v.marker else "Version"
    content = ""
    if not v.marker:
        content = (
            f"{_etag(v.etag)}{_checksum_kind(v.checksum_algorithm, v.checksum_type)}"
            f"<Size>{v.size}</Size><StorageClass>{STORAGE_CLASS}</StorageClass>"
        )
    return (
        f"<{tag}><Key>{_name(v.key, url)}</Key>{element('VersionId', v.version_id)}"
        f"<IsLatest>{_bool(v.latest)}</IsLatest>"
        f"<LastModified>{iso_date(v.modified)}</LastModified>{content}{_owner(v.owner)}</{tag}>"
    )


def version_list(found: docs.VersionList) -> bytes:
    following = (
        f"<NextKeyMarker>{_name(found.next_key_marker, found.url)}</NextKeyMarker>"
        f"{element('NextVersionIdMarker', found.next_version_id_marker)}"
    )
    return document(
        "ListVersionsResult",
        _list_head(found),
        f"<KeyMarker>{_name(found.key_marker, found.url)}</KeyMarker>",
        element("VersionIdMarker", found.version_id_marker),
        following if found.truncated else "",
        "".join([_version(version, found.url) for version in found.versions]),
        _prefixes(found.prefixes, found.url),
    )


def _copied(root: str, result: docs.CopyResult) -> bytes:
    return document(
        root,
        element("LastModified", iso_date(result.modified)),
        _etag(result.etag),
        _optional("ChecksumType", result.checksum_type),
        _checksums(result.checksums),
    )


def copied_object(result: docs.CopyResult) -> bytes:
    return _copied("CopyObjectResult", result)


def copied_part(result: docs.CopyResult) -> bytes:
    return _copied("CopyPartResult", result)


def initiated_upload(bucket: str, key: str, upload_id: str) -> bytes:
    return document(
        "InitiateMultipartUploadResult",
        element("Bucket", bucket),
        element("Key", key),
        element("UploadId", upload_id),
    )


def completed_upload(done: docs.CompletedUpload) -> bytes:
    return document(
        "CompleteMultipartUploadResult",
        element("Location", done.location),
        element("Bucket", done.bucket),
        element("Key", done.key),
        _etag(done.etag),
        _checksums(done.checksums),
        _optional("ChecksumType", done.checksum_type),
    )


def _part(part: docs.ListedPart) -> str:
    return (
        f"<Part><PartNumber>{part.number}</PartNumber>"
        f"<LastModified>{iso_date(part.modified)}</LastModified>{_etag(part.etag)}"
        f"<Size>{part.size}</Size>{_checksums(part.checksums)}</Part>"
    )


def part_list(found: docs.PartList) -> bytes:
    return document(
        "ListPartsResult",
        element("Bucket", found.bucket),
        f"<Key>{_name(found.key, found.url)}</Key>",
        element("UploadId", found.upload_id),
        _owner(found.initiator, "Initiator"),
        _owner(found.owner),
        element("StorageClass", STORAGE_CLASS),
        element("PartNumberMarker", found.marker),
        element("NextPartNumberMarker", found.next_marker),
        element("MaxParts", found.max_parts),
        "<EncodingType>url</EncodingType>" if found.url else "",
        element("IsTruncated", _bool(found.truncated)),
        _checksum_kind(found.checksum_algorithm, found.checksum_type),
        "".join(map(_part, found.parts)),
    )


def _upload(upload: docs.ListedUpload, url: bool) -> str:
    return (
        f"<Upload><Key>{_name(upload.key, url)}</Key>{element('UploadId', upload.upload_id)}"
        f"{_owner(upload.initiator, 'Initiator')}{_owner(upload.owner)}"
        f"{element('StorageClass', STORAGE_CLASS)}"
        f"{element('Initiated', iso_date(upload.initiated))}"
        f"{_checksum_kind(upload.checksum_algorithm, upload.checksum_type)}</Upload>"
    )


def upload_list(found: docs.UploadList) -> bytes:
    url = found.url
    following = (
        f"<NextKeyMarker>{_name(found.next_key_marker, url)}</NextKeyMarker>"
        f"{element('NextUploadIdMarker', found.next_upload_id_marker)}"
    )
    return document(
        "ListMultipartUploadsResult",
        element("Bucket", found.bucket),
        f"<KeyMarker>{_name(found.key_marker, url)}</KeyMarker>",
        element("UploadIdMarker", found.upload_id_marker),
        following if found.truncated else "",
        f"<Prefix>{_name(found.prefix, url)}</Prefix>",
        f"<Delimiter>{_name(found.delimiter, url)}</Delimiter>" if found.delimiter else "",
        element("MaxUploads", found.max_uploads),
        "<EncodingType>url</EncodingType>" if url else "",
        element("IsTruncated", _bool(found.truncated)),
        "".join(_upload(upload, url) for upload in found.uploads),
        _prefixes(found.prefixes, url),
    )


def _deleted(done: docs.Deleted) -> str:
    return (
        f"<Deleted>{element('Key', done.key)}{_optional('VersionId', done.version_id)}"
        f"{'<DeleteMarker>true</DeleteMarker>' if done.marker else ''}"
        f"{_optional('DeleteMarkerVersionId', done.marker_id)}</Deleted>"
    )


def _not_deleted(failed: docs.NotDeleted) -> str:
    return (
        f"<Error>{element('Key', failed.key)}{_optional('VersionId', failed.version_id)}"
        f"{element('Code', failed.code)}{element('Message', failed.message)}</Error>"
    )


def delete_result(result: docs.DeleteResult) -> bytes:
    return document(
        "DeleteResult",
        "" if result.quiet else "".join(map(_deleted, result.deleted)),
        "".join(map(_not_deleted, result.errors)),
    )


def location(region: str) -> bytes:
    """us-east-1 is spelled as an empty element, as S3 does."""
    return document("LocationConstraint", "" if region == "us-east-1" else escaped(region))


def versioning(status: str) -> bytes:
    """`status` is Enabled, Suspended or "" (never set)."""
    return document("VersioningConfiguration", _optional("Status", status))


def tagging(tags: Sequence[tuple[str, str]]) -> bytes:
    found = "".join(
        f"<Tag>{element('Key', key)}{element('Value', value)}</Tag>" for key, value in tags
    )
    return document("Tagging", f"<TagSet>{found}</TagSet>")


def access_control(owner: docs.Owner) -> bytes:
    """The one list there is: its owner's full control."""
    schema = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grantee = f"{element('ID', owner.id)}{element('DisplayName', owner.name)}"
    return document(
        "AccessControlPolicy",
        _owner(owner),
        f"<AccessControlList><Grant><Grantee {schema}>{grantee}</Grantee>",
        "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>",
    )


def _attribute_part(part: docs.AttributePart) -> str:
    return (
        f"<Part>{_checksums(part.checksums)}{element('PartNumber', part.number)}"
        f"{element('Size', part.size)}</Part>"
    )


def object_attributes(found: docs.Attributes) -> bytes:
    """Only what was asked for is not None."""
    pieces = []
    if found.etag is not None:
        pieces.append(element("ETag", found.etag))
    if found.checksums:
        kind = _optional("ChecksumType", found.checksum_type)
        pieces.append(f"<Checksum>{_checksums(found.checksums)}{kind}</Checksum>")
    if found.parts is not None:
        page = found.parts
        pieces.append(
            f"<ObjectParts>{element('PartsCount', page.count)}"
            f"{element('PartNumberMarker', page.marker)}"
            f"{element('NextPartNumberMarker', page.next_marker)}"
            f"{element('MaxParts', page.max_parts)}{element('IsTruncated', _bool(page.truncated))}"
            f"{''.join(map(_attribute_part, page.parts))}</ObjectParts>"
        )
    if found.storage_class:
        pieces.append(element("StorageClass", STORAGE_CLASS))
    if found.size is not None:
        pieces.append(element("ObjectSize", found.size))
    return document("GetObjectAttributesResponse", *pieces)


def posted(location: str, bucket: str, key: str, etag: str) -> bytes:
    """What a form gets that asked for 201."""
    return document(
        "PostResponse",
        element("Location", location),
        element("Bucket", bucket),
        element("Key", key),
        _etag(etag),
    )
