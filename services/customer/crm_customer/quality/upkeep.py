"""Each record's quality, worked out again with every write of it."""

from __future__ import annotations

from typing import Any

from crm_customer.kinds import on_customers
from crm_customer.quality.scoring import quality_of


def watch_quality() -> None:
    """Keep the quality of each record from now on; once, however often it is asked for."""
    for moment in ("before_insert", "before_update"):
        on_customers(moment, _keep_quality)


def _keep_quality(_mapper: object, _connection: object, record: Any) -> None:
    """Write down how good a record is that is about to be stored."""
    found = quality_of(record)
    record.completeness, record.validity = found.completeness, found.validity
    record.quality = found.quality
