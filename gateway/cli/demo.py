"""`crossdock demo`: the product's story, told by a gateway of its own."""

from __future__ import annotations

import click


@click.command()
def demo() -> None:
    """Soon."""
