"""What a deal is forecast at, and the log of how that changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.context import current_origin
from crm_chassis.database import utc_now
from crm_chassis.problems import invalid
from crm_sales.opportunities import moves
from crm_sales.opportunities.models import ForecastEntry, Opportunity


def _forecast(opportunity: Opportunity) -> dict[str, Any]:
    return {
        "category": opportunity.forecast_category,
        "probability": opportunity.probability,
        "amount": opportunity.amount,
        "currency": opportunity.currency,
        "expected_close_on": opportunity.expected_close_on,
    }


@contextmanager
def logged(session: Session, opportunity: Opportunity) -> Iterator[None]:
    """Write a line of the log if what is done in the block changes the forecast.

    What moves the pipeline of a team goes into the log of that.
    """
    before = _forecast(opportunity)
    with moves.logged(session, opportunity):
        yield
    after = _forecast(opportunity)
    if before == after:
        return
    origin = current_origin()
    session.add(
        ForecastEntry(
            opportunity_id=opportunity.id,
            changed_at=utc_now(),
            actor=origin.actor if origin else "sales",
            **{f"from_{name}": value for name, value in before.items()},
            **{f"to_{name}": value for name, value in after.items()},
        )
    )


def check_choice(opportunity: Opportunity, changes: dict[str, Any]) -> None:
    """Refuse to choose a category for a deal whose end has said it.

    :raises Problem: 422.
    """
    if not opportunity.is_open and changes.get("forecast_override"):
        raise invalid(("forecast_category", "Said by the end of a deal that is closed."))
