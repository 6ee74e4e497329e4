"""What is told of customer requests."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text, instant_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.requests.models import CLOSED, CustomerRequest, StatusChange


def request_state(request: CustomerRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "title": request.title,
        "status": request.status,
        "account_id": request.account_id,
        "contact_id": request.contact_id,
        "opportunity_id": request.opportunity_id,
        "product_id": request.product_id,
        "owner_id": request.owner_id,
        "team_id": request.team_id,
        "development_owner_id": request.development_owner_id,
        "service_owner_id": request.service_owner_id,
        "sales_value": decimal_text(request.sales_value),
        "currency": request.currency,
        "opened_at": instant_text(request.opened_at),
        "opened_on": request.opened_on.isoformat(),
        "planned_start_on": day_text(request.planned_start_on),
        "planned_delivery_on": day_text(request.planned_delivery_on),
        "started_on": day_text(request.started_on),
        "delivered_on": day_text(request.delivered_on),
        "closed_on": day_text(request.closed_on),
        "declined_reason": request.declined_reason,
        "satisfaction": request.satisfaction,
        "seconds_to_delivery": request.seconds_to_delivery,
        "seconds_to_confirmation": request.seconds_to_confirmation,
    }


def request_opened(session: Session, request: CustomerRequest) -> None:
    record(session, "crm.sales.request.opened.v1", request, request_state)


def request_changed(session: Session, request: CustomerRequest) -> None:
    record(session, "crm.sales.request.changed.v1", request, request_state)


def request_moved(session: Session, request: CustomerRequest, change: StatusChange) -> None:
    """``closed`` when it was confirmed or declined, else ``status_changed``."""
    kind = "closed" if change.to_status in CLOSED else "status_changed"
    record(
        session,
        f"crm.sales.request.{kind}.v1",
        request,
        request_state,
        change={
            "from_status": change.from_status,
            "to_status": change.to_status,
            "seconds_in_status": change.seconds,
        },
    )
