"""What happens to leads when their time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm_sales.due import lock_due
from crm_sales.leads import commands, events
from crm_sales.leads.models import Lead


def remind(session: Session, lead_ids: Sequence[str], now: datetime) -> None:
    """Tell of the leads that still wait for their first contact."""
    for lead in lock_due(session, commands.UNCONTACTED, Lead, lead_ids, now):
        if lead.remind(now):
            events.lead_reminded(session, lead, now)


TIMERS = {commands.UNCONTACTED: remind}
