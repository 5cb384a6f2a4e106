"""S3's XML request bodies into the values of `gateway.s3.documents`.

The bodies come from strangers: only UTF-8 without DOCTYPE or entities is read, within limits of
bytes, and every element must be one that its document has. Namespaces are ignored, as S3 does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from lxml import etree

from gateway.digests import ALGORITHMS
from gateway.model import PART_NUMBER_MAX
from gateway.s3.dates import parse_http_date, parse_iso_date
from gateway.s3.documents import CompletedPart, DeleteItem, DeleteRequest
from gateway.s3.errors import S3Error

DELETE_BYTES_MAX = 2 * 1024**2
COMPLETE_BYTES_MAX = 4 * 1024**2
CONFIGURATION_BYTES_MAX = 64 * 1024
TAGGING_BYTES_MAX = 16 * 1024
DELETE_ITEMS_MAX = 1000

# `<!` begins comments and CDATA, which are harmless, and declarations, which are not.
_DECLARATION = re.compile(r"<!(?!--|\[CDATA\[)")
_INTEGER = re.compile(r"[0-9]{1,18}")
_CHECKSUM_TAGS: Mapping[str, str] = MappingProxyType(
    {f"Checksum{name.upper()}": name for name in ALGORITHMS}
)

T = TypeVar("T")
Fields = Mapping[str, etree._Element]


def read_root(body: bytes, name: str, bytes_max: int) -> etree._Element:
    if len(body) > bytes_max:
        raise S3Error("MaxMessageLengthExceeded", f"The XML is over {bytes_max} bytes.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise malformed("it is not UTF-8") from None
    if _DECLARATION.search(text):
        raise malformed("it holds a DOCTYPE or an entity declaration")
    # The encoding is fixed, so that no declaration makes the parser read other text than we did.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        raise malformed("it is not well formed") from None
    if local_name(root) != name:
        raise malformed(f"its root is not {name}")
    return root


def local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def malformed(why: str) -> S3Error:
    return S3Error("MalformedXML", f"The XML you provided can't be used: {why}.")


def _children(element: etree._Element, *known: str) -> Iterator[tuple[str, etree._Element]]:
    """The child elements; one that we do not know might change the meaning, so it is refused."""
    for child in element:
        name = local_name(child)
        if name not in known:
            raise malformed(f"{local_name(element)} can't hold {name}")
        yield name, child


def _fields(element: etree._Element, *known: str) -> Fields:
    """Child elements of which each may come once."""
    found: dict[str, etree._Element] = {}
    for name, child in _children(element, *known):
        if name in found:
            raise malformed(f"{local_name(element)} holds {name} twice")
        found[name] = child
    return found


def leaf_text(element: etree._Element) -> str:
    """The text of an element that holds nothing else; so no body is deeper than its parser."""
    if len(element):
        raise malformed(f"{local_name(element)} holds more than text")
    return element.text or ""


def _text(fields: Fields, name: str) -> str | None:
    element = fields.get(name)
    return None if element is None else leaf_text(element)


def _wanted(fields: Fields, name: str) -> str:
    text = _text(fields, name)
    if not text:
        raise malformed(f"{name} is missing")
    return text


def _read(fields: Fields, name: str, reader: Callable[[str], T | None]) -> T | None:
    text = _text(fields, name)
    if text is None:
        return None
    value = reader(text.strip())
    if value is None:
        raise malformed(f"{name} is not what was expected")
    return value


def _integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _date(text: str) -> int | None:
    iso = parse_iso_date(text)
    return parse_http_date(text) if iso is None else iso


def unquoted(etag: str) -> str:
    """An ETag without its quotes; both forms mean the same to S3."""
    text = etag.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def delete_request(body: bytes) -> DeleteRequest:
    """DeleteObjects: 1 to 1000 objects."""
    items: list[DeleteItem] = []
    quiet = False
    root = read_root(body, "Delete", DELETE_BYTES_MAX)
    if len(root) > DELETE_ITEMS_MAX + 1:  # told before any of them is read
        raise malformed(f"it must name 1 to {DELETE_ITEMS_MAX} objects")
    for name, child in _children(root, "Object", "Quiet"):
        if name == "Quiet":
            quiet = leaf_text(child).strip().lower() == "true"
            continue
        items.append(_delete_item(child))
    if not 1 <= len(items) <= DELETE_ITEMS_MAX:
        raise malformed(f"it must name 1 to {DELETE_ITEMS_MAX} objects")
    return DeleteRequest(tuple(items), quiet)


def _delete_item(element: etree._Element) -> DeleteItem:
    fields = _fields(element, "Key", "VersionId", "ETag", "Size", "LastModifiedTime")
    return DeleteItem(
        _wanted(fields, "Key"),
        _text(fields, "VersionId") or None,
        _read(fields, "ETag", unquoted),
        _read(fields, "Size", _integer),
        _read(fields, "LastModifiedTime", _date),
    )


def complete_upload(body: bytes) -> tuple[CompletedPart, ...]:
    """CompleteMultipartUpload: 1 to 10,000 parts in the order listed, whatever that is."""
    root = read_root(body, "CompleteMultipartUpload", COMPLETE_BYTES_MAX)
    if not 1 <= len(root) <= PART_NUMBER_MAX:
        raise malformed(f"it must name 1 to {PART_NUMBER_MAX} parts")
    return tuple(_completed_part(child) for _, child in _children(root, "Part"))


def _completed_part(element: etree._Element) -> CompletedPart:
    fields = _fields(element, "PartNumber", "ETag", *_CHECKSUM_TAGS)
    number = _read(fields, "PartNumber", _integer)
    if number is None:
        raise malformed("PartNumber is missing")
    if not 1 <= number <= PART_NUMBER_MAX:
        message = f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive"
        raise S3Error("InvalidArgument", message)
    checksums = {
        algorithm: leaf_text(fields[tag]).strip()
        for tag, algorithm in _CHECKSUM_TAGS.items()
        if tag in fields
    }
    return CompletedPart(number, unquoted(_wanted(fields, "ETag")), MappingProxyType(checksums))


def location_constraint(body: bytes) -> str:
    """CreateBucket's region, or "" where the body is empty or names none."""
    if not body.strip():
        return ""
    root = read_root(body, "CreateBucketConfiguration", CONFIGURATION_BYTES_MAX)
    return (_text(_fields(root, "LocationConstraint"), "LocationConstraint") or "").strip()


def versioning_status(body: bytes) -> str:
    """PutBucketVersioning's status: Enabled or Suspended."""
    root = read_root(body, "VersioningConfiguration", CONFIGURATION_BYTES_MAX)
    fields = _fields(root, "Status", "MfaDelete")
    if (_text(fields, "MfaDelete") or "").strip() == "Enabled":
        raise S3Error("NotImplemented", "MFA delete is not implemented.")
    status = (_text(fields, "Status") or "").strip()
    if status not in ("Enabled", "Suspended"):
        raise S3Error("IllegalVersioningConfigurationException")
    return status


def tag_set(body: bytes) -> tuple[tuple[str, str], ...]:
    """PutObjectTagging's pairs, in order; the limits of tags are judged elsewhere."""
    fields = _fields(read_root(body, "Tagging", TAGGING_BYTES_MAX), "TagSet")
    if "TagSet" not in fields:
        raise malformed("TagSet is missing")
    return tuple(_tag(child) for _, child in _children(fields["TagSet"], "Tag"))


def _tag(element: etree._Element) -> tuple[str, str]:
    fields = _fields(element, "Key", "Value")
    if "Key" not in fields or "Value" not in fields:
        raise malformed("a Tag needs Key and Value")
    return _text(fields, "Key") or "", _text(fields, "Value") or ""
