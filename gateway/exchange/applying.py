"""A policy comes into force: written down first, with the moment at which its rules began."""

from __future__ import annotations

from gateway.catalog import Policies
from gateway.model import Event
from gateway.policy.mesh import Mesh


async def put_in_force(rows: Policies, mesh: Mesh, event: Event) -> Mesh:
    """Makes the mesh the policy that the catalog commits under, unless it is already, and returns
    it dated. The exchange is to enter what this returns; until it does, commits wait for it."""
    kept = await rows.policy()
    if kept is None or kept[0] != mesh.revision:
        starting = mesh.starting
        await rows.put_policy(mesh.revision, mesh.texts, event, starting=starting)
    return mesh.dated(await rows.rule_starts(mesh.starting))
