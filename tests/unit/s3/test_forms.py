"""A form's body in any pieces, and conditions in any case."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.forms import FormDecoder, boundary_of

FIELD = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'


@given(
    file=st.binary(max_size=64).filter(lambda data: b"\r\n--b" not in data),
    cuts=st.lists(st.integers(1, 20), min_size=1, max_size=60),
)
def test_a_form_reads_the_same_in_any_pieces(file: bytes, cuts: list[int]) -> None:
    fields = {"key": "a b", "Policy": "e\u00e9"}
    text = "".join(FIELD.format(name, value) for name, value in fields.items())
    head = '--b\r\nContent-Disposition: form-data; filename="C:\\\\x\\\\y.txt"; name="file"\r\n\r\n'
    left = (text + head).encode() + file + b"\r\n--b--\r\nepilogue"
    decoder = FormDecoder(b"b")
    found = b""
    for cut in [*cuts, len(left)]:
        found += decoder.feed(left[:cut])
        left = left[cut:]
    decoder.finish()
    assert found == file
    assert decoder.fields == {"key": "a b", "policy": "e\u00e9"}
    assert decoder.filename == "y.txt"


def test_boundaries() -> None:
    assert boundary_of("multipart/form-data; boundary=abc") == b"abc"
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"'.replace(" b", "b"))
    assert boundary_of("multipart/form-data") == b""
    assert boundary_of("text/plain; boundary=abc") == b""
