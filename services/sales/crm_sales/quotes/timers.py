"""What becomes of quotes when their time is up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from crm_sales.due import lock_due
from crm_sales.quotes import events
from crm_sales.quotes.models import Quote

QUOTE_EXPIRY = "sales.quote_expiry"


def expire(session: Session, quote_ids: Sequence[str], now: datetime) -> None:
    """Have the quotes expire that nobody answered."""
    locked = [quote.id for quote in lock_due(session, QUOTE_EXPIRY, Quote, quote_ids, now)]
    with_lines = select(Quote).where(Quote.id.in_(locked)).options(selectinload(Quote.lines))
    for quote in session.scalars(with_lines):
        if quote.expire():
            events.quote_told(session, quote, "expired")


TIMERS = {QUOTE_EXPIRY: expire}
