"""Credentials: who a key stands for, and secrets that neither show nor move."""

import copy
import pickle
import stat
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.errors import ConfigError, Damaged, StartRefused
from gateway.identity import (
    PURPOSE_ACCESS_KEY,
    PURPOSE_LOG_KEY,
    SEAL_KEY_BYTES,
    Keyring,
    Seal,
    Secret,
    credentials,
    make_seal_key,
    new_key,
    read_seal_key,
    resolve,
    seal_secret,
)
from gateway.model import May, Principal
from gateway.policy.mesh import Mesh, Party, PrincipalSpec

KEY = bytes(range(32))
ABOUT = ("acme", "erp", "XD1")


@dataclass(frozen=True)
class Row:
    id: str
    party: str
    principal: str
    sealed: bytes
    revoked: int = 0


def mesh_of(*parties: Party) -> Mesh:
    return cast(Mesh, SimpleNamespace(parties={p.name: p for p in parties}))


def party_of(name: str, *specs: PrincipalSpec) -> Party:
    return Party(name, principals={s.principal.name: s for s in specs})


ERP = Principal("acme", "erp", May.READ, ("invoices/",))
ACME = party_of("acme", PrincipalSpec(ERP))


def none(reference: str) -> Secret:
    raise ConfigError(f"{reference} is absent")


# --- secrets -----------------------------------------------------------------------------------


def test_a_secret_never_shows() -> None:
    secret = Secret("canary")
    shown = [str(secret), repr(secret), f"{secret}", f"{[secret]}", "%s" % secret]  # noqa: UP031
    assert not any("canary" in text for text in shown)
    assert secret.reveal() == "canary"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled_or_copied(leak: Any) -> None:
    with pytest.raises(TypeError):
        leak(Secret("canary"))


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_a_reference_names_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("from file\r\n")
    assert resolve("env:NAME", tmp_path, {"NAME": "value"}).reveal() == "value"
    assert resolve("file:s", tmp_path).reveal() == "from file"
    assert resolve(f"file:{tmp_path}/s", Path("/")).reveal() == "from file"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NAME", "NAME is not set"),
        ("env:EMPTY", "EMPTY is not set, or is empty"),
        ("file:absent", "can't be read"),
        ("file:empty", "is empty"),
        ("file:binary", "not UTF-8"),
        ("file:huge", "larger than"),
        ("hunter2", "never as its value"),
        ("env:", "never as its value"),
    ],
)
def test_a_reference_that_leads_nowhere_says_so(tmp_path: Path, reference: str, says: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * 100_000)
    with pytest.raises(ConfigError, match=says) as caught:
        resolve(reference, tmp_path, {"EMPTY": ""})
    assert "hunter2" not in caught.value.message


# --- the seal ----------------------------------------------------------------------------------


def test_what_is_sealed_opens_again_and_is_not_readable_at_rest() -> None:
    sealed = Seal(KEY).seal(PURPOSE_ACCESS_KEY, ABOUT, b"canary")
    assert Seal(KEY).open(PURPOSE_ACCESS_KEY, ABOUT, sealed) == b"canary"
    assert b"canary" not in sealed


def test_each_sealing_has_its_own_nonce() -> None:
    seal = Seal(KEY)
    assert seal.seal("p", ABOUT, b"same") != seal.seal("p", ABOUT, b"same")


@pytest.mark.parametrize(
    "about", [("acme", "erp", "XD2"), ("globex", "erp", "XD1"), ("acmee", "rp", "XD1"), ()]
)
def test_a_sealed_value_belongs_to_what_it_is_about(about: tuple[str, ...]) -> None:
    sealed = Seal(KEY).seal(PURPOSE_ACCESS_KEY, ABOUT, b"secret")
    with pytest.raises(Damaged, match="belongs to something else"):
        Seal(KEY).open(PURPOSE_ACCESS_KEY, about, sealed)


def test_a_sealed_value_serves_its_purpose_alone() -> None:
    sealed = Seal(KEY).seal(PURPOSE_ACCESS_KEY, ABOUT, b"secret")
    with pytest.raises(Damaged):
        Seal(KEY).open(PURPOSE_LOG_KEY, ABOUT, sealed)


def test_a_wrong_seal_key_is_told_from_a_changed_value() -> None:
    sealed = Seal(KEY).seal("p", ABOUT, b"secret")
    with pytest.raises(Damaged, match="another seal key"):
        Seal(bytes(32)).open("p", ABOUT, sealed)


def test_every_changed_bit_is_found() -> None:
    seal = Seal(KEY)
    sealed = seal.seal("p", ABOUT, b"secret")
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Damaged):
            seal.open("p", ABOUT, changed)
        with pytest.raises(Damaged):
            seal.open("p", ABOUT, sealed[:at])


def test_the_seal_key_is_made_once_and_its_owners_alone(tmp_path: Path) -> None:
    assert read_seal_key("file:data/seal.key", tmp_path) is None
    made = make_seal_key("file:data/seal.key", tmp_path)
    assert len(made) == SEAL_KEY_BYTES
    assert read_seal_key("file:data/seal.key", tmp_path) == made
    assert stat.S_IMODE((tmp_path / "data/seal.key").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        make_seal_key("file:data/seal.key", tmp_path)


def test_a_seal_key_that_everyone_can_read_is_refused(tmp_path: Path) -> None:
    make_seal_key("file:seal.key", tmp_path)
    (tmp_path / "seal.key").chmod(0o644)
    with pytest.raises(StartRefused, match="chmod 600"):
        read_seal_key("file:seal.key", tmp_path)


@pytest.mark.parametrize("text", ["not hex", "abcd", "00" * 33])
def test_a_seal_key_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seal.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StartRefused, match=r"hex"):
        read_seal_key("file:seal.key", tmp_path)


# --- access keys -------------------------------------------------------------------------------


def sealed_row(secret: str = "s3cret", **changed: Any) -> Row:
    fields: dict[str, Any] = {"id": "XD1", "party": "acme", "principal": "erp", **changed}
    sealed = seal_secret(Seal(KEY), "acme", "erp", "XD1", Secret(secret))
    return Row(**{"sealed": sealed, **fields})


def test_a_sealed_key_acts_as_its_principal_with_its_narrowing() -> None:
    found, problems = credentials(mesh_of(ACME), [sealed_row()], Seal(KEY), none)
    ring = Keyring()
    ring.enter(found)
    credential = ring.lookup("XD1")
    assert credential is not None
    assert credential.principal == ERP
    assert credential.secret == Secret("s3cret")
    assert not problems
    assert ring.lookup("XD2") is None


def test_a_key_of_the_topology_acts_as_its_principal() -> None:
    spec = PrincipalSpec(Principal("acme", "erp"), "ACMEERP", "env:S")
    found, _ = credentials(mesh_of(party_of("acme", spec)), [], Seal(KEY), Secret)
    assert found["ACMEERP"].secret == Secret("env:S")


def test_a_missing_secret_stops_its_key_alone() -> None:
    spec = PrincipalSpec(Principal("acme", "erp"), "ACMEERP", "env:S")
    mesh = mesh_of(party_of("acme", spec, PrincipalSpec(Principal("acme", "two"))))
    row = Row("XD9", "acme", "two", seal_secret(Seal(KEY), "acme", "two", "XD9", Secret("x")))
    found, problems = credentials(mesh, [row], Seal(KEY), none)
    assert set(found) == {"XD9"}
    assert problems == ("access key ACMEERP of acme: env:S is absent",)


def test_revoked_keys_and_removed_principals_are_not_in_force() -> None:
    revoked = credentials(mesh_of(ACME), [sealed_row(revoked=5)], Seal(KEY), none)
    removed = credentials(mesh_of(party_of("acme")), [sealed_row()], Seal(KEY), none)
    left = credentials(mesh_of(), [sealed_row()], Seal(KEY), none)
    assert [set(found) for found, _ in (revoked, removed, left)] == [set(), set(), set()]


def test_a_key_moved_to_another_principal_does_not_serve_it() -> None:
    mesh = mesh_of(ACME, party_of("globex", PrincipalSpec(Principal("globex", "erp"))))
    found, problems = credentials(mesh, [sealed_row(party="globex")], Seal(KEY), none)
    assert not found
    assert "XD1 of globex" in problems[0]


def test_an_id_claimed_twice_serves_nobody() -> None:
    other = party_of("globex", PrincipalSpec(Principal("globex", "x"), "XD1", "env:S"))
    found, problems = credentials(mesh_of(ACME, other), [sealed_row()], Seal(KEY), Secret)
    assert not found
    assert problems == ("access key XD1 is claimed twice and serves nobody",)


def test_new_keys_look_like_access_keys_and_differ() -> None:
    (first, secret), (second, _) = new_key(), new_key()
    assert first != second
    assert len(first) == 20
    assert first.isalnum()
    assert len(secret.reveal()) == 40
