"""Indexes what a release before this one has stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from crm_chassis.scheduler import Recurring
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact
from crm_customer.search.models import columns_for

_BATCH = 500


def index_waiting(session: Session, now: datetime) -> bool:
    """Index some of the rows that are not; True while there are more.

    There are such rows after the migration that brought the search, and while the release before
    it works on beside this one.
    """
    return _index_waiting(session, Account) or _index_waiting(session, Contact)


def _index_waiting(session: Session, model: type[Any]) -> bool:
    waiting = (
        select(model.id, model.name, model.emails, model.phones, model.tags)
        .where(model.searched.is_(None))
        .order_by(model.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(waiting).all()
    table = model.__table__
    if rows:
        session.execute(
            update(table)
            .where(table.c.id == bindparam("row_id"))
            .values(updated_at=table.c.updated_at),  # nothing was changed that anybody sees
            [{"row_id": row.id, **columns_for(row)} for row in rows],
        )
    return len(rows) == _BATCH


RECURRING = Recurring("customer.search_waiting", timedelta(minutes=1), index_waiting)
