"""The sFTP door: file jobs written long ago see buckets as folders, and know no versions."""
