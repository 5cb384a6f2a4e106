"""Keeps the promises that the catalog holds: every copy that was promised, verified, once."""
