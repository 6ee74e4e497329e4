"""The rules of the daily work that managers set."""

from __future__ import annotations

from sqlalchemy.orm import Mapped

from crm_chassis.aggregate import Versioned
from crm_sales.tables import Tables

WORK_SETTINGS_ID = "00000000-0000-7000-8000-000000000003"


class WorkSettings(Versioned, Tables):
    """One row, there from the first migration on.

    :ivar lead_reminder_hours: a new lead may wait so long for its first contact; None: for ever.
    :ivar activity_contacts_lead: the first contact logged on a new lead makes it contacted.
    :ivar follow_up_days: an open deal is to be followed up when nothing was done so long; None:
        never.
    :ivar stuck_days: a deal is stuck that is longer in its stage, where the stage's median is not
        known.
    :ivar stuck_percent: a deal is stuck after so much of the median time in its stage.
    :ivar big_percentile: a deal is big whose amount is above that of so many percent of the team's.
    """

    __tablename__ = "work_settings"

    lead_reminder_hours: Mapped[int | None]
    activity_contacts_lead: Mapped[bool]
    follow_up_days: Mapped[int | None]
    stuck_days: Mapped[int]
    stuck_percent: Mapped[int]
    big_percentile: Mapped[int]
