"""What receivables tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.receivables.models import Receivable


def receivable_state(receivable: Receivable) -> dict[str, Any]:
    return {
        "id": receivable.id,
        "order_id": receivable.order_id,
        "invoice_id": receivable.invoice_id,
        "account_id": receivable.account_id,
        "contact_id": receivable.contact_id,
        "owner_id": receivable.owner_id,
        "team_id": receivable.team_id,
        "due_on": day_text(receivable.due_on),
        "amount": decimal_text(receivable.amount),
        "paid_amount": decimal_text(receivable.paid_amount),
        "currency": receivable.currency,
        "status": receivable.status,
    }


def receivable_scheduled(session: Session, receivable: Receivable) -> None:
    record(session, "crm.sales.receivable.scheduled.v1", receivable, receivable_state)


def receivable_changed(session: Session, receivable: Receivable) -> None:
    record(session, "crm.sales.receivable.changed.v1", receivable, receivable_state)
