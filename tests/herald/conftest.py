"""Gateways whose parties have webhooks, and receivers behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.harness import FILES, TOPOLOGY, Gateway
from tests.receiver import Receiver

SECRET = "env:SECRET_OF_THE_WEBHOOK"
"""The harness takes a reference for the secret itself."""

Make = Callable[..., Gateway]


def topology(**urls: str) -> str:
    """The harness's own, with a webhook `feed` for each party that has a URL."""
    text = TOPOLOGY
    for party, url in urls.items():
        hook = f"    webhooks: {{feed: {{url: '{url}', secret: '{SECRET}'}}}}\n"
        text = text.replace(f"  {party}:\n", f"  {party}:\n{hook}", 1)
    return text


def arn(party: str, webhook: str = "feed") -> str:
    return f"arn:crossdock:sqs:us-east-1:{party}:{webhook}"


def queue(party: str, *events: str, **more: Any) -> dict[str, Any]:
    made = {"QueueArn": arn(party), "Events": list(events or ("s3:ObjectCreated:*",)), **more}
    return {"QueueConfigurations": [made]}


def watch(client: Any, bucket: str, configuration: dict[str, Any], *, test: bool = False) -> None:
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=not test
    )


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Receiver())


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Make]:
    """Gateways by the URLs of their parties' webhooks."""
    with ExitStack() as stack:

        def make(clock: Any = None, **urls: str) -> Gateway:
            files = {**FILES, "topology.yaml": topology(**urls)}
            more = {"clock": clock} if clock else {}
            return stack.enter_context(Gateway(tmp_path / "gateway", files, **more))

        yield make
