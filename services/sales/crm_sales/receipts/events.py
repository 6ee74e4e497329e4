"""What receipts tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.receipts.models import Receipt


def receipt_state(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "external_id": receipt.external_id,
        "account_id": receipt.account_id,
        "contact_id": receipt.contact_id,
        "order_id": receipt.order_id,
        "invoice_id": receipt.invoice_id,
        "amount": decimal_text(receipt.amount),
        "unallocated_amount": decimal_text(receipt.unallocated_amount),
        "currency": receipt.currency,
        "received_on": day_text(receipt.received_on),
        "method": receipt.method,
        "reference": receipt.reference,
        "status": receipt.status,
        "owner_id": receipt.owner_id,
        "team_id": receipt.team_id,
    }


def receipt_recorded(session: Session, receipt: Receipt) -> None:
    record(session, "crm.sales.receipt.recorded.v1", receipt, receipt_state)


def receipt_changed(session: Session, receipt: Receipt) -> None:
    record(session, "crm.sales.receipt.changed.v1", receipt, receipt_state)


def receipt_reversed(session: Session, receipt: Receipt) -> None:
    record(session, "crm.sales.receipt.reversed.v1", receipt, receipt_state)
