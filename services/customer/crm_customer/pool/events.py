"""What is told of the pool. Who owns an account is told by the account."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.calendar import day_of
from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_customer.accounts.models import Account


def return_warned(session: Session, account: Account) -> None:
    """Tell that an account goes back to the pool unless somebody gets in touch."""

    def state(account: Account) -> dict[str, Any]:
        due_at = account.return_due_at
        assert due_at is not None, "who is warned of a return has a day for it"
        return {
            "id": account.id,
            "level": account.level,
            "owner_id": account.owner_id,
            "team_id": account.team_id,
            "last_contacted_at": instant_text(account.last_contacted_at),
            "return_due_at": instant_text(due_at),
            "return_on": day_of(session, due_at).isoformat(),
        }

    record(session, "crm.customer.pool.return_warned.v1", account, state)
