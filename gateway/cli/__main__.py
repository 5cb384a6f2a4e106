"""`python -m gateway.cli` is `crossdock`."""

from gateway.cli.main import main

main(prog_name="crossdock")
