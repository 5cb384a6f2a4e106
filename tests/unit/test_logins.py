"""Who may come in through SSH: passwords, public keys, and what is told of those that are none."""

from __future__ import annotations

from collections.abc import Mapping

import asyncssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import SealedKey
from gateway.errors import BadInput, ConfigError
from gateway.identity import Seal, Secret
from gateway.logins import (
    PASSWORD_BYTES_MAX,
    Login,
    Logins,
    Proof,
    hash_password,
    password_matches,
    public_keys,
)
from gateway.operations.logins import logins, seal_password
from tests.model.world import mesh_of

PASSWORD = "correct horse battery"
TOPOLOGY = """
parties:
  acme:
    store: {type: file, path: a}
    ssh_ca: ["file:ca.pub"]
    principals:
      - {name: erp}
      - {name: ops, may: policy}
      - {name: nightly, ssh_key: "file:one.pub", ssh_keys: ["file:two.pub"], user: legacy,
         login: both, from: ["10.0.0.0/8", "2001:db8::/32"]}
  globex: {principals: [{name: erp}]}
"""


def key(kind: str = "ssh-ed25519") -> str:
    return asyncssh.generate_private_key(kind).export_public_key().decode().strip()


def random(count: int) -> bytes:
    return bytes(range(count))


SEAL = Seal(bytes(32))


def kept(party: str, name: str, id_: str = "password-1", revoked: int = 0) -> SealedKey:
    hashed = hash_password(PASSWORD, random)
    return SealedKey(id_, party, name, seal_password(SEAL, (party, name, id_), hashed), 1, revoked)


def found(
    files: Mapping[str, str], *passwords: SealedKey
) -> tuple[Mapping[str, Login], tuple[str, ...]]:
    def secret_of(reference: str) -> Secret:
        if reference not in files:
            raise ConfigError("it is not there")
        return Secret(files[reference])

    return logins(mesh_of({"topology.yaml": TOPOLOGY}), passwords, SEAL, secret_of)


def test_a_password_matches_itself_alone() -> None:
    hashed = hash_password(PASSWORD, random)
    assert hashed.startswith(b"scrypt$32768$8$1$")
    assert PASSWORD.encode() not in hashed
    assert password_matches(PASSWORD, hashed)
    assert not password_matches(PASSWORD + "x", hashed)
    assert not password_matches("", hashed)
    assert not password_matches(PASSWORD, None)


@pytest.mark.parametrize("password", ["", "short", "x" * (PASSWORD_BYTES_MAX + 1)])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(BadInput):
        hash_password(password, random)


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=2000))
def test_any_password_can_be_tried(password: str) -> None:
    assert not password_matches(password, None)


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_files_of_public_keys(kind: str) -> None:
    line = key(kind)
    assert public_keys(f"# mine\n\n{line} a comment\n") == (f"{line} a comment",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected 1 to 1000 public keys"),
        ("ssh-ed25519", "key 1 is no public key"),
        ("ssh-ed25519 AAAA", "key 1 is no public key"),
        ("ssh-ed25519 not-base64!", "key 1 is no public key"),
        ('from="10.*" ssh-ed25519 AAAA', "without options"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecretsecret\n", "this is a private key"),
    ],
)
def test_what_is_no_public_key_is_named_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        public_keys(text)
    assert said in error.value.message
    assert "secretsecret" not in error.value.message


def test_a_key_of_another_type_than_it_says_is_none() -> None:
    with pytest.raises(ConfigError):
        public_keys(key("ssh-rsa").replace("ssh-rsa", "ssh-ed25519", 1))


def test_every_login_has_its_keys_and_passwords() -> None:
    files = {f"file:{name}.pub": key() for name in ("one", "two", "ca")}
    got, problems = found(files, kept("acme", "erp"), kept("globex", "erp", revoked=5))
    assert problems == ()
    assert set(got) == {"acme.erp", "legacy"}, "globex's is revoked; policy is no file"
    legacy = got["legacy"]
    assert legacy.keys == (files["file:one.pub"], files["file:two.pub"])
    assert legacy.authorities == (files["file:ca.pub"],)
    assert legacy.proof is Proof.BOTH
    assert [str(each) for each in legacy.networks] == ["10.0.0.0/8", "2001:db8::/32"]
    assert password_matches(PASSWORD, got["acme.erp"].passwords[0])


def test_what_is_wrong_with_a_key_is_a_problem_and_stops_nobody_else() -> None:
    got, problems = found({"file:one.pub": key(), "file:two.pub": "nonsense"})
    assert len(got["legacy"].keys) == 1
    assert [problem.partition(": ")[0] for problem in problems] == [
        "file:ca.pub of acme",
        "file:two.pub of legacy",
    ]


def test_a_password_that_was_moved_to_another_row_does_not_count() -> None:
    moved = kept("acme", "erp")
    stolen = SealedKey(moved.id, "globex", "erp", moved.sealed, 1)
    got, problems = found({}, stolen)
    assert "globex.erp" not in got
    assert "was changed, or belongs to something else" in problems[0]


def test_logins_are_swapped_whole() -> None:
    got, _ = found({}, kept("acme", "erp"))
    in_force = Logins()
    assert in_force.lookup("acme.erp") is None
    in_force.enter(got)
    assert in_force.lookup("acme.erp") is got["acme.erp"]
    assert len(in_force) == 1
