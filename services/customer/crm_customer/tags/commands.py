"""What can be done with tags and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.calendar import start_of, today
from crm_chassis.custom_fields import declared_fields
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row
from crm_chassis.problems import conflict, invalid, not_found
from crm_chassis.scheduler import set_timers
from crm_customer.kinds import KINDS
from crm_customer.search.conditions import tag_holds
from crm_customer.search.terms import tagged
from crm_customer.tags import bearing, conditions, events, queries
from crm_customer.tags.bearing import Categories
from crm_customer.tags.conditions import Misput
from crm_customer.tags.evaluation import told_changed
from crm_customer.tags.models import MOST_RULES, MOST_TAGS, Tag, TagRule

SWEEP_TIMER = "customer.tag_sweep"
"""Asks the rules about all customers of one kind, a few at a time."""
NEW_DAY_TIMER = "customer.tag_day"
"""Asks the rules that depend on today's date, when that changes."""


def create_tag(session: Session, values: Mapping[str, Any]) -> Tag:
    """Add a tag.

    :raises Problem: 409 when there are as many as there may be, or one with this key.
    """
    _require_room(session, Tag, MOST_TAGS)
    tag = Tag(**{"id": new_id()} | dict(values))
    session.add(tag)
    events.tag_told(session, tag, "created")
    return tag


def change_tag(session: Session, tag: Tag, changes: dict[str, Any]) -> None:
    """Change how a tag looks."""
    if change_fields(tag, changes):
        events.tag_told(session, tag, "changed")


def delete_tag(session: Session, tag: Tag) -> None:
    """Delete a tag that nobody bears and no rule gives.

    :raises Problem: 409 otherwise.
    """
    if session.scalar(select(TagRule.id).where(TagRule.tag == tag.key).limit(1)):
        raise conflict("A rule gives this tag.")
    for kind in KINDS.values():
        model = kind.model
        if session.scalar(select(model.id).where(tag_holds(model, tagged(tag.key))).limit(1)):
            raise conflict("Customers bear this tag.")
    session.delete(tag)
    events.tag_deleted(session, tag)


def create_rule(session: Session, values: Mapping[str, Any]) -> TagRule:
    """Add a rule; it is asked about all customers at once.

    :raises Problem: 422 for a condition that cannot be asked or a tag that is not there.
    """
    _require_room(session, TagRule, MOST_RULES)
    usual = {"id": new_id(), "match": "all", "position": 0, "active": True}
    rule = TagRule(**usual | dict(values))
    _require_sound(session, rule)
    session.add(rule)
    events.rule_told(session, rule, "created")
    sweep(session, [rule.kind], utc_now())
    expect_new_day(session, [rule])
    return rule


def change_rule(session: Session, rule: TagRule, changes: dict[str, Any]) -> None:
    """Change a rule; what it no longer gives is taken.

    :raises Problem: as :func:`create_rule`.
    """
    if change_fields(rule, changes):
        _require_sound(session, rule)
        events.rule_told(session, rule, "changed")
        sweep(session, [rule.kind], utc_now())
        expect_new_day(session, [rule])


def delete_rule(session: Session, rule: TagRule) -> None:
    """Delete a rule; what it gave is taken."""
    session.delete(rule)
    events.rule_deleted(session, rule)
    sweep(session, [rule.kind], utc_now())


def _require_room(session: Session, model: type[Any], most: int) -> None:
    if (session.scalar(select(func.count()).select_from(model)) or 0) >= most:
        raise conflict(f"There are {most} already.")


def _require_sound(session: Session, rule: TagRule) -> None:
    errors = []
    if session.scalar(select(Tag.id).where(Tag.key == rule.tag)) is None:
        errors.append(("tag", "No such tag."))
    model = KINDS[rule.kind].model
    declared = declared_fields(session, model.__tablename__)
    for number, condition in enumerate(rule.conditions):
        try:
            conditions.check(condition, model, declared)
        except Misput as error:
            errors.append((f"conditions.{number}.{error.field}", str(error)))
    if errors:
        raise invalid(*errors)


def give(session: Session, customer: Any, key: str) -> None:
    """Give a customer a tag by hand; it takes the place of another one of its category.

    :raises Problem: 404 when there is no such tag; 409 when another record stands for this one.
    """
    customer.require_standing()
    categories = queries.categories(session)
    if key not in categories:
        raise not_found("tag")
    if bearing.give(customer, key, categories):
        told_changed(session, customer)


def take(session: Session, customer: Any, key: str) -> None:
    """Take a tag that was given by hand.

    :raises Problem: 404 when the customer does not bear it; 409 when a rule gave it, or another
        record stands for this one.
    """
    customer.require_standing()
    if key not in customer.tags:
        raise not_found("tag of this customer")
    if key in customer.ruled_tags:
        raise conflict("A rule gives this tag. Give another one of its category in its place.")
    bearing.take(customer, key, queries.categories(session))
    told_changed(session, customer)


def sweep(session: Session, kinds: Iterable[str], now: datetime) -> None:
    """Have the rules be asked about all customers of these kinds."""
    set_timers(session, SWEEP_TIMER, {f"{kind}:": now for kind in kinds})


def expect_new_day(session: Session, rules: Iterable[TagRule]) -> None:
    """Have the rules that depend on the day be asked again when the next one begins."""
    if any(rule.active and moves_with_time(rule) for rule in rules):
        tomorrow = today(session) + timedelta(days=1)
        set_timers(session, NEW_DAY_TIMER, {"": start_of(session, tomorrow)})


def moves_with_time(rule: TagRule) -> bool:
    """True when the passing of days alone may change who meets the rule."""
    return any(map(conditions.moves_with_time, rule.conditions))


def resolve_tags(session: Session, rows: Sequence[Row]) -> Categories:
    """Refuse the rows of a file whose tags cannot be borne.

    :returns: what the tags are of; nothing when no row has any.
    """
    tagged_rows = [row for row in rows if "tags" in row.values]
    categories = queries.categories(session) if tagged_rows else {}
    for row in tagged_rows:
        keys = set(row.values["tags"])
        if unknown := sorted(keys - set(categories)):
            row.refuse("tags", f"No such tag: {', '.join(unknown)}.")
            continue
        of = [category for key in keys if (category := categories[key])]
        if len(of) > len(set(of)):
            row.refuse("tags", "Two of one category.")
    return categories
