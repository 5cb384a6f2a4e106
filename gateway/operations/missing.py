"""Secrets and public keys that topology.yaml names, and that are not there or are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.errors import ConfigError, Problem
from gateway.identity import resolve
from gateway.logins import public_keys
from gateway.policy.mesh import Mesh, secrets_of


def missing_secrets(folder: Path, mesh: Mesh) -> tuple[Problem, ...]:
    """Each with its place; `folder` is what `file:` counts from."""
    return tuple(_problems(folder, mesh))


def _problems(folder: Path, mesh: Mesh) -> Iterator[Problem]:
    for secret in secrets_of(mesh):
        try:
            found = resolve(secret.reference, folder)
            if secret.public:
                public_keys(found.reveal())
        except ConfigError as error:
            yield Problem(secret.file, secret.line, secret.column, error.message)
