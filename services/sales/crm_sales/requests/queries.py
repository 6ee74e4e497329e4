"""What is asked about customer requests."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, rows_in_scope
from crm_chassis.problems import not_found
from crm_sales.requests.models import CustomerRequest, RequestEntry


def visible_requests(permission: str) -> Select[tuple[CustomerRequest]]:
    """Those in the permission's scope, and those in which the principal has a part."""
    principal = current_principal()
    return select(CustomerRequest).where(
        or_(
            rows_in_scope(principal, permission, CustomerRequest.owner_id, CustomerRequest.team_id),
            CustomerRequest.development_owner_id == principal.id,
            CustomerRequest.service_owner_id == principal.id,
        )
    )


def visible_request(session: Session, request_id: object, permission: str) -> CustomerRequest:
    """One request.

    :raises Problem: 404, whether it is not there or not visible.
    """
    statement = visible_requests(permission).where(CustomerRequest.id == str(request_id))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise not_found("request")
    return found


def log(session: Session, request_id: str) -> Sequence[RequestEntry]:
    """The way of one request, oldest first."""
    return session.scalars(
        select(RequestEntry)
        .where(RequestEntry.request_id == request_id)
        .order_by(RequestEntry.entered_at, RequestEntry.id)
    ).all()
