"""Asking the rules about customers, many with each query."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.custom_fields import declared_fields
from crm_chassis.database import utc_now
from crm_chassis.scheduler import set_timers
from crm_customer.accounts.events import account_changed
from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_changed
from crm_customer.kinds import KINDS, Model
from crm_customer.tags import queries
from crm_customer.tags.attention import RECONSIDER_TIMER
from crm_customer.tags.bearing import Borne, Categories, bear, given_by_hand
from crm_customer.tags.conditions import met
from crm_customer.tags.models import TagRule

_SOON = timedelta(seconds=1)


def evaluate(session: Session, kind: str, customer_ids: Collection[str], today: date) -> None:
    """Give these accounts or contacts the tags that the rules say, and tell of who changed.

    Nothing that comes of it depends on what was given before: asked again, nothing changes.
    """
    rules, model = queries.rules_for(session, kind), KINDS[kind].model
    categories = queries.categories(session)
    declared = declared_fields(session, model.__tablename__)
    answers = [
        met(rule.match, rule.conditions, model, declared, today).label(f"rule_{number}")
        for number, rule in enumerate(rules)
    ]
    asked = model.id.in_(customer_ids), model.merged_into.is_(None)
    statement = select(model.id, model.tags, model.ruled_tags, *answers).where(*asked)
    rows = session.execute(statement if rules else statement.where(model.ruled_tags != ""))
    due: dict[str, list[str]] = {}
    for customer_id, tags, ruled_tags, *answered in rows:
        given = _given(rules, answered, categories)
        standing = Borne(tags, ruled_tags)
        if bear(standing, given_by_hand(standing), given, categories):
            due[customer_id] = given
    _apply(session, model, due, categories)


def _given(rules: Sequence[TagRule], answers: Sequence[bool], categories: Categories) -> list[str]:
    """The tags that the rules give who answers so: of a category, that of the first rule met."""
    found: dict[str, str] = {}
    for rule, answer in zip(rules, answers, strict=True):
        if answer:
            category = categories.get(rule.tag)
            found.setdefault(f"of {category}" if category else rule.tag, rule.tag)
    return list(found.values())


def _apply(
    session: Session, model: Model, due: Mapping[str, Sequence[str]], categories: Categories
) -> None:
    """Give the tags, to what the customers bear by now.

    Nobody is waited for: one that somebody is changing is asked about again soon after. So no
    request ever waits for one that waits for it.
    """
    if not due:
        return
    customers = session.scalars(
        select(model)
        .where(model.id.in_(due))
        .order_by(model.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    for customer in customers:
        if bear(customer, given_by_hand(customer), due[customer.id], categories):
            told_changed(session, customer)
    busy = due.keys() - {customer.id for customer in customers}
    set_timers(session, RECONSIDER_TIMER, dict.fromkeys(busy, utc_now() + _SOON))


def told_changed(session: Session, customer: Any) -> None:
    """Tell of a customer whose tags changed."""
    if isinstance(customer, Account):
        account_changed(session, customer)
    else:
        contact_changed(session, customer)
