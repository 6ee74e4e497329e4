"""What is asked about quotes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import visible
from crm_chassis.problems import not_found
from crm_chassis.web import check_version
from crm_sales import replicas
from crm_sales.quotes.models import Quote
from crm_sales.quotes.pdf import Parties


def one(session: Session, quote_id: object, permission: str, *, lock: bool = False) -> Quote:
    """A quote with its lines.

    :param lock: keep others from changing it until the transaction ends.
    :raises Problem: 404, whether it is not there or not visible.
    """
    statement = visible(select(Quote).where(Quote.id == str(quote_id)), Quote, permission)
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if found is None:
        raise not_found("quote")
    return found


def to_change(session: Session, quote_id: object, permission: str) -> Quote:
    """Like :func:`one`, locked, for a client that has seen the version it changes.

    :raises Problem: 404 or 412.
    """
    quote = one(session, quote_id, permission, lock=True)
    check_version(quote)
    return quote


def versions(session: Session, quote: Quote, permission: str) -> Sequence[Quote]:
    """Every version under a quote's number, the first one first."""
    statement = visible(select(Quote).where(Quote.number == quote.number), Quote, permission)
    return session.scalars(statement.order_by(Quote.version_number)).all()


def parties(session: Session, quote: Quote) -> Parties:
    """Who is named on a quote."""
    account = _name(session, replicas.accounts, quote.account_id)
    contact = _name(session, replicas.contacts, quote.contact_id)
    return Parties(
        customer=account or contact,
        attention=contact if account else None,
        seller=_name(session, directory.users, quote.owner_id),
    )


def _name(session: Session, table: Table, key: str | None) -> str | None:
    return key and session.scalar(select(table.c.name).where(table.c.id == key))
