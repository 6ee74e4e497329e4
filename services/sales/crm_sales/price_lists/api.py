"""``/v1/price-lists``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.price_lists import commands
from crm_sales.price_lists.models import Price, PriceList
from crm_sales.price_lists.schemas import (
    PriceListFields,
    PriceListView,
    PriceRow,
    PriceView,
    ProductPrices,
)

READ, WRITE = "sales.price_lists.read", "sales.price_lists.write"

LISTING = Listing(
    PriceList,
    sorts={"name": PriceList.name, "created_at": PriceList.created_at},
    default="name",
    filters={
        "external_id": equals(PriceList.external_id),
        "currency": equals(PriceList.currency),
        "team_id": equals(PriceList.team_id, Reference),
        "segment": equals(PriceList.segment),
        "active": equals(PriceList.active, fields.Boolean),
        "valid_from_to": at_most(PriceList.valid_from, fields.Date),
        "valid_to_from": at_least(PriceList.valid_to, fields.Date),
    },
    search=[PriceList.name, PriceList.segment],
)
PRICES = Listing(
    Price,
    sorts={"id": Price.id},
    default="id",
    filters={"product_id": equals(Price.product_id, Reference)},
)

blueprint = Blueprint(
    "price_lists", __name__, url_prefix="/v1/price-lists", description="Price lists"
)


def _price_list(session: Session, price_list_id: object, *, lock: bool = False) -> PriceList:
    found = session.get(PriceList, str(price_list_id), with_for_update=lock)
    if found is None:
        raise not_found("price list")
    return found


def _to_change(session: Session, price_list_id: object) -> PriceList:
    price_list = _price_list(session, price_list_id, lock=True)
    check_version(price_list)
    return price_list


@blueprint.route("")
class PriceLists(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(PriceListView))
    def get(self, query: dict[str, Any], session: Session) -> Page[PriceList]:
        """List price lists."""
        return LISTING.page(session, select(PriceList), query)

    @writes(WRITE)
    @blueprint.arguments(PriceListFields)
    @blueprint.response(201, PriceListView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a price list."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:price_list_id>")
class PriceListById(MethodView):
    @reads(READ)
    @blueprint.response(200, PriceListView)
    def get(self, price_list_id: object, session: Session) -> Any:
        """Read a price list."""
        return versioned(session, _price_list(session, price_list_id))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(PriceListFields))
    @blueprint.response(200, PriceListView)
    def patch(self, changes: dict[str, Any], price_list_id: object, session: Session) -> Any:
        """Change a price list."""
        price_list = _to_change(session, price_list_id)
        commands.change(session, price_list, changes)
        return versioned(session, price_list)


@blueprint.route("/<uuid:price_list_id>/prices")
class PriceListPrices(MethodView):
    @reads(READ)
    @blueprint.arguments(PRICES.schema, location="query")
    @blueprint.response(200, page_schema(PriceView))
    def get(self, query: dict[str, Any], price_list_id: object, session: Session) -> Page[Price]:
        """List the prices of a price list."""
        price_list = _price_list(session, price_list_id)
        return PRICES.page(
            session, select(Price).where(Price.price_list_id == price_list.id), query
        )


@blueprint.route("/<uuid:price_list_id>/prices/<uuid:product_id>")
class PriceListPricesOfProduct(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(ProductPrices)
    @blueprint.response(200, PriceListView)
    def put(
        self, values: dict[str, Any], price_list_id: object, product_id: object, session: Session
    ) -> Any:
        """Set all prices of a product, by the quantity from which they hold."""
        price_list = _to_change(session, price_list_id)
        breaks = {price["from_quantity"]: price["unit_price"] for price in values["prices"]}
        commands.set_prices(session, price_list, str(product_id), breaks)
        return versioned(session, price_list)


IMPORTER = Importer(
    "price-list-prices", PriceRow, commands.import_prices, WRITE, keys=("price_list",)
)
EXPORT = Export("price-lists", PriceListView, LISTING, lambda: select(PriceList), READ)
