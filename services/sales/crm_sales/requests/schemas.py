"""Customer requests as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.fields import Day
from crm_sales.requests.models import STATUSES


class RequestFields(Schema):
    """What sales says of a request."""

    external_id = Text(200, allow_none=True)
    title = Text(200, required=True)
    description = Text(4000, allow_none=True)
    account_id = Reference(required=True)
    contact_id = Reference(allow_none=True)
    opportunity_id = Reference(allow_none=True)
    product_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    sales_value = MoneyAmount(least=Decimal(0), allow_none=True)
    currency = Currency(allow_none=True)


class DevelopmentPart(Schema):
    """The schedule, from the department of development."""

    development_owner_id = Reference(allow_none=True)
    planned_start_on = fields.Date(allow_none=True)
    planned_delivery_on = fields.Date(allow_none=True)
    started_on = fields.Date(allow_none=True)


class ServicePart(Schema):
    """The customer's feedback, from the department of service."""

    service_owner_id = Reference(allow_none=True)
    feedback = Text(4000, allow_none=True)
    satisfaction = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 5))


class RequestView(RequestFields, DevelopmentPart, ServicePart):
    """A request as stored, with its turnaround."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    status = fields.String(dump_only=True, validate=validate.OneOf(STATUSES))
    status_since = Instant(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)
    opened_at = Instant(dump_only=True)
    opened_on = fields.Date(dump_only=True)
    delivered_on = fields.Date(dump_only=True, allow_none=True)
    closed_on = fields.Date(dump_only=True, allow_none=True)
    declined_reason = fields.String(dump_only=True, allow_none=True)
    seconds_to_delivery = fields.Integer(dump_only=True, allow_none=True)
    seconds_to_confirmation = fields.Integer(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class RequestRow(Schema):
    """A request as a row of a file has it, as it stands.

    Account, contact, product and the owners go by external id or name, a contact by external id
    alone, an opportunity not at all.
    """

    external_id = Text(200)
    title = Text(200, required=True)
    description = Text(4000)
    account = Text(200, required=True)
    contact = Text(200)
    product = Text(200)
    owner = Text(200)
    status = fields.String(validate=validate.OneOf(STATUSES))
    opened_on = Day(required=True)
    sales_value = MoneyAmount(least=Decimal(0))
    currency = Currency()
    development_owner = Text(200)
    planned_start_on = Day()
    planned_delivery_on = Day()
    started_on = Day()
    delivered_on = Day()
    closed_on = Day()
    declined_reason = Text(200)
    service_owner = Text(200)
    feedback = Text(4000)
    satisfaction = fields.Integer(validate=validate.Range(1, 5))


class RequestMove(Schema):
    """Where a request goes."""

    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    reason = Text(200, metadata={"description": "Why it is declined."})


class RequestEntryView(Schema):
    """One line of a request's log."""

    from_status = fields.String(allow_none=True)
    to_status = fields.String()
    seconds = fields.Integer(allow_none=True)
    entered_at = Instant()
    actor = fields.String()
