"""Crossdock: an S3-compatible gateway through which companies exchange files under policy."""

__version__ = "0.1.0"
