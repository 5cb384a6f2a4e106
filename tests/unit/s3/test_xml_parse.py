"""Request bodies in XML: what SDKs send is read, what strangers try is MalformedXML."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.documents import CompletedPart, DeleteItem
from gateway.s3.errors import S3Error
from gateway.s3.xml import parse

NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
PARSERS = [
    parse.delete_request,
    parse.complete_upload,
    parse.location_constraint,
    parse.versioning_status,
    parse.tag_set,
]


def code_of(parser: object, body: bytes | str) -> str:
    assert callable(parser)
    with pytest.raises(S3Error) as caught:
        parser(body.encode() if isinstance(body, str) else body)
    return caught.value.code


def delete_of(*objects: str) -> bytes:
    return f"<Delete>{''.join(f'<Object>{o}</Object>' for o in objects)}</Delete>".encode()


# --- what SDKs send ------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["<Delete>", f"<Delete {NS}>", '<Delete xmlns="x:y">'])
def test_a_delete_with_any_namespace(root: str) -> None:
    body = f"{root}<Object><Key>a&#13;b</Key></Object><Quiet>true</Quiet></Delete>"
    found = parse.delete_request(body.encode())
    assert found.items == (DeleteItem("a\rb"),)
    assert found.quiet


def test_a_prefixed_namespace_and_a_declaration() -> None:
    body = '<?xml version="1.0" encoding="UTF-8"?>\n<s:Delete xmlns:s="u:x">'
    body += "<s:Object><s:Key>k</s:Key></s:Object></s:Delete>"
    assert parse.delete_request(body.encode()).items == (DeleteItem("k"),)


def test_a_deletes_versions_and_conditions() -> None:
    body = delete_of(
        "<Key>k</Key><VersionId>v</VersionId><ETag>&quot;e&quot;</ETag><Size>7</Size>"
        "<LastModifiedTime>2013-05-24T00:00:00Z</LastModifiedTime>",
        "<Key> a b </Key><VersionId/><LastModifiedTime>Fri, 24 May 2013 00:00:00 GMT"
        "</LastModifiedTime>",
    )
    assert parse.delete_request(body).items == (
        DeleteItem("k", "v", "e", 7, 1369353600),
        DeleteItem(" a b ", modified=1369353600),
    )


def test_a_byte_order_mark_comments_and_cdata_are_harmless() -> None:
    body = (
        "\ufeff<Delete><!-- hi --><Object><Key>a<!-- ! -->b<![CDATA[<c>]]></Key></Object></Delete>"
    )
    assert parse.delete_request(body.encode()).items == (DeleteItem("ab<c>"),)


def test_a_thousand_deletes_are_read_and_one_more_is_not() -> None:
    body = delete_of(*(f"<Key>{n}</Key>" for n in range(1000)))
    assert len(parse.delete_request(body).items) == 1000
    assert code_of(parse.delete_request, delete_of(*["<Key>k</Key>"] * 1001)) == "MalformedXML"


@pytest.mark.parametrize(
    "etag", ['"abc-1"', "abc-1", "&quot;abc-1&quot;", "&#34;abc-1&#34;", " abc-1\n"]
)
def test_an_etag_in_any_quotes(etag: str) -> None:
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload {NS}>{part}</CompleteMultipartUpload>"
    assert parse.complete_upload(body.encode()) == (CompletedPart(1, "abc-1"),)


def test_part_checksums_are_read() -> None:
    body = (
        "<CompleteMultipartUpload><Part><ChecksumCRC64NVME>M3eFcAZSQlc=</ChecksumCRC64NVME>"
        "<ETag>e</ETag><PartNumber> 3 </PartNumber></Part></CompleteMultipartUpload>"
    )
    (part,) = parse.complete_upload(body.encode())
    assert part == CompletedPart(3, "e", {"crc64nvme": "M3eFcAZSQlc="})


def test_ten_thousand_parts_are_read_in_the_order_listed() -> None:
    parts = "".join(
        f"<Part><ETag>&quot;{n:032x}&quot;</ETag><PartNumber>{n}</PartNumber>"
        "<ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part>"
        for n in range(10000, 0, -1)
    )
    found = parse.complete_upload(
        f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    )
    assert [part.number for part in found] == list(range(10000, 0, -1))


@pytest.mark.parametrize(
    ("body", "region"),
    [
        (b"", ""),
        (b"  \n", ""),
        (b"<CreateBucketConfiguration/>", ""),
        (b"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>", ""),
        (
            f"<CreateBucketConfiguration {NS}><LocationConstraint>us-east-1</LocationConstraint>"
            "</CreateBucketConfiguration>".encode(),
            "us-east-1",
        ),
    ],
)
def test_a_buckets_location(body: bytes, region: str) -> None:
    assert parse.location_constraint(body) == region


@pytest.mark.parametrize("status", ["Enabled", "Suspended"])
def test_a_versioning_status(status: str) -> None:
    body = f"<VersioningConfiguration {NS}><Status>{status}</Status></VersioningConfiguration>"
    assert parse.versioning_status(body.encode()) == status


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "IllegalVersioningConfigurationException"),
        ("<Status/>", "IllegalVersioningConfigurationException"),
        ("<Status>enabled</Status>", "IllegalVersioningConfigurationException"),
        ("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", "NotImplemented"),
        ("<Status>Enabled</Status><Status>Suspended</Status>", "MalformedXML"),
        ("<Stats>Enabled</Stats>", "MalformedXML"),
    ],
)
def test_versioning_that_can_not_be_set(body: str, code: str) -> None:
    document = f"<VersioningConfiguration>{body}</VersioningConfiguration>"
    assert code_of(parse.versioning_status, document) == code


def test_tags_in_order() -> None:
    body = (
        "<Tagging><TagSet><Tag><Key>b</Key><Value>1</Value></Tag>"
        "<Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>"
    )
    assert parse.tag_set(body.encode()) == (("b", "1"), ("a", ""))
    assert parse.tag_set(b"<Tagging><TagSet/></Tagging>") == ()


# --- what can not be used ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        delete_of(),
        delete_of(""),
        delete_of("<Key/>"),
        delete_of("<VersionId>v</VersionId>"),
        delete_of("<Key>a</Key><Key>b</Key>"),
        delete_of("<Key>a</Key><IfSomething>b</IfSomething>"),
        delete_of("<Key>a<b>c</b></Key>"),
        delete_of("<Key>a</Key><VersionId>v<b/></VersionId>"),
        b"<Delete><Object><Key>a</Key></Object><Quiet>true<b/></Quiet></Delete>",
        delete_of("<Key>a</Key><Size>x</Size>"),
        delete_of("<Key>a</Key><Size>-1</Size>"),
        delete_of("<Key>a</Key><LastModifiedTime>soon</LastModifiedTime>"),
        b"<Delete><Thing/></Delete>",
        b"<Undelete><Object><Key>a</Key></Object></Undelete>",
    ],
)
def test_deletes_that_can_not_be_used(body: bytes) -> None:
    assert code_of(parse.delete_request, body) == "MalformedXML"


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("", "MalformedXML"),
        ("<Part/>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber></Part>", "MalformedXML"),
        ("<Part><ETag>e</ETag></Part>", "MalformedXML"),
        ("<Part><ETag>e</ETag><PartNumber>x</PartNumber></Part>", "MalformedXML"),
        ("<Part><ETag>e</ETag><PartNumber>0</PartNumber></Part>", "InvalidArgument"),
        ("<Part><ETag>e</ETag><PartNumber>10001</PartNumber></Part>", "InvalidArgument"),
        ("<Part><ETag>e</ETag><PartNumber>1</PartNumber></Part>" * 10001, "MalformedXML"),
    ],
)
def test_parts_that_can_not_be_used(part: str, code: str) -> None:
    body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    assert code_of(parse.complete_upload, body) == code


@pytest.mark.parametrize(
    "tags", ["", "<TagSet><Tag/></TagSet>", "<TagSet><Tag><Key>a</Key></Tag></TagSet>"]
)
def test_tags_that_can_not_be_used(tags: str) -> None:
    assert code_of(parse.tag_set, f"<Tagging>{tags}</Tagging>") == "MalformedXML"


# --- hostile bodies ------------------------------------------------------------------------------

DELETE = "<Delete><Object><Key>k</Key></Object></Delete>"
LAUGHS = "".join(
    f'<!ENTITY l{n} "{"".join(f"&l{n - 1};" for _ in range(10))}">' for n in range(1, 10)
)
HOSTILE = {
    "empty": b"",
    "blank": b"   ",
    "text": b"hello",
    "json": b'{"Delete": {}}',
    "not closed": b"<Delete><Object>",
    "two roots": f"{DELETE}{DELETE}".encode(),
    "text after": f"{DELETE}x".encode(),
    "doctype": f"<!DOCTYPE Delete>{DELETE}".encode(),
    "doctype lower": f"<!doctype Delete>{DELETE}".encode(),
    "billion laughs": f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]><Delete>&l9;</Delete>'.encode(),
    "external entity": b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>',
    "external dtd": f'<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd">{DELETE}'.encode(),
    "parameter entity": f"<!DOCTYPE d [<!ENTITY % p '<!ENTITY q \"\">'> %p;]>{DELETE}".encode(),
    "entity without doctype": b"<Delete><Object><Key>&x;</Key></Object></Delete>",
    "utf-16": DELETE.encode("utf-16"),
    "utf-16 without mark": DELETE.encode("utf-16-le"),
    "utf-16 doctype": f"<!DOCTYPE Delete>{DELETE}".encode("utf-16"),
    "utf-32": DELETE.encode("utf-32"),
    "utf-7 doctype": b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE d+AD4-' + b"<Delete/>",
    "ebcdic": DELETE.encode("cp037"),
    "latin-1": "<Delete><Object><Key>é</Key></Object></Delete>".encode("latin-1"),
    "nul": b"<Delete><Object><Key>a\0b</Key></Object></Delete>",
    "nul reference": b"<Delete><Object><Key>&#0;</Key></Object></Delete>",
    "control reference": b"<Delete><Object><Key>&#1;</Key></Object></Delete>",
    "surrogate reference": b"<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
    "deep": b"<Delete>" + b"<a>" * 16 + b"</a>" * 16 + b"</Delete>",
    "deep in a key": delete_of("<Key>k" + "<a>" * 250 + "</a>" * 250 + "</Key>"),
    "very deep": b"<Delete>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</Delete>",
    "unbound prefix": b"<s:Delete/>",
    "attribute twice": b'<Delete a="1" a="2"/>',
    "xinclude": b'<Delete><x:include xmlns:x="http://www.w3.org/2001/XInclude"/></Delete>',
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_malformed(name: str) -> None:
    start = time.monotonic()
    assert code_of(parse.delete_request, HOSTILE[name]) == "MalformedXML"
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("parser", PARSERS)
def test_every_parser_refuses_a_doctype(parser: object) -> None:
    assert code_of(parser, "<!DOCTYPE x><x/>") == "MalformedXML"


@pytest.mark.parametrize(
    ("parser", "limit"),
    [
        (parse.delete_request, parse.DELETE_BYTES_MAX),
        (parse.complete_upload, parse.COMPLETE_BYTES_MAX),
        (parse.tag_set, parse.TAGGING_BYTES_MAX),
        (parse.location_constraint, parse.CONFIGURATION_BYTES_MAX),
        (parse.versioning_status, parse.CONFIGURATION_BYTES_MAX),
    ],
)
def test_a_body_over_its_limit_is_not_read(parser: object, limit: int) -> None:
    assert code_of(parser, b"x" * (limit + 1)) == "MaxMessageLengthExceeded"
    assert code_of(parser, b"x" * limit) == "MalformedXML"


PIECES = ["<Delete>", "</Delete>", "<Object>", "</Object>", "<Key>", "</Key>", "a", "&amp;", "&#"]
PIECES += ["<!", "<?", "<![CDATA[", "]]>", "<!--", "-->", "\0", "\ufffe", 'a="', "<", ">", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.sampled_from(PARSERS))
def test_no_body_makes_any_other_error(body: str, parser: object) -> None:
    assert callable(parser)
    try:
        parser(body.encode())
    except S3Error as error:
        code = error.code
    else:
        code = ""
    assert code in {"", "MalformedXML"}
