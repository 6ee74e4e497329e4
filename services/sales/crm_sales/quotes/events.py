"""What quotes tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text, instant_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.quotes.models import Quote, QuoteLine


def quote_state(quote: Quote) -> dict[str, Any]:
    return {
        "id": quote.id,
        "number": quote.number,
        "version_number": quote.version_number,
        "opportunity_id": quote.opportunity_id,
        "account_id": quote.account_id,
        "contact_id": quote.contact_id,
        "owner_id": quote.owner_id,
        "team_id": quote.team_id,
        "status": quote.status,
        "currency": quote.currency,
        "subtotal": decimal_text(quote.subtotal),
        "discount": decimal_text(quote.discount),
        "tax": decimal_text(quote.tax),
        "total": decimal_text(quote.total),
        "valid_until": day_text(quote.valid_until),
        "sent_at": instant_text(quote.sent_at),
        "decided_on": day_text(quote.decided_on),
        "superseded_by_id": quote.superseded_by_id,
        "order_id": quote.order_id,
        "lines": [_line_state(line) for line in quote.lines],
    }


def _line_state(line: QuoteLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "product_id": line.product_id,
        "product_name": line.product_name,
        "quantity": decimal_text(line.quantity),
        "unit_price": decimal_text(line.unit_price),
        "discount": decimal_text(line.discount),
        "tax_rate": decimal_text(line.tax_rate),
        "total": decimal_text(line.total),
    }


def quote_told(session: Session, quote: Quote, verb: str) -> None:
    """:param verb: ``created``, ``changed``, ``sent``, ``accepted``, ``rejected`` or
    ``expired``."""
    record(session, f"crm.sales.quote.{verb}.v1", quote, quote_state)
