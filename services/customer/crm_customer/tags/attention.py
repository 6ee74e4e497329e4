"""Customers that were changed here, and about whom the rules are asked soon after."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session, object_session

from crm_chassis.database import utc_now
from crm_chassis.scheduler import set_timers
from crm_customer.kinds import on_customers
from crm_customer.tags.bearing import Borne, given_by_hand
from crm_customer.tags.conditions import own_fields
from crm_customer.tags.models import TagRule

RECONSIDER_TIMER = "customer.reconsider"
"""Asks the rules about one customer."""

_NOTED = "crm_customers_to_reconsider"


def watch_changes() -> None:
    """Note each customer that is changed from now on; once, however often it is asked for."""
    on_customers("after_insert", _on_insert)
    on_customers("before_update", _on_update)


def note(session: Session, customer: Any) -> None:
    """Have the rules be asked about a customer soon after this transaction."""
    session.info.setdefault(_NOTED, set()).add(customer.id)


def _on_insert(_mapper: object, _connection: object, customer: Any) -> None:
    session = object_session(customer)
    if session is not None:
        note(session, customer)


def _on_update(mapper: object, connection: object, customer: Any) -> None:
    attributes = inspect(customer).attrs
    asked = any(attributes[name].history.has_changes() for name in own_fields(type(customer)))
    if asked or given_by_hand(_before(attributes)) != given_by_hand(customer):
        _on_insert(mapper, connection, customer)


def _before(attributes: Any) -> Borne:
    """What a customer bore before the change under way."""
    tags, ruled_tags = (
        (attributes[name].history.deleted or [attributes[name].value])[0]
        for name in ("tags", "ruled_tags")
    )
    return Borne(tags, ruled_tags)


def reconsider_noted(session: Session) -> None:
    """Hook for :attr:`crm_chassis.database.Database.before_commit`."""
    noted: set[str] = session.info.pop(_NOTED, set())
    if noted and session.scalar(select(TagRule.id).where(TagRule.active).limit(1)):
        set_timers(session, RECONSIDER_TIMER, dict.fromkeys(noted, utc_now()))
