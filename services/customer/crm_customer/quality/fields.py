"""Quality in lists and answers: a field and a filter."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from crm_chassis.paging import Filter


class Percent(fields.Integer):
    """A percentage, null for what was not looked at yet."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> int | None:
        return None if value is None or value < 0 else int(value)


def is_valid(model: type[Any]) -> Filter:
    """``?valid=false``: the records with a fault."""
    return Filter(fields.Boolean(), lambda valid: _condition(model, valid))


def _condition(model: type[Any], valid: bool) -> Any:
    return model.validity == 100 if valid else model.validity.between(0, 99)
