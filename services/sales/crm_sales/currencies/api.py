"""``/v1/exchange-rates`` and ``/v1/settings/currency``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.currencies import commands, queries
from crm_sales.currencies.models import ExchangeRate
from crm_sales.currencies.schemas import (
    CurrencySettingsFields,
    CurrencySettingsView,
    RateFields,
    RateView,
)

READ, WRITE = "sales.currencies.read", "sales.currencies.write"

LISTING = Listing(
    ExchangeRate,
    sorts={"valid_from": ExchangeRate.valid_from},
    default="-valid_from",
    filters={
        "base_currency": equals(ExchangeRate.base_currency),
        "currency": equals(ExchangeRate.currency),
        "valid_from_from": at_least(ExchangeRate.valid_from, fields.Date),
        "valid_from_to": at_most(ExchangeRate.valid_from, fields.Date),
    },
)

blueprint = Blueprint("currencies", __name__, url_prefix="/v1", description="Exchange rates")


@blueprint.route("/exchange-rates")
class ExchangeRates(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(RateView))
    def get(self, query: dict[str, Any], session: Session) -> Page[ExchangeRate]:
        """List exchange rates."""
        return LISTING.page(session, select(ExchangeRate), query)

    @writes(WRITE)
    @blueprint.arguments(RateFields)
    @blueprint.response(200, RateView)
    def put(self, values: dict[str, Any], session: Session) -> Any:
        """Set what a currency is worth in the base currency from a day on."""
        return versioned(session, commands.put_rate(session, values))


@blueprint.route("/settings/currency")
class CurrencySetting(MethodView):
    @reads(READ)
    @blueprint.response(200, CurrencySettingsView)
    def get(self, session: Session) -> Any:
        """Read the base currency."""
        return versioned(session, queries.settings(session))

    @writes(WRITE, act="settings.change", keeps=CurrencySettingsFields().fields, if_match=True)
    @blueprint.arguments(CurrencySettingsFields)
    @blueprint.response(200, CurrencySettingsView)
    def put(self, values: dict[str, Any], session: Session) -> Any:
        """Choose the base currency."""
        settings = queries.settings(session, lock=True)
        check_version(settings)
        chosen = commands.set_base_currency(session, settings, values["base_currency"])
        return versioned(session, chosen)


IMPORTER = Importer("exchange-rates", RateFields, commands.import_rows, WRITE, keys=("currency",))
EXPORT = Export("exchange-rates", RateView, LISTING, lambda: select(ExchangeRate), READ)
