"""Crossdock: an S3-compatible gateway through which companies exchange files under policy."""
