"""``/v1/products``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.products import commands
from crm_sales.products.models import Product
from crm_sales.products.schemas import ProductFields, ProductRow, ProductView

READ, WRITE = "sales.products.read", "sales.products.write"

LISTING = Listing(
    Product,
    sorts={"name": Product.name, "created_at": Product.created_at},
    default="name",
    filters={
        "external_id": equals(Product.external_id),
        "name": equals(Product.name),
        "series": equals(Product.series),
        "active": equals(Product.active, fields.Boolean),
    },
    search=[Product.name, Product.series],
)

blueprint = Blueprint("products", __name__, url_prefix="/v1/products", description="Products")


def _product(session: Session, product_id: object) -> Product:
    found = session.get(Product, str(product_id))
    if found is None:
        raise not_found("product")
    return found


@blueprint.route("")
class Products(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ProductView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Product]:
        """List products."""
        return LISTING.page(session, select(Product), query)

    @writes(WRITE)
    @blueprint.arguments(ProductFields)
    @blueprint.response(201, ProductView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Offer a new product."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:product_id>")
class ProductById(MethodView):
    @reads(READ)
    @blueprint.response(200, ProductView)
    def get(self, product_id: object, session: Session) -> Any:
        """Read a product."""
        return versioned(session, _product(session, product_id))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(ProductFields))
    @blueprint.response(200, ProductView)
    def patch(self, changes: dict[str, Any], product_id: object, session: Session) -> Any:
        """Change a product."""
        product = _product(session, product_id)
        check_version(product)
        commands.change(session, product, changes)
        return versioned(session, product)


IMPORTER = Importer("products", ProductRow, commands.import_rows, WRITE)
EXPORT = Export("products", ProductView, LISTING, lambda: select(Product), READ)
