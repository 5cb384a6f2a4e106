"""Who a request comes from and what its client signed for, where a reverse proxy stands between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from gateway.s3.sigv4 import Endpoint

Networks = tuple[IPv4Network | IPv6Network, ...]

_DEFAULT_PORTS = frozenset({("http", 80), ("https", 443)})


@dataclass(frozen=True, slots=True)
class Origin:
    """`external` is what clients behind the proxies sign for, `direct` what all others do."""

    external: Endpoint
    direct: Endpoint
    proxies: Networks

    def endpoint(self, peer: str) -> Endpoint:
        """Without a list of proxies, every request has come through one."""
        return self.external if not self.proxies or self._trusted(peer) else self.direct

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The client's address. X-Forwarded-For counts from a trusted proxy alone, and of it only
        the last address that no trusted proxy has: those before it anyone may have written."""
        if not self.proxies or not self._trusted(peer):
            return peer
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            if hop.strip() and not self._trusted(hop.strip()):
                return hop.strip()
        return peer

    def _trusted(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


def origin(region: str, external_url: str, proxies: Sequence[str]) -> Origin:
    """`region` is the only one taken (empty: any). `proxies` are addresses or networks."""
    direct = Endpoint(region)
    networks = tuple(ip_network(text, strict=False) for text in proxies)
    if not external_url:
        return Origin(direct, direct, networks)
    parts = urlsplit(external_url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port and (parts.scheme, parts.port) not in _DEFAULT_PORTS:
        host = f"{host}:{parts.port}"
    return Origin(Endpoint(region, host, parts.path.rstrip("/")), direct, networks)
