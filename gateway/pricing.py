"""`prices:` of gateway.yaml: what a GiB costs where it lies, and where it leaves."""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.policy.costs import Price, Prices
from gateway.policy.schema import Entry
from gateway.policy.values import Text, mistake, shown

STORE_TYPES = ("file", "s3", "azure", "gcs", "sftp")
PRICED_MAX = 10_000


def money(value: Any) -> Any:
    """A price without its currency: `0.023`, `12`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        raise mistake(f"{shown(value)} is no price; expected a number like 0.023")
    return Decimal(text)


def priced(text: str) -> str:
    """What has a price: a type of store, or one store as PARTY/STORE."""
    party, slash, store = text.partition("/")
    if not (text in STORE_TYPES or (slash and party and store and "/" not in store)):
        types = ", ".join(STORE_TYPES)
        raise mistake(f"`{text}` is no store; expected {types}, or one store like globex/home")
    return text


Money = Annotated[Decimal, BeforeValidator(money)]


class PriceEntry(Entry):
    storage: Money = Field(default=Decimal(0), description="Of one GiB that lies there a month.")
    egress: Money = Field(default=Decimal(0), description="Of one GiB that leaves its cloud.")


class PricesEntry(Entry):
    currency: Text = Field(default="", description="Shown beside amounts.")
    stores: Annotated[
        dict[Annotated[str, AfterValidator(priced)], PriceEntry], Field(max_length=PRICED_MAX)
    ] = Field(default={}, description="By type of store, or of one store (PARTY/STORE).")

    @property
    def prices(self) -> Prices:
        by = {name: Price(each.storage, each.egress) for name, each in self.stores.items()}
        return Prices(self.currency, MappingProxyType(by))
