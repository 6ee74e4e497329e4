"""Fields that requests and answers of several resources have."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, validate

from crm_chassis.fields import MoneyAmount


class Day(fields.Date):
    """A business day of the years in which business is done."""

    def __init__(self, **kwargs: Any) -> None:
        years = validate.Range(date(1900, 1, 1), date(2199, 12, 31))
        super().__init__(validate=years, **kwargs)


class _Number(MoneyAmount):
    """A decimal string with as many decimals as it needs, up to four."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value.normalize():f}"


class Quantity(_Number):
    """How much of something: ``"3"``, ``"0.25"``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=Decimal("0.0001"), **kwargs)


class Percent(_Number):
    """A percentage from 0 to 100: ``"12.5"``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=Decimal(0), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        percent = super()._deserialize(value, attr, data, **kwargs)
        if percent > 100:
            raise ValidationError("Must be 100 or less.")
        return percent
