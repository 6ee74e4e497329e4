"""``/v1/receivables``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one
from crm_chassis.auth import visible
from crm_chassis.fields import Reference
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, reads, versioned
from crm_sales.receivables.models import Receivable
from crm_sales.receivables.schemas import ReceivableView

READ = "sales.receivables.read"

LISTING = Listing(
    Receivable,
    sorts={"due_on": Receivable.due_on},
    default="due_on",
    filters={
        "status": equals(Receivable.status),
        "order_id": equals(Receivable.order_id, Reference),
        "invoice_id": equals(Receivable.invoice_id, Reference),
        "account_id": equals(Receivable.account_id, Reference),
        "contact_id": equals(Receivable.contact_id, Reference),
        "owner_id": equals(Receivable.owner_id, Reference),
        "team_id": equals(Receivable.team_id, Reference),
        "currency": equals(Receivable.currency),
        "due_on_from": at_least(Receivable.due_on, fields.Date),
        "due_on_to": at_most(Receivable.due_on, fields.Date),
    },
)

blueprint = Blueprint(
    "receivables", __name__, url_prefix="/v1/receivables", description="Receivables"
)


def _visible_receivables() -> Select[tuple[Receivable]]:
    return visible(select(Receivable), Receivable, READ)


@blueprint.route("")
class Receivables(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ReceivableView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Receivable]:
        """List receivables."""
        return LISTING.page(session, _visible_receivables(), query)


@blueprint.route("/<uuid:receivable_id>")
class ReceivableById(MethodView):
    @reads(READ)
    @blueprint.response(200, ReceivableView)
    def get(self, receivable_id: object, session: Session) -> Any:
        """Read a receivable."""
        return versioned(session, visible_one(session, Receivable, receivable_id, READ))


EXPORT = Export("receivables", ReceivableView, LISTING, _visible_receivables, READ)
