"""The operator's command line: `crossdock`."""

from gateway.cli.main import main

__all__ = ["main"]
