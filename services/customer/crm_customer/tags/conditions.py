"""The conditions of rules: what they may ask of a customer, and how that is asked of the database.

A condition is ``{"field", "op", "value"}``; one on a figure may say ``within_months``, counted back
from today, and one on spend its ``currency``, which is the customer's main one otherwise.
"""

from __future__ import annotations

import operator
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from marshmallow import ValidationError
from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select

from crm_chassis.custom_fields.declarations import CustomField, Declared
from crm_chassis.custom_fields.lists import RANGED, comparable, holds
from crm_chassis.custom_fields.values import VALUE_TYPES
from crm_chassis.database import Money
from crm_customer.accounts.models import Account
from crm_customer.behaviour.models import customer_figures
from crm_customer.contacts.models import Contact
from crm_customer.kinds import Model
from crm_customer.lifecycle.models import Lifecycle
from crm_customer.lifecycle.stages import POTENTIAL
from crm_customer.replicas import orders, tickets

MOST_MONTHS = 120
Condition = Mapping[str, Any]

_COMMON = ("region", "level", "satisfaction", "source")
_TEXTS: Mapping[Model, Sequence[str]] = {
    Account: (*_COMMON, "kind", "industry"),
    Contact: (*_COMMON, "sex", "job_title"),
}
_NUMBERS: Mapping[Model, Sequence[str]] = {
    Account: ("employees", "annual_revenue"),
    Contact: (),
}
FIGURES = ("spend", "orders", "tickets", "complaints")
"""What can be asked of the last months as well as of all time."""
_AGES = ("days_since_order",)
_STAGE = "stage"
_CUSTOM = "custom."

TEXT_OPS = ("is", "is_not")
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "is": operator.eq,
    "over": operator.gt,
    "at_least": operator.ge,
    "under": operator.lt,
    "at_most": operator.le,
}
OPS = (*_COMPARISONS, "is_not")
_NOTHING = Decimal(0)
_MOST = Decimal(10) ** 14
_MOST_DAYS = 36_500


class Misput(ValueError):
    """A condition that cannot be asked; ``field`` is the part of it that is wrong."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def own_fields(model: Model) -> list[str]:
    """The columns of a customer that conditions may be on."""
    return [*_TEXTS[model], *_NUMBERS[model], "custom"]


def fields_of(model: Model, declared: Declared) -> list[str]:
    """What a condition on such a customer can be on.

    :param declared: its custom fields. What those tell of a person is not asked: whoever may see
        the tags would be told.
    """
    custom = [f"{_CUSTOM}{field.key}" for field in declared.values() if not field.personal]
    return [*_TEXTS[model], _STAGE, *_NUMBERS[model], *FIGURES, *_AGES, *custom]


def check(condition: Condition, model: Model, declared: Declared) -> None:
    """:raises Misput: when it cannot be asked of such a customer."""
    field, op, value = condition["field"], condition["op"], condition["value"]
    if field not in (known := fields_of(model, declared)):
        raise Misput("field", f"Can be: {', '.join(known)}.")
    if field.startswith(_CUSTOM):
        _check_custom(declared[field.removeprefix(_CUSTOM)], op, value)
    elif field in _TEXTS[model] or field == _STAGE:
        if op not in TEXT_OPS:
            raise Misput("op", f"Can be: {', '.join(TEXT_OPS)}.")
        if not all(isinstance(text, str) for text in _listed(value)):
            raise Misput("value", "Must be a text, or a list of them.")
    else:
        if op not in _COMPARISONS:
            raise Misput("op", f"Can be: {', '.join(_COMPARISONS)}.")
        number = _number(value)
        if field in _AGES and not 0 <= number <= _MOST_DAYS:
            raise Misput("value", f"Must be from 0 to {_MOST_DAYS} days.")
    if "within_months" in condition and field not in FIGURES:
        raise Misput("within_months", f"Goes with: {', '.join(FIGURES)}.")
    if "currency" in condition and field != "spend":
        raise Misput("currency", "Goes with spend.")


def _check_custom(field: CustomField, op: str, value: Any) -> None:
    ops = tuple(_COMPARISONS) if field.type in RANGED else TEXT_OPS
    if op not in ops:
        raise Misput("op", f"Can be: {', '.join(ops)}.")
    if field.type in RANGED and isinstance(value, list):
        raise Misput("value", "Must be one value.")
    try:
        _custom_values(field, value)
    except ValidationError as error:
        raise Misput("value", " ".join(map(str, error.messages))) from None


def _custom_values(field: CustomField, value: Any) -> list[Any]:
    criterion = VALUE_TYPES[field.type].criterion(field)
    return [criterion.deserialize(each) for each in _listed(value)]


def moves_with_time(condition: Condition) -> bool:
    """True when a customer may come to meet it, or no longer do, by the mere passing of days."""
    return "within_months" in condition or condition["field"] in _AGES


def met(
    match: str, conditions: Sequence[Condition], model: Model, declared: Declared, today: date
) -> ColumnElement[bool]:
    """True for the customers that meet all of the conditions, or any; never null."""
    join = and_ if match == "all" else or_
    return join(*(_met(condition, model, declared, today) for condition in conditions))


def _met(
    condition: Condition, model: Model, declared: Declared, today: date
) -> ColumnElement[bool]:
    field, op, value = condition["field"], condition["op"], condition["value"]
    if field.startswith(_CUSTOM):
        return _custom(model, declared.get(field.removeprefix(_CUSTOM)), op, value)
    if field in _TEXTS[model]:
        return _among(getattr(model, field), op, _listed(value))
    if field == _STAGE:
        stage = select(Lifecycle.stage).where(Lifecycle.id == model.id).scalar_subquery()
        return _among(func.coalesce(stage, POTENTIAL), op, _listed(value))
    number = _number(value)
    if field in _AGES:
        return _older(model, op, int(number), today)
    if field in _NUMBERS[model]:
        column = getattr(model, field)
        return func.coalesce(_COMPARISONS[op](column, number), false())
    return _COMPARISONS[op](_figure(condition, model, today), number)


def _custom(model: Model, field: CustomField | None, op: str, value: Any) -> ColumnElement[bool]:
    """On a custom field; what was declared otherwise since then is met by nobody."""
    try:
        values = _custom_values(field, value) if field else []
    except ValidationError:
        values = []
    if field is None or not values:
        return false()
    if field.type in RANGED:
        found = _COMPARISONS[op](comparable(model.custom, field), values[0])
        return func.coalesce(found, false())
    held = func.coalesce(or_(*(holds(model.custom, field, each) for each in values)), false())
    return held if op == "is" else ~held


def _among(column: ColumnElement[str], op: str, values: Sequence[str]) -> ColumnElement[bool]:
    found = func.coalesce(column.in_(values), false())
    return found if op == "is" else ~found


def _older(model: Model, op: str, days: int, today: date) -> ColumnElement[bool]:
    """On the days since the last order; who never ordered meets nothing."""
    last = (
        select(customer_figures.c.last_order_on)
        .where(customer_figures.c.customer_id == model.id)
        .scalar_subquery()
    )
    turned = {"over": "under", "under": "over", "at_least": "at_most", "at_most": "at_least"}
    compare = _COMPARISONS[turned.get(op, op)]
    return func.coalesce(compare(last, today - timedelta(days=days)), false())


def _figure(condition: Condition, model: Model, today: date) -> ColumnElement[Any]:
    field = condition["field"]
    table = orders if field in ("spend", "orders") else tickets
    whose = table.c.account_id if model is Account else table.c.contact_id
    day = table.c.placed_on if table is orders else table.c.opened_on
    conditions = [whose == model.id]
    if months := condition.get("within_months"):
        conditions.append(day > months_before(today, months))
    if table is orders:
        conditions.append(orders.c.status != "cancelled")
    if field == "complaints":
        conditions.append(tickets.c.type == "complaint")
    if field != "spend":
        return select(func.count()).select_from(table).where(*conditions).scalar_subquery()
    conditions.append(orders.c.currency == _currency(condition, model))
    nothing = literal(_NOTHING, Money)
    spent = func.sum(orders.c.total - orders.c.returned_amount, type_=Money)
    return select(func.coalesce(spent, nothing)).where(*conditions).scalar_subquery()


def _currency(condition: Condition, model: Model) -> Any:
    if currency := condition.get("currency"):
        return currency
    return (
        select(customer_figures.c.currency)
        .where(customer_figures.c.customer_id == model.id)
        .correlate(model)  # it stands two selects deep, and would take all of them otherwise
        .scalar_subquery()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        raise Misput("value", "Must be a number.") from None
    if not number.is_finite() or abs(number) >= _MOST:
        raise Misput("value", "Must be a number of at most 14 digits.")
    return number


def months_before(day: date, months: int) -> date:
    """The same day so many months ago, or the last of its month where that has no such day."""
    count = day.year * 12 + day.month - 1 - months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
