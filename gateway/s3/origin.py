"""Who a request comes from and what its client signed for, where a reverse proxy stands between."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.s3.address import Target, bucket_of_host
from gateway.s3.sigv4 import Endpoint

Networks = tuple[IPv4Network | IPv6Network, ...]

_DEFAULT_PORTS = frozenset({("http", 80), ("https", 443)})
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_SCHEMES = frozenset({"http", "https"})


class Seen(NamedTuple):
    """A request as its client sent it, before any proxy. `host` is what it named (a bucket may
    stand in it), `endpoint` what it signed for, `client` its address."""

    host: str
    scheme: str
    endpoint: Endpoint
    client: str
    url: str = ""

    def base(self, target: Target) -> str:
        """The URL that buckets lie under; "" where the client's Host is none."""
        if self.url:
            return self.url
        host = self.host[len(target.bucket) + 1 :] if target.virtual else self.host
        return f"{self.scheme}://{host}" if _HOST.fullmatch(host) else ""


@dataclass(frozen=True, slots=True)
class Origin:
    """`url` is that of all clients behind the proxies, who sign for `external`; all others sign
    for `direct`. `domains` are our names for virtual-hosted addressing."""

    direct: Endpoint
    external: Endpoint
    url: str
    proxies: Networks
    domains: Sequence[str]

    def see(self, peer: str, headers: Mapping[str, str], *, tls: bool) -> Seen:
        """`peer` is who has connected, `headers` go by lower-case name.

        X-Forwarded-Host, -Proto and -For count from a trusted proxy alone. `external_url` beats
        the first two; without a list of proxies, every request has come through one.
        """
        host, scheme = headers.get("host", ""), "https" if tls else "http"
        trusted = bool(self.proxies) and self._trusted(peer)
        forwarded, client = "", peer
        if trusted:
            forwarded = _first(headers, "x-forwarded-host")
            told = _first(headers, "x-forwarded-proto").lower()
            host, scheme = forwarded or host, told if told in _SCHEMES else scheme
            client = self._client(peer, headers)
        virtual = bool(self.domains and bucket_of_host(host, self.domains))
        if self.url and (trusted or not self.proxies):
            return Seen(host, scheme, self._external(host, virtual), client, self.url)
        endpoint = self.direct
        if forwarded or virtual:
            endpoint = replace(endpoint, host=forwarded, virtual=virtual)
        return Seen(host, scheme, endpoint, client)

    def _external(self, host: str, virtual: bool) -> Endpoint:
        """A proxy may put a name of its own into Host, or lose the port: what is left is the
        bucket of a virtual-hosted request, which no setting can tell."""
        if not virtual:
            return self.external
        port = self.external.host.rpartition(":")[2]
        name = host.partition(":")[0]
        return replace(
            self.external, host=f"{name}:{port}" if port.isdecimal() else name, virtual=True
        )

    def _client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The last address that no trusted proxy has: those before it anyone may have written."""
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


def _first(headers: Mapping[str, str], name: str) -> str:
    """What the proxy that is next to the client has told."""
    return headers.get(name, "").partition(",")[0].strip()


def origin(
    region: str, external_url: str, proxies: Sequence[str], domains: Sequence[str] = ()
) -> Origin:
    """`region` is the only one taken (empty: any). `proxies` are addresses or networks."""
    direct = Endpoint(region)
    networks = tuple(ip_network(text, strict=False) for text in proxies)
    url = external_url.rstrip("/")
    return Origin(direct, _endpoint(region, url) if url else direct, url, networks, domains)


def _endpoint(region: str, url: str) -> Endpoint:
    """Clients leave out the port that is the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.port and (parts.scheme, parts.port) not in _DEFAULT_PORTS:
        host = f"{host}:{parts.port}"
    return Endpoint(region, host, parts.path)
