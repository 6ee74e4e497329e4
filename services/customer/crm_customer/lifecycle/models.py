"""Where customers stand in their life cycle, how they came there, and the care each stage gets."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Key
from crm_customer.tables import Tables

SETTINGS_ID = "00000000-0000-7000-8000-000000000001"
MOST_LAPSE_DAYS = 3650


class Lifecycle(Versioned, Tables):
    """The stage of one account or contact; its key is the customer's. Without one: potential.

    :ivar since: the business day on which the stage began.
    """

    __tablename__ = "lifecycles"
    __table_args__ = (Index("lifecycles_by_stage", "stage", "id"),)

    customer_type: Mapped[str] = mapped_column(String(10))
    stage: Mapped[str] = mapped_column(String(10))
    since: Mapped[date]


class LifecycleMove(Tables):
    """One step on a customer's way.

    :ivar position: from 1, oldest first.
    :ivar seconds_in_stage: how long it was in ``from_stage``.
    """

    __tablename__ = "lifecycle_moves"

    customer_id: Mapped[Key]
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    on: Mapped[date] = mapped_column("moved_on")
    from_stage: Mapped[str] = mapped_column(String(10))
    to_stage: Mapped[str] = mapped_column(String(10))
    seconds_in_stage: Mapped[int] = mapped_column(BigInteger)


class LifecycleSettings(Versioned, Tables):
    """The one row of rules that users may change.

    :ivar lapse_days: days without an order after which a customer has lapsed.
    """

    __tablename__ = "lifecycle_settings"
    __table_args__ = (CheckConstraint("lapse_days > 0", name="lifecycle_settings_lapse_days"),)

    lapse_days: Mapped[int]


class CarePlan(Versioned, Tables):
    """What customers of a stage get: trainings for new ones, a named team for strategic ones."""

    __tablename__ = "care_plans"

    stage: Mapped[str] = mapped_column(String(10), unique=True)
    care: Mapped[str] = mapped_column(Text)
