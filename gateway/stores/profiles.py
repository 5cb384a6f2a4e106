"""What each kind of cloud store can do and how much it holds: one record a kind."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """`part_bytes` and `parts_at_once` bound the memory of one upload; `metadata_bytes_max` is
    the cloud's limit for names and values together, less a little for what it may count besides;
    `identifiers` tells that metadata names must be C# identifiers; `headers` are the content
    headers that it holds as such."""

    kind: str
    part_bytes: int
    parts_at_once: int
    metadata_bytes_max: int
    identifiers: bool
    headers: frozenset[str] = frozenset(
        {
            "content-type",
            "cache-control",
            "content-disposition",
            "content-encoding",
            "content-language",
        }
    )


MIB = 1024 * 1024

PROFILES = MappingProxyType(
    {
        # docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html: 2 KB
        "s3": Profile("s3", 8 * MIB, 3, 1900, False),
        # learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties...: 8 KiB
        "azure": Profile("azure", 8 * MIB, 3, 7800, True),
        # cloud.google.com/storage/quotas: 8 KiB
        "gcs": Profile("gcs", 8 * MIB, 3, 7800, False),
    }
)
