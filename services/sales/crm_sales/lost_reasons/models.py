"""Why deals are lost, in the words that the business has agreed on."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_sales.tables import Tables


class LostReason(Versioned, Tables):
    """A reason to choose from. A lost deal keeps the reason's name as it was when it was lost.

    :ivar active: False when it is not to be chosen any more.
    """

    __tablename__ = "lost_reasons"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
