"""What is asked of KPIs, and how they answer."""

from __future__ import annotations

from datetime import date

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, Text
from crm_chassis.paging import PageQuery
from crm_reporting.kpis.periods import GRAINS

_FIRST_YEAR, _LAST_YEAR = date(1900, 1, 1), date(2999, 12, 31)
_VALUE = {"description": "In the KPI's unit: a decimal string for money, else a number; or null."}


def day(name: str, description: str) -> fields.Date:
    """A query parameter that is a day of a year that may be meant."""
    return fields.Date(
        data_key=name,
        validate=validate.Range(_FIRST_YEAR, _LAST_YEAR),
        metadata={"description": description},
    )


class Asked(Schema):
    """Which facts a figure is made of."""

    first = day("from", "The first day. Without from and to, what has no date counts too.")
    last = day("to", "The last day.")
    by = Text(metadata={"description": "The dimension to divide by."})
    level = fields.Integer(
        validate=validate.Range(0, 50),
        metadata={
            "description": "With by=team: count each team for the one above it with so many teams "
            "above it; 0 is the top. Without level each team stands for itself."
        },
    )
    members = fields.List(
        Text(empty=True),
        data_key="member",
        metadata={"description": "Only this member of the dimension, or these; empty is none."},
    )
    currency = Currency(metadata={"description": "Needed where amounts are in several."})


class KpiQuery(Asked):
    """How a KPI is divided."""

    grain = fields.String(
        validate=validate.OneOf(GRAINS), metadata={"description": "Divide into such periods."}
    )
    limit = fields.Integer(
        validate=validate.Range(1, 10_000),
        load_default=10_000,
        metadata={"description": "No more rows than this; the largest of the first periods."},
    )


class FactsQuery(Asked, PageQuery):
    """Which facts behind a figure, and which page of them."""

    undated = fields.Boolean(
        load_default=False, metadata={"description": "Only what has no date yet."}
    )
    step = Text(metadata={"description": "Of a funnel: the step that was taken."})
    cursor = fields.String()


class KpiDefinition(Schema):
    """What a KPI is."""

    name = fields.String()
    title = fields.String()
    unit = fields.String()
    formula = fields.String()
    dated_by = fields.String(metadata={"description": "The business day that from and to are of."})
    dimensions = fields.List(fields.String(), metadata={"description": "What by may be."})
    grains = fields.List(fields.String())
    events = fields.List(fields.String(), metadata={"description": "What it comes from."})
    components = fields.List(fields.String())


class KpiDefinitions(Schema):
    items = fields.List(fields.Nested(KpiDefinition))


class Member(Schema):
    """A member of a dimension; its id is null for what has none."""

    id = fields.String(allow_none=True)
    name = fields.String()


class KpiRow(Schema):
    """A figure of one period and member, or of a funnel's step in them."""

    period = fields.String(
        allow_none=True, metadata={"description": "2022-09-05, 2022-W36, 2022-09, 2022-Q3, 2022"}
    )
    first = fields.Date(data_key="from", allow_none=True)
    last = fields.Date(data_key="to", allow_none=True)
    member = fields.Nested(Member, allow_none=True)
    step = fields.Nested(Member)
    value = fields.Raw(allow_none=True, metadata=_VALUE)
    conversion = fields.Float(allow_none=True)
    loss = fields.Float(allow_none=True)
    components = fields.Dict(metadata={"description": "The sums that the value is made of."})


class KpiAnswer(Schema):
    """A KPI's figures; ``as_of`` is when the newest event in them was taken in."""

    kpi = fields.String()
    title = fields.String()
    unit = fields.String()
    currency = fields.String(allow_none=True)
    first = fields.Date(data_key="from", allow_none=True)
    last = fields.Date(data_key="to", allow_none=True)
    grain = fields.String(allow_none=True)
    by = fields.String(allow_none=True)
    level = fields.Integer(allow_none=True)
    as_of = Instant(allow_none=True)
    rows = fields.List(fields.Nested(KpiRow))
    truncated = fields.Boolean(metadata={"description": "True when there are more rows."})
    total = fields.Nested(KpiRow, metadata={"description": "Of all rows; not for funnels."})


class FactView(Schema):
    """A row behind a figure."""

    kind = fields.String(metadata={"description": "opportunities, leads, tickets, targets, ..."})
    id = fields.String()
    name = fields.String(allow_none=True)
    day = fields.Date(allow_none=True)
    currency = fields.String(allow_none=True)
    components = fields.Dict(metadata={"description": "What it adds to each sum of the figure."})
