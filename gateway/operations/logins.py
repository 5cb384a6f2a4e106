"""From the mesh and the catalog to the logins of the sFTP door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_network
from types import MappingProxyType

from gateway.errors import ConfigError, Damaged
from gateway.identity import NO_ACCESS_KEY, Seal, Sealed, Secret
from gateway.logins import Login, Proof, public_keys
from gateway.model import May
from gateway.policy.mesh import Mesh, PrincipalSpec

PURPOSE_PASSWORD = "crossdock password hash v1"  # noqa: S105 - what for, not what


def seal_password(seal: Seal, about: tuple[str, str, str], hashed: bytes) -> bytes:
    return seal.seal(PURPOSE_PASSWORD, about, hashed)


def logins(
    mesh: Mesh, kept: Iterable[Sealed], seal: Seal, secret_of: Callable[[str], Secret]
) -> tuple[Mapping[str, Login], tuple[str, ...]]:
    """Every login in force by its user name, and what is wrong with keys that are not. A principal
    with neither a key nor a password can't log in; neither can one that may only see to policy."""
    problems: list[str] = []
    passwords = _passwords(kept, seal, problems)
    found: dict[str, Login] = {}
    for party in mesh.parties.values():
        authorities = tuple(_lines(party.name, party.ssh_ca, secret_of, problems))
        for spec in party.principals.values():
            if spec.principal.may is May.POLICY:
                continue
            keys = tuple(_lines(spec.ssh_user, spec.ssh_keys, secret_of, problems))
            hashes = passwords.get((party.name, spec.principal.name), ())
            if keys or authorities or hashes:
                found[spec.ssh_user] = _login(spec, keys, authorities, hashes)
    return MappingProxyType(found), tuple(problems)


def _login(
    spec: PrincipalSpec,
    keys: tuple[str, ...],
    authorities: tuple[str, ...],
    hashes: tuple[bytes, ...],
) -> Login:
    networks = tuple(ip_network(each) for each in spec.networks)
    proof = Proof(spec.login)
    return Login(spec.ssh_user, spec.principal, keys, authorities, hashes, proof, networks)


def _lines(
    whose: str,
    references: Iterable[str],
    secret_of: Callable[[str], Secret],
    problems: list[str],
) -> Iterator[str]:
    for reference in references:
        try:
            yield from public_keys(secret_of(reference).reveal())
        except ConfigError as error:
            problems.append(f"{reference} of {whose}: {error.message}")


def _passwords(
    kept: Iterable[Sealed], seal: Seal, problems: list[str]
) -> Mapping[tuple[str, str], tuple[bytes, ...]]:
    found: dict[tuple[str, str], tuple[bytes, ...]] = {}
    for key in kept:
        if key.revoked or not key.id.startswith(NO_ACCESS_KEY):
            continue
        whose = (key.party, key.principal)
        try:
            hashed = seal.open(PURPOSE_PASSWORD, (*whose, key.id), key.sealed)
        except Damaged as error:
            problems.append(f"{key.id} of {key.party}: {error.message}")
            continue
        found[whose] = (*found.get(whose, ()), hashed)
    return found
