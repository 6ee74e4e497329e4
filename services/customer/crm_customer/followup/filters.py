"""The lists of customers with whom nobody was in touch for long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from marshmallow import fields, validate

from crm_chassis.database import utc_now
from crm_chassis.paging import Filter

_MOST_DAYS = 36_500


def not_followed_up(model: type[Any]) -> Filter:
    """``?not_followed_up_days=90``: nobody was in touch for so many days, or ever.

    Who came to be since then is not meant.
    """
    days = fields.Integer(
        validate=validate.Range(1, _MOST_DAYS),
        metadata={"description": "With whom nobody was in touch for so many days."},
    )
    return Filter(days, lambda count: model.followed_up_at <= utc_now() - timedelta(days=count))
