"""The gateway that the suite talks to: a process of its own, with the suite's three users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

USERS = ("main", "alt", "tenant")
STOP_S = 30

REGION = "eu-central-1"
"""Not us-east-1: there botocore presigns with SigV2, and a bucket's location is empty."""

DAY_S = 2
"""What the suite takes for a day of lifecycle; its tests wait for so many of them."""

GATEWAY = f"""
listen: {{s3: "127.0.0.1:0"}}
region: {REGION}
limits: {{stop: 2s}}
lifecycle: {{day: {DAY_S}s, every: 1s}}
"""


def key_of(user: str) -> tuple[str, str]:
    """(access key id, secret) of one of the suite's users."""
    return f"CONFORMANCE{user.upper()}", f"{user}-secret-of-the-conformance-run"


def _variable(user: str) -> str:
    return f"CONFORMANCE_{user.upper()}_SECRET"


def _party(user: str) -> str:
    key = f'access_key: {{id: {key_of(user)[0]}, secret: "env:{_variable(user)}"}}'
    return (
        f"  {user}:\n    store: {{type: file, path: ../stores/{user}, encryption: AES256}}\n"
        f'    create_buckets: ["*"]\n    principals: [{{name: {user}, {key}}}]\n'
    )


def lay_out(folder: Path) -> Path:
    """Writes the gateway's files, and returns the path of gateway.yaml."""
    (folder / "policies").mkdir(parents=True)
    topology = "parties:\n" + "".join(map(_party, USERS))
    (folder / "policies" / "topology.yaml").write_text(topology)
    config = folder / "gateway.yaml"
    config.write_text(GATEWAY)
    return config


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A running gateway's S3 endpoint; its log lies in `folder`."""
    config = lay_out(folder)
    secrets = {_variable(user): key_of(user)[1] for user in USERS}
    command = [sys.executable, "-m", "gateway.cli", "serve", "--json", "--config", str(config)]
    with (
        (folder / "gateway.log").open("wb") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=os.environ | secrets
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit((folder / "gateway.log").read_text())
            yield str(json.loads(line)["doors"]["s3"])
        finally:
            process.terminate()
            process.wait(STOP_S)


def suite_config(endpoint: str) -> str:
    """The suite's own ini file. Sections for what we don't have must exist all the same."""
    address = urlsplit(endpoint)
    sections: dict[str, Mapping[str, str]] = {
        "DEFAULT": {
            "host": str(address.hostname),
            "port": str(address.port),
            "is_secure": "False",
            "ssl_verify": "False",
        },
        "fixtures": {
            "bucket prefix": "test-{random}-",
            "iam name prefix": "s3-tests-",
            "iam path prefix": "/s3-tests/",
        },
        "s3 main": {**_user("main"), "api_name": REGION, "lc_debug_interval": str(DAY_S)},
        "s3 alt": _user("alt"),
        "s3 tenant": {**_user("tenant"), "tenant": "tenant"},
        "iam": _user("main"),
        "iam root": _user("main"),
        "iam alt root": _user("alt"),
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for name, values in sections.items()
    )


def _user(user: str) -> Mapping[str, str]:
    access, secret = key_of(user)
    return MappingProxyType(
        {
            "display_name": user,
            "user_id": user,
            "email": f"{user}@example.com",
            "access_key": access,
            "secret_key": secret,
        }
    )
