"""What is asked of reports, and how they answer."""

from __future__ import annotations

from marshmallow import Schema, fields

from crm_chassis.fields import Currency, Instant, MoneyAmount
from crm_reporting.kpis.schemas import day


class SalesReportQuery(Schema):
    """The months of a sales report."""

    first = day("from", "A day in the first month; eleven months before the last one if not given.")
    last = day("to", "A day in the last month; today's if not given.")
    currency = Currency()


class SalesReportRow(Schema):
    """One month's sales beside its target."""

    month = fields.String()
    sales = MoneyAmount()
    quantity = fields.Integer()
    target = MoneyAmount()
    completion = fields.Float(allow_none=True)


class SalesReport(Schema):
    """Sales, quantity and completion by month."""

    currency = fields.String(allow_none=True)
    as_of = Instant(allow_none=True)
    rows = fields.List(fields.Nested(SalesReportRow))
    total = fields.Nested(SalesReportRow)


class FunnelReportQuery(Schema):
    """The cohort of a funnel report."""

    first = day("from", "First day of the cohort, the first of a month.")
    last = day("to", "Last day of the cohort, the last of a month.")


class FunnelReportStep(Schema):
    """One step of a funnel."""

    step = fields.String()
    title = fields.String()
    count = fields.Integer()
    conversion = fields.Float(allow_none=True)
    loss = fields.Float(allow_none=True)


class FunnelReportStage(FunnelReportStep):
    """One stage of a pipeline."""

    days = fields.Float(
        allow_none=True, metadata={"description": "Mean time in it before it was left."}
    )


class LeadStatusTime(Schema):
    """How long leads were in a status before they left it."""

    status = fields.String()
    days = fields.Float()


class FunnelReport(Schema):
    """From lead to won deal, through the stages of the pipelines, and the time it took."""

    as_of = Instant(allow_none=True)
    steps = fields.List(fields.Nested(FunnelReportStep))
    stages = fields.List(fields.Nested(FunnelReportStage))
    statuses = fields.List(fields.Nested(LeadStatusTime))
