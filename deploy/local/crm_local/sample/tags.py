"""How the sample company tells its customers apart, and who is nobody's."""

from __future__ import annotations

from collections.abc import Sequence

from crm_local.sample.customers import REFERENCE_TAG, Customer
from crm_local.sample.deals import Deal
from crm_local.sample.records import CURRENCY, Entry

_RELEASED = 4
_TAGS = (
    ("key-account", "value", "Key account", "#1A7F37"),
    ("quiet", "care", "沉睡客户", "#9A6700"),
    (REFERENCE_TAG, "programme", "Reference customer", "#0969DA"),
)
_RULES = (
    ("Spent over 60,000 in a year", "key-account", "spend", "60000", 12),
    ("Half a year without an order", "quiet", "days_since_order", "180", None),
)


def make_tags() -> list[Entry]:
    """The tags there are."""
    return [
        Entry({"key": key, "category": category, "label": label, "colour": colour})
        for key, category, label, colour in _TAGS
    ]


def make_tag_rules() -> list[Entry]:
    """The rules that give them."""
    return [_rule(*rule) for rule in _RULES]


def _rule(name: str, tag: str, field: str, value: str, months: int | None) -> Entry:
    condition = {"field": field, "op": "over", "value": value}
    if months:
        condition |= {"within_months": months, "currency": CURRENCY}
    return Entry({"name": name, "kind": "account", "tag": tag, "conditions": [condition]})


def make_released(customers: Sequence[Customer], deals: Sequence[Deal]) -> list[str]:
    """Customers with whom nothing is open: nobody looks after them any more."""
    busy = {deal.account for deal in deals if deal.course.closing is None}
    return [each.external_id for each in customers if each.external_id not in busy][:_RELEASED]
