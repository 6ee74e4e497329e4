"""Rows whose timer is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import Versioned
from crm_chassis.scheduler import set_timers

_PUT_OFF = timedelta(seconds=5)

A = TypeVar("A", bound=Versioned)


def lock_due(
    session: Session, kind: str, model: type[A], keys: Sequence[str], now: datetime
) -> Sequence[A]:
    """The rows whose timer of this kind is due, locked.

    Those that somebody else holds at the moment are put off for a few seconds: who holds one may
    be about to cancel its timer, which is ours now, and would wait for us as we would for it.
    """
    locked = session.scalars(
        select(model).where(model.id.in_(keys)).with_for_update(skip_locked=True)
    ).all()
    held = set(keys) - {entity.id for entity in locked}
    again = session.scalars(select(model.id).where(model.id.in_(held)))
    set_timers(session, kind, dict.fromkeys(again, now + _PUT_OFF))
    return locked
