"""What sharing and copying cost: bytes at rest, and bytes that leave one cloud for another."""

from __future__ import annotations

from gateway.policy.mesh import StoreSpec


def apart(source: StoreSpec | None, target: StoreSpec | None) -> bool:
    """Do bytes on their way from one store to the other leave a cloud? They stay inside where
    kind, endpoint and region are the same. What is not known is apart from everything."""
    if source is None or target is None:
        return source is not target
    return _cloud(source) != _cloud(target)


def _cloud(store: StoreSpec) -> tuple[str, str, str]:
    return (store.type, store.endpoint, store.region)
