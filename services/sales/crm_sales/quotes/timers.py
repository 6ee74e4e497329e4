"""What becomes of quotes when their time is up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm_sales.due import lock_due
from crm_sales.quotes import events
from crm_sales.quotes.models import Quote

QUOTE_EXPIRY = "sales.quote_expiry"


def expire(session: Session, quote_ids: Sequence[str], now: datetime) -> None:
    """Have the quotes expire that nobody answered."""
    for quote in lock_due(session, QUOTE_EXPIRY, Quote, quote_ids, now):
        if quote.expire():
            events.quote_told(session, quote, "expired")


TIMERS = {QUOTE_EXPIRY: expire}
