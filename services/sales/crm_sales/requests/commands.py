"""What can be done with customer requests."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.context import current_origin
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales import related
from crm_sales.products.models import Product
from crm_sales.requests import events
from crm_sales.requests.models import CustomerRequest, RequestEntry, StatusChange

WRITE = "sales.requests.write"


def open_request(
    session: Session, principal: Principal, values: dict[str, Any], today: date
) -> CustomerRequest:
    """Take in what a customer asks for.

    :raises Problem: 422 when it is about something that is not there or not visible.
    """
    now = utc_now()
    request = CustomerRequest(
        **{"id": new_id(), "status": "open"} | values,
        status_since=now,
        opened_at=now,
        opened_on=today,
    )
    _check(session, values, request)
    assign(session, request, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(request)
    session.flush()
    write_log(session, request, None)
    events.request_opened(session, request)
    return request


def change(session: Session, request: CustomerRequest, changes: dict[str, Any]) -> None:
    """Change the given fields; a new owner brings a new team.

    :raises Problem: 422 when it is to be about something that is not there or not visible.
    """
    given_away = "owner_id" in changes and changes["owner_id"] != request.owner_id
    if given_away:
        assign(session, request, changes["owner_id"], WRITE)
    if not change_fields(request, changes) and not given_away:
        return
    _check(session, changes, request)
    events.request_changed(session, request)


def _check(session: Session, values: dict[str, Any], request: CustomerRequest) -> None:
    for kind in ("account", "contact", "opportunity"):
        if values.get(f"{kind}_id") is not None:
            related.named(session, kind, values[f"{kind}_id"], f"{kind}_id")
    if values.get("product_id") and session.get(Product, values["product_id"]) is None:
        raise invalid(("product_id", "No such product."))
    for part in ("development_owner_id", "service_owner_id"):
        if values.get(part) is not None:
            _require_user(session, part, values[part])
    if (request.sales_value is None) != (request.currency is None):
        raise invalid(("currency", "An amount and its currency go together."))
    planned = request.planned_start_on, request.planned_delivery_on
    if None not in planned and planned[0] > planned[1]:
        raise invalid(("planned_delivery_on", "Before planned_start_on."))


def _require_user(session: Session, field: str, user_id: str) -> None:
    if user_id not in directory.active_users(session, [user_id]):
        raise invalid((field, "No such user."))


def move(
    session: Session, request: CustomerRequest, to_status: str, today: date, reason: str | None
) -> None:
    """Move a request to another status.

    :raises Problem: 409 when that does not follow from the present one; 422 when what it needs is
        missing.
    """
    moved = request.move(to_status, utc_now(), today, reason)
    write_log(session, request, moved)
    events.request_moved(session, request, moved)


def write_log(session: Session, request: CustomerRequest, change: StatusChange | None) -> None:
    """Write down since when a request is in its status.

    :param change: how it came into it; None when it came in with it.
    """
    origin = current_origin()
    session.add(
        RequestEntry(
            request_id=request.id,
            from_status=change.from_status if change else None,
            to_status=request.status,
            seconds=change.seconds if change else None,
            entered_at=request.status_since,
            actor=origin.actor if origin else "sales",
        )
    )
