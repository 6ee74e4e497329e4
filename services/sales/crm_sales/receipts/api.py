"""``/v1/receipts``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import MoneyAmount, Reference
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.orders import queries as orders
from crm_sales.receipts import commands, queries
from crm_sales.receipts.imports import import_rows
from crm_sales.receipts.models import Receipt
from crm_sales.receipts.schemas import (
    NewAllocation,
    NewReceipt,
    ReceiptDetail,
    ReceiptRow,
    ReceiptView,
    Reversal,
)

READ, WRITE = "sales.receipts.read", commands.WRITE

LISTING = Listing(
    Receipt,
    sorts={"received_on": Receipt.received_on, "amount": Receipt.amount},
    default="-received_on",
    filters={
        "status": equals(Receipt.status),
        "order_id": equals(Receipt.order_id, Reference),
        "invoice_id": equals(Receipt.invoice_id, Reference),
        "account_id": equals(Receipt.account_id, Reference),
        "contact_id": equals(Receipt.contact_id, Reference),
        "owner_id": equals(Receipt.owner_id, Reference),
        "team_id": equals(Receipt.team_id, Reference),
        "external_id": equals(Receipt.external_id),
        "reference": equals(Receipt.reference),
        "method": equals(Receipt.method),
        "currency": equals(Receipt.currency),
        "unallocated_amount_from": at_least(Receipt.unallocated_amount, MoneyAmount),
        "received_on_from": at_least(Receipt.received_on, fields.Date),
        "received_on_to": at_most(Receipt.received_on, fields.Date),
    },
)

blueprint = Blueprint("receipts", __name__, url_prefix="/v1/receipts", description="Receipts")


def _visible_receipts() -> Select[tuple[Receipt]]:
    return visible(select(Receipt), Receipt, READ)


@blueprint.route("")
class Receipts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ReceiptView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Receipt]:
        """List receipts."""
        return LISTING.page(session, _visible_receipts(), query)

    @writes(WRITE)
    @blueprint.arguments(NewReceipt)
    @blueprint.response(201, ReceiptDetail)
    @blueprint.alt_response(200, schema=ReceiptDetail, description="It was taken in before.")
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Take in a payment; what is more than the order has open is the customer's credit."""
        order_id, named_by = commands.order_of(session, values)
        order = orders.locked_named(session, order_id, WRITE, named_by) if order_id else None
        receipt, new = commands.record(session, current_principal(), values, order, business_day())
        _, etag = versioned(session, receipt)
        return receipt, 201 if new else 200, etag


@blueprint.route("/<uuid:receipt_id>")
class ReceiptById(MethodView):
    @reads(READ)
    @blueprint.response(200, ReceiptDetail)
    def get(self, receipt_id: object, session: Session) -> Any:
        """Read a receipt."""
        return versioned(session, visible_one(session, Receipt, receipt_id, READ))


@blueprint.route("/<uuid:receipt_id>/allocations")
class ReceiptAllocations(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(NewAllocation)
    @blueprint.response(200, ReceiptDetail)
    def post(self, new: dict[str, Any], receipt_id: object, session: Session) -> Any:
        """Have credit of a receipt count for another order of the customer."""
        visible_to_change(session, Receipt, receipt_id, WRITE)
        order = orders.locked_named(session, new["order_id"], WRITE, "order_id")
        receipt = _as_it_is(session, receipt_id)
        commands.allocate(session, receipt, order, new.get("amount"))
        return versioned(session, receipt)


@blueprint.route("/<uuid:receipt_id>/reversal")
class ReceiptReversal(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Reversal)
    @blueprint.response(200, ReceiptDetail)
    def post(self, reversal: dict[str, Any], receipt_id: object, session: Session) -> Any:
        """Take back a payment that did not come in after all."""
        visible_to_change(session, Receipt, receipt_id, WRITE)
        counted = orders.locked_all(session, queries.order_ids(session, str(receipt_id)))
        receipt = _as_it_is(session, receipt_id)
        on = reversal.get("reversed_on", business_day())
        commands.reverse(session, receipt, counted, on, reversal["reason"])
        return versioned(session, receipt)


def _as_it_is(session: Session, receipt_id: object) -> Receipt:
    """The receipt, locked after its orders, as the client has seen it."""
    receipt = queries.locked(session, [str(receipt_id)])[str(receipt_id)]
    check_version(receipt)
    return receipt


IMPORTER = Importer("receipts", ReceiptRow, import_rows, WRITE)
EXPORT = Export("receipts", ReceiptView, LISTING, _visible_receipts, READ)
