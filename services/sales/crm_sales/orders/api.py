"""``/v1/orders`` and ``/v1/settings/orders``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields, visible_one
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import MoneyAmount, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.orders import commands, queries
from crm_sales.orders.imports import import_rows
from crm_sales.orders.models import Order, OrderReturn
from crm_sales.orders.schemas import (
    Cancellation,
    Completion,
    Fulfilment,
    NewOrder,
    NewReturn,
    OrderDetail,
    OrderFields,
    OrderRow,
    OrderSettingsFields,
    OrderSettingsView,
    OrderView,
    PaymentPlan,
    ReturnView,
)

READ, WRITE = "sales.orders.read", commands.WRITE
SETTINGS_READ, SETTINGS_WRITE = "sales.settings.read", "sales.settings.write"

LISTING = Listing(
    Order,
    sorts={"placed_at": Order.placed_at, "total": Order.total},
    default="-placed_at",
    filters={
        "status": equals(Order.status),
        "return_status": equals(Order.return_status),
        "payment_overdue": equals(Order.payment_overdue, fields.Boolean),
        "account_id": equals(Order.account_id, Reference),
        "contact_id": equals(Order.contact_id, Reference),
        "opportunity_id": equals(Order.opportunity_id, Reference),
        "quote_id": equals(Order.quote_id, Reference),
        "contract_id": equals(Order.contract_id, Reference),
        "campaign_id": equals(Order.campaign_id, Reference),
        "owner_id": equals(Order.owner_id, Reference),
        "team_id": equals(Order.team_id, Reference),
        "number": equals(Order.number),
        "external_id": equals(Order.external_id),
        "currency": equals(Order.currency),
        "total_from": at_least(Order.total, MoneyAmount),
        "total_to": at_most(Order.total, MoneyAmount),
        "placed_on_from": at_least(Order.placed_on, fields.Date),
        "placed_on_to": at_most(Order.placed_on, fields.Date),
    },
)

blueprint = Blueprint("orders", __name__, url_prefix="/v1", description="Orders")


def _visible_orders() -> Select[tuple[Order]]:
    return visible(select(Order), Order, READ)


@blueprint.route("/orders")
class Orders(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(OrderView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Order]:
        """List orders."""
        return LISTING.page(session, _visible_orders(), query)

    @writes(WRITE)
    @blueprint.arguments(NewOrder)
    @blueprint.response(201, OrderDetail)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Place an order."""
        return versioned(session, commands.place(session, current_principal(), values))


@blueprint.route("/orders/<uuid:order_id>")
class OrderById(MethodView):
    @reads(READ)
    @blueprint.response(200, OrderDetail)
    def get(self, order_id: object, session: Session) -> Any:
        """Read an order."""
        return versioned(session, visible_one(session, Order, order_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(OrderFields))
    @blueprint.response(200, OrderDetail)
    def patch(self, changes: dict[str, Any], order_id: object, session: Session) -> Any:
        """Change an order."""
        order = queries.locked_to_change(session, order_id, WRITE)
        commands.change(session, order, changes)
        return versioned(session, order)


@blueprint.route("/orders/<uuid:order_id>/payment-plan")
class OrderPaymentPlan(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(PaymentPlan)
    @blueprint.response(200, OrderDetail)
    def put(self, plan: dict[str, Any], order_id: object, session: Session) -> Any:
        """Have an order paid in instalments, its receivables, before anything of it is paid."""
        order = queries.locked_to_change(session, order_id, WRITE)
        commands.plan_payments(session, order, plan)
        return versioned(session, order)


@blueprint.route("/orders/<uuid:order_id>/fulfil")
class OrderFulfilment(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Fulfilment)
    @blueprint.response(200, OrderDetail)
    def post(self, fulfilment: dict[str, Any], order_id: object, session: Session) -> Any:
        """Deliver an order that is paid, or to be paid on terms that were agreed."""
        order = queries.locked_to_change(session, order_id, WRITE)
        commands.fulfil(session, order, fulfilment.get("fulfilled_on", business_day()))
        return versioned(session, order)


@blueprint.route("/orders/<uuid:order_id>/complete")
class OrderCompletion(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Completion)
    @blueprint.response(200, OrderDetail)
    def post(self, completion: dict[str, Any], order_id: object, session: Session) -> Any:
        """Be done with an order that is delivered and paid."""
        order = queries.locked_to_change(session, order_id, WRITE)
        commands.complete(session, order, completion.get("completed_on", business_day()))
        return versioned(session, order)


@blueprint.route("/orders/<uuid:order_id>/cancel")
class OrderCancellation(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Cancellation)
    @blueprint.response(200, OrderDetail)
    def post(self, cancellation: dict[str, Any], order_id: object, session: Session) -> Any:
        """Call an order off before it is delivered; what was paid for it becomes credit."""
        order = queries.locked_to_change(session, order_id, WRITE)
        on = cancellation.get("cancelled_on", business_day())
        commands.cancel(session, order, on, cancellation["reason"])
        return versioned(session, order)


@blueprint.route("/orders/<uuid:order_id>/returns")
class OrderReturns(MethodView):
    @reads(READ)
    @blueprint.response(200, ReturnView(many=True))
    def get(self, order_id: object, session: Session) -> Sequence[OrderReturn]:
        """What of an order came back."""
        return queries.returns(session, visible_one(session, Order, order_id, READ).id)

    @writes(WRITE, if_match=True)
    @blueprint.arguments(NewReturn)
    @blueprint.response(201, ReturnView)
    def post(self, new: dict[str, Any], order_id: object, session: Session) -> Any:
        """Take back goods of an order that was delivered."""
        order = queries.locked_to_change(session, order_id, WRITE)
        returned = commands.take_back(
            session,
            order,
            {line["line_id"]: line["quantity"] for line in new["lines"]}
            if "lines" in new
            else None,
            new.get("returned_on", business_day()),
            new.get("reason"),
        )
        _, etag = versioned(session, order)
        return returned, etag


@blueprint.route("/settings/orders")
class Settings(MethodView):
    @reads(SETTINGS_READ)
    @blueprint.response(200, OrderSettingsView)
    def get(self, session: Session) -> Any:
        """Read the rules for orders."""
        return versioned(session, queries.settings(session))

    @writes(
        SETTINGS_WRITE, act="settings.change", keeps=OrderSettingsFields().fields, if_match=True
    )
    @blueprint.arguments(changes_of(OrderSettingsFields))
    @blueprint.response(200, OrderSettingsView)
    def patch(self, changes: dict[str, Any], session: Session) -> Any:
        """Change rules for orders; they hold for orders placed from now on."""
        settings = queries.settings(session)
        check_version(settings)
        change_fields(settings, changes)
        return versioned(session, settings)


IMPORTER = Importer("orders", OrderRow, import_rows, WRITE)
EXPORT = Export("orders", OrderView, LISTING, _visible_orders, READ)
