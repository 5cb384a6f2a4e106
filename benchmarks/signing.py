"""Signed requests as bytes, ready to be sent many times."""

from __future__ import annotations

import hashlib

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.servers import SECRET


def signed(
    method: str, port: int, path: str, body: bytes = b"", *, key: str = "ACME", digest: str = ""
) -> bytes:
    """One whole HTTP/1.1 request, with a signed payload hash as boto3 sends it over http."""
    request = AWSRequest(method=method, url=f"http://127.0.0.1:{port}{path}", data=body)
    _Signer(digest or hashlib.sha256(body).hexdigest(), key).add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """Signs with a payload hash that is known already."""

    def __init__(self, digest: str, key: str) -> None:
        super().__init__(Credentials(key, SECRET), "s3", "us-east-1")
        self._digest = digest

    def payload(self, request: AWSRequest) -> str:
        return self._digest
