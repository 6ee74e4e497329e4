"""Customer requests out of a file: each row says a request as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields, owned_by
from crm_chassis.auth import Principal
from crm_chassis.calendar import start_of
from crm_chassis.database import new_id
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_sales import replicas
from crm_sales.products.models import Product
from crm_sales.requests import commands, events
from crm_sales.requests.models import CLOSED, CustomerRequest, StatusChange

_DELIVERED = ("delivered", "confirmed")
_NEEDED = {
    "evaluated": ("sales_value",),
    "planned": ("planned_delivery_on",),
    "in_development": ("started_on",),
    "delivered": ("delivered_on",),
    "confirmed": ("delivered_on", "closed_on"),
    "declined": ("closed_on", "declined_reason"),
}
_ONLY_OF = {"delivered_on": _DELIVERED, "closed_on": CLOSED, "declined_reason": ("declined",)}
_IN_ORDER = (
    ("opened_on", "started_on"),
    ("opened_on", "delivered_on"),
    ("opened_on", "closed_on"),
    ("delivered_on", "closed_on"),
    ("planned_start_on", "planned_delivery_on"),
)
_OTHER_OWNERS = ("development_owner", "service_owner")


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert requests; their log begins with the status that they come in with."""
    _resolve(session, rows)
    for row in rows:
        row.values.setdefault("status", "open")
        _check(row)
    created: list[CustomerRequest] = []

    def create(session: Session, values: dict[str, Any]) -> CustomerRequest:
        request = CustomerRequest(
            **{"id": new_id()} | owned_by(principal) | values | _moments(session, values)
        )
        session.add(request)
        created.append(request)
        return request

    upsert(session, CustomerRequest, key, rows, create=create, change=_change)
    session.flush()
    for request in created:
        commands.write_log(session, request, None)
        events.request_opened(session, request)


def _resolve(session: Session, rows: Sequence[Row]) -> None:
    """Replace names by what they stand for."""
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "contact", "contact_id", replicas.contacts_by_key)
    resolve(session, rows, "product", "product_id", Product.__table__)
    resolve_owner(session, rows)
    for name in _OTHER_OWNERS:
        resolve(session, rows, name, f"{name}_id", directory.users)


def _check(row: Row) -> None:
    values, status = row.values, row.values["status"]
    for name in _NEEDED.get(status, ()):
        if name not in values:
            row.refuse(name, f"Needed of a request that is {status}.")
    for name, of in _ONLY_OF.items():
        if name in values and status not in of:
            row.refuse(name, f"A request that is {status} has none.")
    for first, then in _IN_ORDER:
        if first in values and then in values and values[then] < values[first]:
            row.refuse(then, f"Before {first}, {values[first]}.")
    if ("sales_value" in values) != ("currency" in values):
        row.refuse("currency", "An amount and its currency go together.")


def _moments(session: Session, values: dict[str, Any]) -> dict[str, datetime | None]:
    """The moments that stand for the days of a row."""

    def at(day: date | None) -> datetime | None:
        return None if day is None else start_of(session, day)

    delivered_on, closed_on = values.get("delivered_on"), values.get("closed_on")
    since = closed_on or delivered_on or values["opened_on"]
    if values["status"] == "in_development":
        since = values["started_on"]
    return {
        "opened_at": start_of(session, values["opened_on"]),
        "delivered_at": at(delivered_on),
        "closed_at": at(closed_on),
        "status_since": start_of(session, since),
    }


def _change(session: Session, request: CustomerRequest, values: dict[str, Any]) -> bool:
    """Have a request that is there stand as the row says; a day that it leaves out is none."""
    days = {name: values.get(name) for name in _ONLY_OF}
    from_status, since = request.status, request.status_since
    moments = _moments(session, values) if _redated(request, values | days) else {}
    if not change_fields(request, values | days | moments):
        return False
    if request.status == from_status:
        events.request_changed(session, request)
        return True
    seconds = max(0, int((request.status_since - since).total_seconds()))
    moved = StatusChange(from_status, request.status, seconds)
    commands.write_log(session, request, moved)
    events.request_moved(session, request, moved)
    return True


def _redated(request: CustomerRequest, values: dict[str, Any]) -> bool:
    """True when the row says another status or other days than those that the moments are of.

    The moments of what was done here are better than those that stand for days.
    """
    dated = ("status", "opened_on", "delivered_on", "closed_on")
    return any(values.get(name) != getattr(request, name) for name in dated)
