"""Opportunities as requests and answers have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.competitors.schemas import ARGUMENTS
from crm_sales.currencies.schemas import RateValue
from crm_sales.fields import Percent
from crm_sales.opportunities.models import CHOSEN_CATEGORIES, FORECAST_CATEGORIES, MOST_COMPETITORS
from crm_sales.opportunities.valuation import MOST_UNITS
from crm_sales.pipelines.models import STAGE_TYPES

_QUANTITY = validate.Range(0, MOST_UNITS)
_KEY = validate.Length(1, 64)
_MOST_LINES = 200
_MOST_AT_ONCE = 1000


class OpportunityFields(Schema):
    """What a client says of an opportunity.

    Without an amount, it is worth its product's list price times the quantity.
    ``forecast_category`` is chosen for an open deal; null lets its probability say it again.
    """

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    product_id = Reference(allow_none=True)
    campaign_id = Reference(allow_none=True)
    source = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    amount = MoneyAmount()
    currency = Currency()
    quantity = fields.Integer(strict=True, validate=_QUANTITY)
    opened_on = fields.Date(allow_none=True)
    expected_close_on = fields.Date(allow_none=True)
    next_step = Text(200, allow_none=True)
    next_step_on = fields.Date(allow_none=True)
    forecast_category = fields.String(
        attribute="forecast_override", allow_none=True, validate=validate.OneOf(CHOSEN_CATEGORIES)
    )


class NewOpportunity(OpportunityFields):
    """An opportunity to open; in the default pipeline and its first stage unless said otherwise."""

    pipeline = fields.String(validate=_KEY)
    stage = fields.String(validate=_KEY)


class OpportunityView(OpportunityFields):
    """An opportunity as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    lead_id = Reference(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    pipeline = fields.String(dump_only=True)
    stage = fields.String(dump_only=True)
    stage_type = fields.String(dump_only=True, validate=validate.OneOf(STAGE_TYPES))
    stage_since = Instant(dump_only=True)
    probability = fields.Integer(dump_only=True)
    forecast_category = fields.String(dump_only=True, validate=validate.OneOf(FORECAST_CATEGORIES))
    exchange_rate = RateValue(dump_only=True, allow_none=True)
    base_amount = MoneyAmount(dump_only=True, allow_none=True)
    base_currency = fields.String(dump_only=True, allow_none=True)
    competitor_ids = fields.List(Reference(), dump_only=True)
    closed_on = fields.Date(dump_only=True, allow_none=True)
    lost_reason = fields.String(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class StageMove(Schema):
    """The open stage an opportunity goes to, of another pipeline if one is named."""

    stage = fields.String(required=True, validate=_KEY)
    pipeline = fields.String(validate=_KEY)


class Win(Schema):
    """The end of a deal that was won; today and at the present amount unless said otherwise."""

    closed_on = fields.Date()
    amount = MoneyAmount()


class Loss(Schema):
    """The end of a deal that was lost; today unless said otherwise.

    ``reason`` is the name of a managed reason or free text; ``competitor_id`` is who won the deal.
    """

    reason = Text(100, required=True)
    competitor_id = Reference()
    closed_on = fields.Date()


class Reopening(Schema):
    """Where a closed deal is taken up again; the first stage unless said otherwise."""

    stage = fields.String(validate=_KEY)


class StageEntryView(Schema):
    """One line of the stage log."""

    pipeline = fields.String(allow_none=True)
    from_stage = fields.String(allow_none=True)
    to_stage = fields.String()
    seconds = fields.Integer(allow_none=True)
    entered_at = Instant()
    actor = fields.String()


class ForecastEntryView(Schema):
    """One line of the forecast log: before a change and after it."""

    from_category = fields.String()
    to_category = fields.String()
    from_probability = fields.Integer()
    to_probability = fields.Integer()
    from_amount = MoneyAmount()
    to_amount = MoneyAmount()
    from_currency = fields.String()
    to_currency = fields.String()
    from_expected_close_on = fields.Date(allow_none=True)
    to_expected_close_on = fields.Date(allow_none=True)
    changed_at = Instant()
    actor = fields.String()


class LineItemFields(Schema):
    """A line of what is sold; without a price it costs what the price list or the product says."""

    product_id = Reference(required=True)
    description = Text(500, allow_none=True)
    quantity = MoneyAmount(required=True)
    unit_price = MoneyAmount(least=Decimal(0))
    discount_percent = Percent(load_default=Decimal(0))


class LineItems(Schema):
    """All lines of a deal, in order."""

    lines = fields.List(
        fields.Nested(LineItemFields), required=True, validate=validate.Length(0, _MOST_LINES)
    )
    price_list_id = Reference()


class LineItemView(LineItemFields):
    """A line as stored."""

    id = Reference(dump_only=True)
    price_list_id = Reference(dump_only=True, allow_none=True)
    total = MoneyAmount(dump_only=True)


class LineItemsView(Schema):
    """The lines of a deal and what they make it worth."""

    lines = fields.List(fields.Nested(LineItemView), attribute="line_items")
    amount = MoneyAmount()
    currency = fields.String()
    quantity = fields.Integer()


class CompetitorOfDeal(Schema):
    """A competitor that is met on a deal, and what speaks for and against it there."""

    competitor_id = Reference(required=True)
    strengths = Text(ARGUMENTS, allow_none=True)
    weaknesses = Text(ARGUMENTS, allow_none=True)


class CompetitorsOfDeal(Schema):
    """All competitors that are met on a deal."""

    competitors = fields.List(
        fields.Nested(CompetitorOfDeal),
        required=True,
        validate=validate.Length(0, MOST_COMPETITORS),
    )

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        ids = [competitor["competitor_id"] for competitor in values["competitors"]]
        _refuse_twice("competitors", "competitor_id", ids)


class CompetitorOfDealView(CompetitorOfDeal):
    """A competitor of a deal as stored."""

    took_the_deal = fields.Boolean(dump_only=True)


class BulkItem(Schema):
    """One of many deals; with a version it is left alone if it is of another one."""

    id = Reference(required=True)
    version = fields.Integer(strict=True)


class BulkChange(Schema):
    """What happens to many deals: a new owner, another open stage of their pipeline, or both."""

    items = fields.List(
        fields.Nested(BulkItem), required=True, validate=validate.Length(1, _MOST_AT_ONCE)
    )
    owner_id = Reference(allow_none=True)
    stage = fields.String(validate=_KEY)

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        if not {"owner_id", "stage"} & values.keys():
            raise ValidationError("Say an owner_id, a stage, or both.")
        _refuse_twice("items", "id", [item["id"] for item in values["items"]])


def _refuse_twice(field: str, name: str, ids: Iterable[str]) -> None:
    ids = list(ids)
    times = Counter(ids)
    twice = {place: {name: ["Is there twice."]} for place, id_ in enumerate(ids) if times[id_] > 1}
    if twice:
        raise ValidationError({field: twice})


class FieldRefusal(Schema):
    """A field that stood in the way."""

    field = fields.String()
    detail = fields.String()


class Refusal(Schema):
    """Why a deal was left as it is; as in a problem."""

    status = fields.Integer()
    detail = fields.String()
    errors = fields.List(fields.Nested(FieldRefusal))


class BulkOutcome(Schema):
    """What became of one deal."""

    id = Reference()
    outcome = fields.String(validate=validate.OneOf(["changed", "unchanged", "refused"]))
    version = fields.Integer(allow_none=True)
    refusal = fields.Nested(Refusal, allow_none=True)


class BulkResult(Schema):
    """What became of many deals, in the order asked for."""

    changed = fields.Integer()
    unchanged = fields.Integer()
    refused = fields.Integer()
    results = fields.List(fields.Nested(BulkOutcome))


class TotalView(Schema):
    """What the deals of one currency add up to."""

    currency = fields.String()
    count = fields.Integer()
    amount = MoneyAmount()
    weighted_amount = MoneyAmount()


class TotalsView(Schema):
    """What deals add up to, each currency by itself; and those with a value in a base currency."""

    by_currency = fields.List(fields.Nested(TotalView))
    in_base = fields.List(fields.Nested(TotalView))


class OpportunityRow(Schema):
    """An opportunity as a row of a file has it.

    Account, product, campaign and owner go by external id or name. The row says the deal as it
    stands, with the days on which it was opened, came into its stage and was closed.
    """

    external_id = Text(200)
    name = Text(200)
    account = Text(200)
    product = Text(200)
    campaign = Text(200)
    owner = Text(200)
    source = Text(100)
    pipeline = fields.String(validate=_KEY)
    stage = fields.String(validate=_KEY)
    stage_since = fields.Date()
    amount = MoneyAmount()
    currency = Currency()
    quantity = fields.Integer(validate=_QUANTITY)
    opened_on = fields.Date()
    expected_close_on = fields.Date()
    closed_on = fields.Date()
    lost_reason = Text(100)
    next_step = Text(200)
    next_step_on = fields.Date()
    forecast_category = fields.String(
        attribute="forecast_override", validate=validate.OneOf(CHOSEN_CATEGORIES)
    )
