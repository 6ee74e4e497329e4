"""What invoices tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.invoices.models import Invoice


def invoice_state(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        "order_id": invoice.order_id,
        "account_id": invoice.account_id,
        "contact_id": invoice.contact_id,
        "currency": invoice.currency,
        "subtotal": decimal_text(invoice.subtotal),
        "tax": decimal_text(invoice.tax),
        "total": decimal_text(invoice.total),
        "issued_on": day_text(invoice.issued_on),
        "due_on": day_text(invoice.due_on),
        "status": invoice.status,
        "owner_id": invoice.owner_id,
        "team_id": invoice.team_id,
    }


def invoice_issued(session: Session, invoice: Invoice) -> None:
    record(session, "crm.sales.invoice.issued.v1", invoice, invoice_state)


def invoice_changed(session: Session, invoice: Invoice) -> None:
    record(session, "crm.sales.invoice.changed.v1", invoice, invoice_state)


def invoice_voided(session: Session, invoice: Invoice) -> None:
    record(session, "crm.sales.invoice.voided.v1", invoice, invoice_state)
