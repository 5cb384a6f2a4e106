"""Each error of the domain is an answer of the API, or the door's that proved the request."""

import pytest

from gateway import errors
from gateway.api.replies import STATUS, failed
from gateway.errors import CrossdockError


@pytest.mark.parametrize("kind", list(STATUS))
def test_kinds_have_a_status_and_their_name(kind: type[CrossdockError]) -> None:
    found = failed(kind("said"))
    assert found.status == STATUS[kind]
    assert f'"code": "{kind.__name__}"'.encode() in found.body
    assert b'"message": "said"' in found.body


def test_the_nearest_kind_decides() -> None:
    assert failed(errors.NoSuchKey()).status == 404
    assert failed(errors.TooBusy()).status == 503
    assert failed(errors.TooLarge()).status == 413


def test_a_fault_is_no_answer_of_ours() -> None:
    with pytest.raises(CrossdockError, match="oops"):
        failed(CrossdockError("oops"))
