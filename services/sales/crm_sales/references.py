"""That what a request refers to is there: things of sales, or of others as the replicas have them.

What was made in another service a moment ago may not be known here yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.problems import invalid
from crm_sales import replicas
from crm_sales.contracts.models import Contract
from crm_sales.opportunities.models import Opportunity
from crm_sales.products.models import Product
from crm_sales.quotes.models import Quote

_TABLES: dict[str, Any] = {
    "account_id": replicas.accounts,
    "contact_id": replicas.contacts,
    "campaign_id": replicas.campaigns,
    "opportunity_id": Opportunity.__table__,
    "quote_id": Quote.__table__,
    "contract_id": Contract.__table__,
    "product_id": Product.__table__,
}


def unknown(session: Session, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields that refer to what is not there, each with what to say of it."""
    return [
        (field, f"No such {field.removesuffix('_id')}.")
        for field, table in _TABLES.items()
        if (key := values.get(field)) is not None
        and session.scalar(select(table.c.id).where(table.c.id == key)) is None
    ]


def require_known(session: Session, values: Mapping[str, Any]) -> None:
    """:raises Problem: 422 naming every field that refers to what is not there."""
    if errors := unknown(session, values):
        raise invalid(*errors)
