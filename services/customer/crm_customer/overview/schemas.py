"""The view of a customer as answers have it."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference
from crm_chassis.paging import PageQuery
from crm_customer.accounts.schemas import AccountView
from crm_customer.contacts.schemas import ContactView
from crm_customer.interactions.schemas import Content
from crm_customer.overview.rights import KINDS


class Lifecycle(Schema):
    """Where the customer stands, and the care that this stage gets."""

    stage = fields.String()
    since = fields.Date(allow_none=True)
    care = fields.String(allow_none=True)


class PreferredProduct(Schema):
    product_id = Reference(allow_none=True)
    name = fields.String(allow_none=True)
    quantity = MoneyAmount()


class BehaviourFigures(Schema):
    """How the customer behaves; cancelled orders and what came back count nowhere."""

    visits = fields.Integer()
    orders = fields.Integer()
    order_days = fields.Integer()
    first_order_on = fields.Date(allow_none=True)
    last_order_on = fields.Date(allow_none=True)
    purchase_cycle_days = fields.Float(
        allow_none=True, metadata={"description": "Mean gap of order days; null below two."}
    )
    currency = fields.String(allow_none=True, metadata={"description": "That of most orders."})
    spend = fields.Dict(fields.String(), MoneyAmount(), metadata={"description": "By currency."})
    products = fields.List(fields.Nested(PreferredProduct))
    line = fields.String(metadata={"example": "5 | 2 | 1000 | 3 months | A, B"})


class SummaryQuery(Schema):
    currency = Currency(metadata={"description": "Only customers who order mostly in it."})


class BehaviourSummary(Schema):
    """How the accounts, or the contacts, behave together who ordered at least once.

    A customer's orders of one day are one purchase. An order of an account and a contact counts
    for both.
    """

    customer_type = fields.String(validate=validate.OneOf(["account", "contact"]))
    customers = fields.Integer()
    repeat_customers = fields.Integer(
        metadata={"description": "Those who purchased twice or more."}
    )
    repeat_rate = fields.Float(allow_none=True)
    orders = fields.Integer()
    order_days = fields.Integer()
    mean_gap_days = fields.Float(
        allow_none=True, metadata={"description": "Of all gaps between purchases alike."}
    )
    mean_cycle_days = fields.Float(
        allow_none=True,
        metadata={"description": "Of the purchase cycles of all repeat customers alike."},
    )
    spend = fields.Dict(fields.String(), MoneyAmount(), metadata={"description": "By currency."})


class BehaviourSummaries(Schema):
    """Of each kind of customers that the caller may read."""

    items = fields.List(fields.Nested(BehaviourSummary))


class OrderSummary(Schema):
    id = Reference()
    number = fields.String(allow_none=True)
    status = fields.String()
    return_status = fields.String(allow_none=True)
    payment_overdue = fields.Boolean(allow_none=True)
    currency = fields.String()
    total = MoneyAmount()
    paid_amount = MoneyAmount(allow_none=True)
    returned_amount = MoneyAmount(allow_none=True)
    placed_on = fields.Date()
    owner_id = Reference(allow_none=True)


class OrderTotal(Schema):
    """Of one currency, without cancelled orders and less what came back."""

    currency = fields.String()
    orders = fields.Integer()
    spend = MoneyAmount()


class Orders(Schema):
    recent = fields.List(fields.Nested(OrderSummary))
    totals = fields.List(fields.Nested(OrderTotal))


class DealSummary(Schema):
    id = Reference()
    name = fields.String()
    pipeline = fields.String(allow_none=True)
    stage = fields.String()
    stage_type = fields.String()
    probability = fields.Integer(allow_none=True)
    amount = MoneyAmount(allow_none=True)
    currency = fields.String(allow_none=True)
    opened_on = fields.Date(allow_none=True)
    expected_close_on = fields.Date(allow_none=True)
    closed_on = fields.Date(allow_none=True)
    lost_reason = fields.String(allow_none=True)
    owner_id = Reference(allow_none=True)


class DealTotal(Schema):
    stage_type = fields.String()
    currency = fields.String(allow_none=True)
    deals = fields.Integer()
    amount = MoneyAmount(allow_none=True)


class Deals(Schema):
    open = fields.List(fields.Nested(DealSummary))
    past = fields.List(fields.Nested(DealSummary))
    totals = fields.List(fields.Nested(DealTotal))


class TicketSummary(Schema):
    id = Reference()
    number = fields.String()
    subject = fields.String(allow_none=True)
    type = fields.String()
    priority = fields.String()
    status = fields.String()
    opened_on = fields.Date()
    resolved_at = Instant(allow_none=True)
    owner_id = Reference(allow_none=True)


class TicketTotal(Schema):
    """Of one type: complaints, questions, incidents or requests."""

    type = fields.String()
    tickets = fields.Integer()
    open = fields.Integer()


class Tickets(Schema):
    open = fields.List(fields.Nested(TicketSummary))
    past = fields.List(fields.Nested(TicketSummary))
    totals = fields.List(fields.Nested(TicketTotal))


class TouchedCampaign(Schema):
    """A campaign that the customer came through, or bought after."""

    id = Reference()
    name = fields.String()
    channel = fields.String(allow_none=True)
    status = fields.String()
    starts_on = fields.Date(allow_none=True)
    ends_on = fields.Date(allow_none=True)


class InteractionSummary(Schema):
    id = Reference()
    kind = fields.String()
    direction = fields.String()
    channel = fields.String()
    occurred_at = Instant()
    seconds = fields.Integer(allow_none=True)
    subject = Content(500, allow_none=True)
    outcome = fields.String(allow_none=True)
    owner_id = Reference(allow_none=True)


class InteractionTotal(Schema):
    kind = fields.String()
    interactions = fields.Integer()


class Interactions(Schema):
    recent = fields.List(fields.Nested(InteractionSummary))
    totals = fields.List(fields.Nested(InteractionTotal))


class NextActionView(Schema):
    """An open task, or the next step of an open deal."""

    kind = fields.String(validate=validate.OneOf(["task", "next_step"]))
    ref = Reference()
    title = fields.String(allow_none=True)
    due_on = fields.Date(allow_none=True)
    due_at = Instant(allow_none=True)
    priority = fields.String(allow_none=True)
    owner_id = Reference(allow_none=True)


class _CustomerOverview(Schema):
    """A part that the caller has no right to is null."""

    lifecycle = fields.Nested(Lifecycle)
    behaviour = fields.Nested(BehaviourFigures, allow_none=True)
    orders = fields.Nested(Orders, allow_none=True)
    deals = fields.Nested(Deals, allow_none=True)
    tickets = fields.Nested(Tickets, allow_none=True)
    campaigns = fields.List(fields.Nested(TouchedCampaign), allow_none=True)
    interactions = fields.Nested(Interactions, allow_none=True)
    next_actions = fields.List(fields.Nested(NextActionView), allow_none=True)


class AccountOverview(_CustomerOverview):
    """All that is known of an account. A part that the caller has no right to is null."""

    account = fields.Nested(AccountView, attribute="customer")


class ContactOverview(_CustomerOverview):
    """All that is known of a contact. A part that the caller has no right to is null."""

    contact = fields.Nested(ContactView, attribute="customer")


class TimelineQuery(PageQuery):
    kind = fields.List(
        fields.String(validate=validate.OneOf(KINDS)),
        load_default=list(KINDS),
        validate=validate.Length(1, len(KINDS)),
    )
    cursor = fields.String()


class EntryView(Schema):
    """Something that happened: an order was paid, a deal lost, a call made."""

    id = Reference()
    at = Instant()
    kind = fields.String(validate=validate.OneOf(KINDS))
    what = fields.String(metadata={"example": "placed"})
    ref = Reference(metadata={"description": "The key of the order, deal or other thing."})
    facts = fields.Dict(fields.String(), fields.Raw(allow_none=True))
