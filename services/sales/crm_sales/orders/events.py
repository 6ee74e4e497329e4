"""What orders tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text, instant_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.orders.models import Order, OrderLine, OrderReturn


def order_state(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "external_id": order.external_id,
        "number": order.number,
        "account_id": order.account_id,
        "contact_id": order.contact_id,
        "opportunity_id": order.opportunity_id,
        "quote_id": order.quote_id,
        "contract_id": order.contract_id,
        "campaign_id": order.campaign_id,
        "owner_id": order.owner_id,
        "team_id": order.team_id,
        "status": order.status,
        "return_status": order.return_status,
        "payment_overdue": order.payment_overdue,
        "currency": order.currency,
        "subtotal": decimal_text(order.subtotal),
        "discount": decimal_text(order.discount),
        "tax": decimal_text(order.tax),
        "total": decimal_text(order.total),
        "paid_amount": decimal_text(order.paid_amount),
        "returned_amount": decimal_text(order.returned_amount),
        "placed_on": day_text(order.placed_on),
        "placed_at": instant_text(order.placed_at),
        "paid_on": day_text(order.paid_on),
        "fulfilled_on": day_text(order.fulfilled_on),
        "completed_on": day_text(order.completed_on),
        "cancelled_on": day_text(order.cancelled_on),
        "lines": [_line_state(line) for line in order.lines],
    }


def _line_state(line: OrderLine) -> dict[str, Any]:
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


_NO_PAYMENT = {"receipt_id": None, "amount": None}


def order_told(session: Session, order: Order, verb: str) -> None:
    """:param verb: ``placed``, ``changed``, ``paid``, ``fulfilled``, ``completed``,
    ``cancelled``, ``payment_overdue`` or ``payment_settled``."""
    change = _NO_PAYMENT if verb in ("changed", "paid") else None
    record(session, f"crm.sales.order.{verb}.v1", order, order_state, change=change)


def order_payment(session: Session, order: Order, receipt_id: str, amount: Decimal) -> None:
    """``paid`` when nothing is open any more, else ``changed``.

    :param amount: what was paid, below zero for what was taken back.
    """
    verb = "paid" if order.paid_on is not None and amount > 0 else "changed"
    change = {"receipt_id": receipt_id, "amount": decimal_text(amount)}
    record(session, f"crm.sales.order.{verb}.v1", order, order_state, change=change)


def order_returned(session: Session, order: Order, returned: OrderReturn) -> None:
    change = {
        "return_id": returned.id,
        "returned_on": day_text(returned.returned_on),
        "amount": decimal_text(returned.amount),
        "lines": [
            {
                "line_id": line.line_id,
                "product_id": line.product_id,
                "quantity": decimal_text(line.quantity),
                "amount": decimal_text(line.amount),
            }
            for line in returned.lines
        ],
    }
    record(session, "crm.sales.order.returned.v1", order, order_state, change=change)
