"""When something was last done about a deal, and whether that is too long ago."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Instant
from crm_sales.tables import Tables


class FollowUp(Versioned, Tables):
    """What is known of one opportunity, whose key it has.

    It is overdue while ``due_told_at`` is later than the deal's entry into its stage.

    :ivar last_activity_at: of the activities logged on the deal.
    :ivar due_told_at: when it was told that nothing is done about the deal; None once something is.
    """

    __tablename__ = "follow_ups"
    __table_args__ = (
        Index(
            "follow_ups_due",
            "due_told_at",
            "id",
            postgresql_where=text("due_told_at IS NOT NULL"),
            sqlite_where=text("due_told_at IS NOT NULL"),
        ),
    )

    last_activity_at: Mapped[Instant | None]
    due_told_at: Mapped[Instant | None]
