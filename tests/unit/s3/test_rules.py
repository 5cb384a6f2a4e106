"""Lifecycle configurations: what S3 takes, what it refuses and how, and what headers tell."""

from __future__ import annotations

import base64
import uuid
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lifecycle import Rule, When
from gateway.locks import DAY_NS
from gateway.s3.errors import S3Error
from gateway.s3.rules import abortion_headers, expiration_headers, rules_in, tree_of
from gateway.s3.xml import shapes

ROOT = "LifecycleConfiguration"
DAYS = "<Expiration><Days>1</Days></Expiration>"
EVERY = "<Filter/>"
ON = "<Status>Enabled</Status>"
TAG = "<Tag><Key>a</Key><Value>1</Value></Tag>"
OTHER = "<Tag><Key>b</Key><Value></Value></Tag>"


def document(*rules: str) -> bytes:
    return f"<{ROOT}>{''.join(f'<Rule>{rule}</Rule>' for rule in rules)}</{ROOT}>".encode()


def read(*rules: str) -> tuple[Rule, ...]:
    return rules_in(shapes.read(document(*rules), ROOT))


def refused(*rules: str) -> str:
    with pytest.raises(S3Error) as error:
        read(*rules)
    return error.value.code


def rule(*pieces: str, head: str = f"<ID>r</ID>{EVERY}{ON}") -> str:
    return head + "".join(pieces)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule(DAYS), Rule("r", days=1)),
        (rule(DAYS, head=f"<ID>r</ID><Prefix>a/</Prefix>{ON}"),
         Rule("r", prefix="a/", bare=True, days=1)),
        (rule(DAYS, head=f"<ID>r</ID><Prefix/>{ON}"), Rule("r", prefix="", bare=True, days=1)),
        (rule(DAYS, head=f"<ID>r</ID>{EVERY}<Status>Disabled</Status>"),
         Rule("r", enabled=False, days=1)),
        (rule("<Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration>"),
         Rule("r", date=21915 * DAY_NS)),
        (rule("<Expiration><Date>2030-01-01</Date></Expiration>"), Rule("r", date=21915 * DAY_NS)),
        (rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
              "</Expiration>"), Rule("r", lone_markers=True)),
        (rule("<Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker>"
              "</Expiration>"), Rule("r", lone_markers=False)),
        (rule("<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>"
              "<NewerNoncurrentVersions>500</NewerNoncurrentVersions>"
              "</NoncurrentVersionExpiration>"), Rule("r", noncurrent_days=3, newer=500)),
        (rule("<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>"
              "</AbortIncompleteMultipartUpload>"), Rule("r", upload_days=7)),
        (rule(DAYS, head=f"<ID>r</ID><Filter><Prefix>a&amp;</Prefix></Filter>{ON}"),
         Rule("r", prefix="a&", days=1)),
        (rule(DAYS, head=f"<ID>r</ID><Filter>{TAG}</Filter>{ON}"),
         Rule("r", tags=(("a", "1"),), days=1)),
        (rule(DAYS, head="<ID>r</ID><Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>"
              f"</Filter>{ON}"), Rule("r", larger=0, days=1)),
        (rule(DAYS, head="<ID>r</ID><Filter><And><Prefix></Prefix>"
              "<ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>" + ON),
         Rule("r", prefix="", smaller=9, days=1)),
        (rule(DAYS, head=f"<ID>r</ID><Filter><And>{TAG}{OTHER}</And></Filter>{ON}"),
         Rule("r", tags=(("a", "1"), ("b", "")), days=1)),
    ],
)  # fmt: skip
def test_a_rule_is_read_and_shown_as_it_was_put(text: str, expected: Rule) -> None:
    (found,) = read(text)
    assert found == expected
    shown = shapes.write(ROOT, tree_of([found]))
    assert rules_in(shapes.read(shown, ROOT)) == (expected,)


def filtered(inside: str, *actions: str) -> str:
    return rule(*actions or (DAYS,), head=f"<Filter>{inside}</Filter>{ON}")


def expiring(inside: str) -> str:
    return rule(f"<Expiration>{inside}</Expiration>")


def superseded(inside: str, head: str = EVERY) -> str:
    return f"{head}{ON}<NoncurrentVersionExpiration>{inside}</NoncurrentVersionExpiration>"


MARKERS = "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
ABORT = (
    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{}</DaysAfterInitiation>"
    "</AbortIncompleteMultipartUpload>"
)
LARGER = "<ObjectSizeGreaterThan>{}</ObjectSizeGreaterThan>"
SMALLER = "<ObjectSizeLessThan>{}</ObjectSizeLessThan>"
NEWER = "<NewerNoncurrentVersions>{}</NewerNoncurrentVersions>"
MOVE = "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>"
MOVE_OLD = (
    "<NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays>"
    "<StorageClass>STANDARD_IA</StorageClass></NoncurrentVersionTransition>"
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # the shape
        (rule(DAYS, head=EVERY), "MalformedXML"),
        (rule(DAYS, head=f"{EVERY}<Status>enabled</Status>"), "MalformedXML"),
        (rule(DAYS, head=ON), "MalformedXML"),
        (rule(DAYS, head=f"<Prefix/>{EVERY}{ON}"), "MalformedXML"),
        (rule(DAYS, "<Other/>"), "MalformedXML"),
        (rule(DAYS, DAYS), "MalformedXML"),
        (rule(), "InvalidRequest"),
        (rule(DAYS, head=f"<ID>{'x' * 256}</ID>{EVERY}{ON}"), "InvalidArgument"),
        # one condition, or several inside And
        (filtered(f"<Prefix>a</Prefix>{TAG}"), "MalformedXML"),
        (filtered("<Prefix></Prefix>" + LARGER.format(1)), "MalformedXML"),
        (filtered(f"{TAG}<And>{TAG}{OTHER}</And>"), "MalformedXML"),
        (filtered(f"{TAG}{OTHER}"), "MalformedXML"),
        (filtered("<And><Prefix>a</Prefix></And>"), "MalformedXML"),
        (filtered("<And/>"), "MalformedXML"),
        (filtered(f"<And>{TAG}{TAG}</And>"), "InvalidRequest"),
        (filtered("<Tag><Key></Key><Value>1</Value></Tag>"), "InvalidTag"),
        (filtered(f"<Tag><Key>a</Key><Value>{'x' * 257}</Value></Tag>"), "InvalidTag"),
        (filtered("<Tag><Key>a</Key></Tag>"), "MalformedXML"),
        (filtered(f"<Prefix>{'é' * 513}</Prefix>"), "InvalidRequest"),
        (filtered(SMALLER.format(0)), "InvalidRequest"),
        (filtered(LARGER.format(-1)), "InvalidRequest"),
        (filtered(LARGER.format("9" * 18)), "InvalidRequest"),
        (filtered(LARGER.format("x")), "MalformedXML"),
        (filtered(f"<And>{LARGER.format(5)}{SMALLER.format(5)}</And>"), "InvalidRequest"),
        # when
        (expiring("<Days>0</Days>"), "InvalidArgument"),
        (expiring("<Days>-1</Days>"), "InvalidArgument"),
        (expiring("<Days>1.5</Days>"), "MalformedXML"),
        (expiring("<Days></Days>"), "MalformedXML"),
        (expiring(""), "MalformedXML"),
        (expiring("<Days>1</Days><Date>2030-01-01</Date>"), "MalformedXML"),
        (expiring(f"<Days>1</Days>{MARKERS}"), "MalformedXML"),
        (expiring("<Date>2030-01-01T00:00:01Z</Date>"), "InvalidArgument"),
        (expiring("<Date>2030-01-01T00:00:00+01:00</Date>"), "InvalidArgument"),
        (expiring("<Date>Fri, 01 Jan 2016 00:00:00 GMT</Date>"), "MalformedXML"),
        (expiring("<ExpiredObjectDeleteMarker>1</ExpiredObjectDeleteMarker>"), "MalformedXML"),
        (superseded("<NoncurrentDays>0</NoncurrentDays>"), "InvalidArgument"),
        (superseded(NEWER.format(1)), "MalformedXML"),
        (superseded(f"<NoncurrentDays>1</NoncurrentDays>{NEWER.format(0)}"), "InvalidArgument"),
        (superseded(f"<NoncurrentDays>1</NoncurrentDays>{NEWER.format(1001)}"), "InvalidArgument"),
        (superseded(f"<NoncurrentDays>1</NoncurrentDays>{NEWER.format(2)}", "<Prefix/>"),
         "InvalidRequest"),
        (rule(ABORT.format(0)), "InvalidArgument"),
        # what has no tags and no size can't be told by them
        (filtered(TAG, f"<Expiration>{MARKERS}</Expiration>"), "InvalidRequest"),
        (filtered(LARGER.format(1), f"<Expiration>{MARKERS}</Expiration>"), "InvalidRequest"),
        (filtered(TAG, ABORT.format(1)), "InvalidRequest"),
        (filtered(SMALLER.format(9), ABORT.format(1)), "InvalidRequest"),
        # one storage class
        (rule(MOVE), "InvalidStorageClass"),
        (rule(DAYS, MOVE_OLD), "InvalidStorageClass"),
    ],
)  # fmt: skip
def test_what_s3_refuses_and_how(text: str, code: str) -> None:
    assert refused(text) == code


def bare(prefix: str, *actions: str) -> str:
    return f"<Prefix>{prefix}</Prefix>{ON}{''.join(actions)}"


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ((), "MalformedXML"),
        ((rule(DAYS),) * 2, "InvalidArgument"),
        ((rule(DAYS, head=f"{EVERY}{ON}"),) * 1001, "MalformedXML"),
        ((bare("a", DAYS), rule(DAYS)), "InvalidRequest"),
        ((bare("a/b", DAYS), bare("b", DAYS), bare("a/", DAYS)), "InvalidRequest"),
        ((bare("", ABORT.format(1)), bare("a", ABORT.format(2))), "InvalidRequest"),
    ],
)
def test_what_s3_refuses_of_rules_together(rules: tuple[str, ...], code: str) -> None:
    with pytest.raises(S3Error) as error:
        rules_in(shapes.read(document(*rules), ROOT, 512 * 1024))
    assert error.value.code == code


def test_rules_that_stand_beside_each_other() -> None:
    assert len(read(bare("a", DAYS), bare("b", DAYS), bare("a", ABORT.format(1)))) == 3
    overlapping = (filtered("<Prefix>a</Prefix>"), filtered("<Prefix>a/b</Prefix>"), rule(DAYS))
    assert len(read(*overlapping)) == 3
    many = [rule(DAYS, head=f"{EVERY}{ON}")] * 1000
    found = rules_in(shapes.read(document(*many), ROOT, 512 * 1024))
    assert len({each.id for each in found}) == 1000


def test_a_rule_without_an_id_gets_one_that_stays() -> None:
    first, second = read(rule(DAYS, head=f"{EVERY}{ON}"), rule(DAYS, head=f"<ID></ID>{EVERY}{ON}"))
    assert first.id != second.id
    assert uuid.UUID(base64.b64decode(first.id).decode()).version == 4
    again = read(rule(DAYS, head=f"{EVERY}{ON}"))
    assert again == (first,)


def test_what_headers_tell() -> None:
    when = When(21915 * DAY_NS, 'a "b" ü%\r\n')
    told = expiration_headers(when)["x-amz-expiration"]
    assert told == (
        'expiry-date="Tue, 01 Jan 2030 00:00:00 GMT", rule-id="a %22b%22 %C3%BC%25%0D%0A"'
    )
    assert abortion_headers(When(0, "x y")) == {
        "x-amz-abort-date": "Thu, 01 Jan 1970 00:00:00 GMT",
        "x-amz-abort-rule-id": "x y",
    }
    for nothing in (None, When(10**9 * DAY_NS, "r")):
        assert expiration_headers(nothing) == {}
        assert abortion_headers(nothing) == {}


@given(st.integers(0, 10**20), st.text(max_size=20))
def test_a_header_is_always_one_line_with_a_date(at: int, name: str) -> None:
    for value in expiration_headers(When(at, name)).values():
        assert value.isascii()
        assert value.isprintable()
        date = value.split('"')[1]
        assert int(parsedate_to_datetime(date).timestamp()) == at // 10**9
