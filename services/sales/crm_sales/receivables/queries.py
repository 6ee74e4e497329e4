"""What is asked about receivables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_sales.receivables.models import Receivable


def of_order(session: Session, order_id: str) -> Sequence[Receivable]:
    """The receivables of an order that count, by the day they are due."""
    return of_orders(session, [order_id])[order_id]


def of_orders(session: Session, order_ids: Iterable[str]) -> dict[str, list[Receivable]]:
    """The receivables of each order that count, by the day they are due."""
    found: dict[str, list[Receivable]] = defaultdict(list)
    for receivable in session.scalars(
        select(Receivable)
        .where(Receivable.order_id.in_(set(order_ids)), Receivable.status != "void")
        .order_by(Receivable.due_on, Receivable.position)
    ):
        found[receivable.order_id].append(receivable)
    return found


def of_invoices(session: Session, invoice_ids: Iterable[str]) -> Sequence[Receivable]:
    """The receivables of some invoices, also those without effect."""
    return session.scalars(
        select(Receivable).where(Receivable.invoice_id.in_(set(invoice_ids)))
    ).all()


def by_id(session: Session, receivable_ids: Iterable[str]) -> dict[str, Receivable]:
    """Receivables by their keys."""
    found = session.scalars(select(Receivable).where(Receivable.id.in_(set(receivable_ids))))
    return {receivable.id: receivable for receivable in found}
