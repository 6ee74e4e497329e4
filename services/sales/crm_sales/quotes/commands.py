"""What can be done with quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id
from crm_chassis.problems import invalid
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales import document_lines, numbers
from crm_sales.discounts.queries import check_discounts
from crm_sales.opportunities.models import Opportunity
from crm_sales.opportunities.queries import named
from crm_sales.orders import commands as orders
from crm_sales.quotes import events
from crm_sales.quotes.models import Quote, QuoteLine, QuoteNumber
from crm_sales.quotes.timers import QUOTE_EXPIRY
from crm_sales.references import require_known

WRITE = "sales.quotes.write"
_VALID_FOR = timedelta(days=30)


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Quote:
    """A draft of the first version under a new number."""
    require_known(session, values)
    if opportunity_id := values.get("opportunity_id"):
        values = _defaults(named(session, opportunity_id)) | values
    if values.get("currency") is None:
        raise invalid(("currency", "Needed without an opportunity."))
    quote = Quote(
        id=new_id(),
        number="",
        version_number=1,
        status="draft",
        opportunity_id=values.get("opportunity_id"),
        account_id=values.get("account_id"),
        contact_id=values.get("contact_id"),
        currency=values["currency"],
        valid_until=values.get("valid_until", today + _VALID_FOR),
        terms=values.get("terms"),
    )
    assign(session, quote, values.get("owner_id", default_owner(principal)), WRITE)
    _offer(session, principal, quote, values.get("lines", []))
    (serial,) = numbers.serials(session, QuoteNumber, [quote.id])
    quote.number = numbers.number("QU", today.year, serial)
    session.add(quote)
    events.quote_told(session, quote, "created")
    return quote


def _defaults(opportunity: Opportunity) -> dict[str, Any]:
    names = ("account_id", "contact_id", "currency", "owner_id")
    return {name: getattr(opportunity, name) for name in names}


def _offer(
    session: Session, principal: Principal, quote: Quote, given: Sequence[Mapping[str, Any]]
) -> None:
    """Have the quote offer these lines.

    :raises Problem: 422 naming each line that is wrong, or lets off more than the principal may.
    """
    lines, offered = document_lines.completed(session, given, quote.currency)
    check_discounts(session, principal, offered)
    quote.offer([QuoteLine(**line) for line in lines])


def change(session: Session, principal: Principal, quote: Quote, changes: dict[str, Any]) -> None:
    """Change a draft."""
    quote.require_draft()
    require_known(session, changes)
    lines = changes.pop("lines", None)
    if "owner_id" in changes and changes["owner_id"] != quote.owner_id:
        assign(session, quote, changes["owner_id"], WRITE)
    change_fields(quote, changes)
    if lines is not None:
        _offer(session, principal, quote, lines)
    if session.is_modified(quote):
        events.quote_told(session, quote, "changed")


def send(session: Session, quote: Quote, today: date) -> None:
    """Put a draft before the customer; it expires unless it is decided in time."""
    quote.send(today)
    set_timers(session, QUOTE_EXPIRY, {quote.id: calendar.end_of(session, quote.valid_until)})
    events.quote_told(session, quote, "sent")


def accept(session: Session, principal: Principal, quote: Quote, on: date) -> None:
    """Have the customer accept: what the quote offers is ordered in the same transaction."""
    quote.accept(on)
    cancel_timers(session, QUOTE_EXPIRY, [quote.id])
    quote.order_id = orders.place(session, principal, _ordered(session, quote, on)).id
    events.quote_told(session, quote, "accepted")


def _ordered(session: Session, quote: Quote, on: date) -> dict[str, Any]:
    campaign = select(Opportunity.campaign_id).where(Opportunity.id == quote.opportunity_id)
    return {
        "account_id": quote.account_id,
        "contact_id": quote.contact_id,
        "opportunity_id": quote.opportunity_id,
        "quote_id": quote.id,
        "campaign_id": session.scalar(campaign),
        "owner_id": quote.owner_id,
        "currency": quote.currency,
        "placed_on": on,
        "lines": [
            {
                "product_id": line.product_id,
                "product_name": line.product_name,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "discount_percent": line.discount_percent,
                "tax_rate": line.tax_rate,
            }
            for line in quote.lines
        ],
    }


def reject(session: Session, quote: Quote, on: date, reason: str) -> None:
    """Have the customer decline."""
    quote.reject(on, reason)
    cancel_timers(session, QUOTE_EXPIRY, [quote.id])
    events.quote_told(session, quote, "rejected")


def revise(session: Session, quote: Quote, today: date) -> Quote:
    """Draft the next version; the earlier one can be accepted no more."""
    revision = quote.revised()
    if revision.valid_until < today:
        revision.valid_until = today + _VALID_FOR
    cancel_timers(session, QUOTE_EXPIRY, [quote.id])
    session.add(revision)
    events.quote_told(session, quote, "changed")
    events.quote_told(session, revision, "created")
    return revision
