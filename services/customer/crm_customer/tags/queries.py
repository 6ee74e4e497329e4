"""What is asked about tags."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from crm_chassis.paging import Filter, one_or_several
from crm_customer.kinds import Model
from crm_customer.search.conditions import tag_holds
from crm_customer.search.terms import tagged
from crm_customer.tags.bearing import Categories
from crm_customer.tags.models import Tag, TagRule
from crm_customer.tags.schemas import TagKey


def categories(session: Session) -> Categories:
    """Every tag's category."""
    return dict(session.execute(select(Tag.key, Tag.category)).tuples().all())


def rules_for(session: Session, kind: str) -> Sequence[TagRule]:
    """The rules in force for accounts or for contacts, those that win first."""
    return session.scalars(
        select(TagRule)
        .where(TagRule.active, TagRule.kind == kind)
        .order_by(TagRule.position, TagRule.id)
    ).all()


def bears(model: Model) -> Filter:
    """``?tag=premium``, or one of several."""

    def condition(keys: Sequence[str]) -> ColumnElement[bool]:
        return or_(*(tag_holds(model, tagged(key)) for key in keys))

    return Filter(one_or_several(TagKey()), condition)
