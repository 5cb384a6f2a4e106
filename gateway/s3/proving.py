"""Who signed a request, whichever of the ways it chose to say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.s3 import forms, sigv2, sigv4
from gateway.s3.address import Target
from gateway.s3.canonical import RequestHead
from gateway.s3.errors import S3Error
from gateway.s3.presign import ONLY_V4


class Signer(sigv4.Credential, Protocol):
    """A key look-up's answer; `sigv2`: it may be shown by the older algorithm too."""

    @property
    def sigv2(self) -> bool: ...


S = TypeVar("S", bound=Signer)


def prove(
    head: RequestHead,
    target: Target,
    form: forms.Form | None,
    lookup: Callable[[str], S | None],
    now: int,
    keys: sigv4.SigningKeys,
    endpoint: sigv4.Endpoint,
) -> sigv4.Verified[S]:
    """`target` is the head's own, `now` in seconds. A form carries its own signature, over its
    policy. Raises S3Error with AWS's codes; what the party has switched off is no signature."""
    if form is not None:
        found = forms.authenticate(form.fields, lookup)
    elif sigv2.is_claimed(head):
        found = sigv2.verify(head, target, lookup, now)
    else:
        return sigv4.verify(head, lookup, now, keys, endpoint)
    if found.sigv2 and not found.credential.sigv2:
        raise S3Error("InvalidRequest", ONLY_V4)
    return found
