"""``/v1/invoices``"""

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
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.invoices import commands
from crm_sales.invoices.models import Invoice
from crm_sales.invoices.schemas import InvoiceView, NewInvoice, Voiding
from crm_sales.orders import queries as orders

READ, WRITE = "sales.invoices.read", commands.WRITE

LISTING = Listing(
    Invoice,
    sorts={"issued_on": Invoice.issued_on, "due_on": Invoice.due_on},
    default="-issued_on",
    filters={
        "status": equals(Invoice.status),
        "order_id": equals(Invoice.order_id, Reference),
        "account_id": equals(Invoice.account_id, Reference),
        "contact_id": equals(Invoice.contact_id, Reference),
        "owner_id": equals(Invoice.owner_id, Reference),
        "team_id": equals(Invoice.team_id, Reference),
        "number": equals(Invoice.number),
        "currency": equals(Invoice.currency),
        "issued_on_from": at_least(Invoice.issued_on, fields.Date),
        "issued_on_to": at_most(Invoice.issued_on, fields.Date),
    },
)

blueprint = Blueprint("invoices", __name__, url_prefix="/v1/invoices", description="Invoices")


def _visible_invoices() -> Select[tuple[Invoice]]:
    return visible(select(Invoice), Invoice, READ)


@blueprint.route("")
class Invoices(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(InvoiceView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Invoice]:
        """List invoices."""
        return LISTING.page(session, _visible_invoices(), query)

    @writes(WRITE)
    @blueprint.arguments(NewInvoice)
    @blueprint.response(201, InvoiceView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Bill an order, in whole or by instalment."""
        order = orders.locked_named(session, values["order_id"], WRITE, "order_id")
        return versioned(session, commands.issue(session, order, values, business_day()))


@blueprint.route("/<uuid:invoice_id>")
class InvoiceById(MethodView):
    @reads(READ)
    @blueprint.response(200, InvoiceView)
    def get(self, invoice_id: object, session: Session) -> Any:
        """Read an invoice."""
        return versioned(session, visible_one(session, Invoice, invoice_id, READ))


@blueprint.route("/<uuid:invoice_id>/void")
class InvoiceVoiding(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Voiding)
    @blueprint.response(200, InvoiceView)
    def post(self, voiding: dict[str, Any], invoice_id: object, session: Session) -> Any:
        """Take back an invoice on which nothing was paid."""
        invoice = visible_one(session, Invoice, invoice_id, WRITE)
        orders.locked_all(session, [invoice.order_id])
        session.refresh(invoice)
        check_version(invoice)
        commands.void(session, invoice, voiding["reason"])
        return versioned(session, invoice)


EXPORT = Export("invoices", InvoiceView, LISTING, _visible_invoices, READ)
