"""The webhooks of the mesh in force, with the secrets that sign what they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.catalog import NoticeLane
from gateway.errors import ConfigError, WebhookFailed
from gateway.herald.letters import Webhook, key_of
from gateway.identity import Secret
from gateway.policy.mesh import Mesh, WebhookSpec


class Hooks:
    """A webhook that can't be used as things are (a missing secret) is named in `problems`: its
    notices wait, all else goes on."""

    def __init__(self, secret_of: Callable[[str], Secret]) -> None:
        self._secret_of = secret_of
        self._known: dict[NoticeLane, Webhook | str] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(each for each in self._known.values() if isinstance(each, str))

    def enter(self, mesh: Mesh) -> None:
        self._known = {NoticeLane(each.party, each.name): self._one(each) for each in _every(mesh)}

    def of(self, lane: NoticeLane) -> Webhook:
        """WebhookFailed for one that topology.yaml does not have, or whose secret is missing."""
        found = self._known.get(lane)
        if isinstance(found, Webhook):
            return found
        text = found or f"topology.yaml gives {lane.party} no webhook {lane.webhook}"
        raise WebhookFailed(text, lane=True)

    def _one(self, spec: WebhookSpec) -> Webhook | str:
        try:
            return Webhook(spec.url, key_of(self._secret_of(spec.secret).reveal()))
        except ConfigError as error:
            return f"webhook {spec.name} of {spec.party}: {error.message}"


def _every(mesh: Mesh) -> Iterator[WebhookSpec]:
    for party in mesh.parties.values():
        yield from party.webhooks.values()
