"""Which host keys are pinned: those that the text names, in any form that tools print."""

from __future__ import annotations

import base64

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.stores.sftp_pins import pins_of

KEYS = tuple(asyncssh.generate_private_key(kind) for kind in ("ssh-ed25519", "ecdsa-sha2-nistp384"))
FORMS = ("SHA256", "public", "commented", "scanned")


def line(key: asyncssh.SSHKey, form: str) -> str:
    public = key.export_public_key().decode().strip()
    return {
        "SHA256": key.get_fingerprint(),
        "public": public,
        "commented": f"{public} of the partner",
        "scanned": f"sftp.partner.example {public}",
    }[form]


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(FORMS)), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n# a remark\n"]),
)
def test_all_that_are_named_are_pinned_and_no_others(
    named: list[tuple[asyncssh.SSHKey, str]], end: str
) -> None:
    pins = pins_of(end.join(line(key, form) for key, form in named))
    assert pins.fingerprints == {key.get_fingerprint() for key, _ in named}
    assert pins.kinds


@given(st.text(max_size=200))
def test_any_text_is_pins_or_a_mistake(text: str) -> None:
    try:
        pins = pins_of(text)
    except ConfigError:
        return
    assert all(fingerprint.startswith("SHA256:") for fingerprint in pins.fingerprints)
    assert pins.fingerprints


@given(st.binary(max_size=100))
def test_a_key_that_can_not_be_read_is_a_mistake(raw: bytes) -> None:
    with pytest.raises(ConfigError):
        pins_of(f"ssh-ed25519 {base64.b64encode(raw).decode()}")


def test_a_pinned_kind_is_the_only_one_that_is_asked_for() -> None:
    ed25519, ecdsa = KEYS
    assert pins_of(line(ed25519, "public")).kinds == (("ssh-ed25519",),)
    both = pins_of(f"{line(ecdsa, 'public')}\n{line(ed25519, 'public')}")
    assert [kind[0] for kind in both.kinds] == ["ssh-ed25519", "ecdsa-sha2-nistp256"]
    assert len(pins_of(line(ed25519, "SHA256")).kinds) == 3
