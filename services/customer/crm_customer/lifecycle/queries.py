"""What is asked about life cycles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from marshmallow import fields, validate
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from crm_chassis.paging import Filter, one_or_several
from crm_customer.kinds import Model
from crm_customer.lifecycle.models import SETTINGS_ID, CarePlan, Lifecycle, LifecycleSettings
from crm_customer.lifecycle.stages import POTENTIAL, STAGES


def settings(session: Session) -> LifecycleSettings:
    """The rules in force."""
    return session.get_one(LifecycleSettings, SETTINGS_ID)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a customer stands in its life cycle.

    :ivar since: the business day on which the stage began; None when that is not known.
    :ivar care: what customers of the stage get.
    """

    stage: str
    since: date | None
    care: str | None


def standing(session: Session, customer_id: str) -> Standing:
    """The stage of a customer; potential when nothing was told of it."""
    found = session.execute(
        select(CarePlan.stage, Lifecycle.since, CarePlan.care)
        .outerjoin(Lifecycle, Lifecycle.id == customer_id)
        .where(CarePlan.stage == func.coalesce(Lifecycle.stage, POTENTIAL))
    )
    return Standing(*found.one())


def in_stage(model: Model) -> Filter:
    """``?stage=lapsed``, or one of several."""

    def condition(stages: Sequence[str]) -> ColumnElement[bool]:
        has = select(Lifecycle.id).where(Lifecycle.id == model.id)
        found = has.where(Lifecycle.stage.in_(stages)).exists()
        return or_(found, ~has.exists()) if POTENTIAL in stages else found

    return Filter(one_or_several(fields.String(validate=validate.OneOf(STAGES))), condition)
