"""Boards as requests and answers have them."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, decimal_text
from crm_sales.boards.leaderboard import MEASURES
from crm_sales.boards.swings import CAUSES, KINDS, kinds
from crm_sales.members import PERSON, TEAM

_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_WEEK = re.compile(r"([12]\d{3})-W(\d\d)", re.ASCII)


def _parts(pattern: re.Pattern[str], text: str) -> tuple[int, int]:
    """The two numbers of a text.

    :raises ValueError: it has not got them.
    """
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return int(found[1]), int(found[2])


class _Month(fields.Field[date]):
    """``2026-11``; its first day."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "example": "2026-11"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        try:
            year, month = _parts(_MONTH, value)
            return date(year, month, 1)
        except ValueError:
            raise ValidationError("Not a month like 2026-11.") from None


class _Week(fields.Field[date]):
    """``2026-W47``, a week of ISO 8601; its Monday."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "example": "2026-W47"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        try:
            year, week = _parts(_WEEK, value)
            return date.fromisocalendar(year, week, 1)
        except ValueError:
            raise ValidationError("Not a week like 2026-W47.") from None


class _Figure(fields.Field[Any]):
    """An amount or a number, as a decimal string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "format": "decimal"}, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return decimal_text(value) if isinstance(value, Decimal | None) else str(value)


class _Kinds(fields.List[str]):
    """What a move is."""

    def get_value(self, obj: Any, *_: Any, **__: Any) -> list[str]:
        return kinds(obj)


class LeaderboardQuery(Schema):
    """Which leaderboard; of this month unless said otherwise."""

    month = _Month()
    measure = fields.String(load_default="sales", validate=validate.OneOf(list(MEASURES)))
    scope = fields.String(load_default=PERSON, validate=validate.OneOf([PERSON, TEAM]))
    currency = Currency(metadata={"description": "Needed when there are amounts in several."})
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1000))


class PlaceView(Schema):
    """A member's place. Equal values share a rank; ``gap`` is what is missing to the one before."""

    rank = fields.Integer()
    member_id = Reference()
    name = fields.String(allow_none=True)
    value = _Figure()
    target = MoneyAmount(allow_none=True)
    completion = fields.Float(allow_none=True, metadata={"description": "value / target"})
    gap = _Figure(allow_none=True)


class LeaderboardView(Schema):
    """A leaderboard."""

    month = fields.String()
    measure = fields.String()
    unit = fields.String(validate=validate.OneOf(["money", "count"]))
    scope = fields.String()
    currency = fields.String(allow_none=True)
    rows = fields.List(fields.Nested(PlaceView))
    truncated = fields.Boolean(metadata={"description": "True when there are more rows."})


class TeamBoardQuery(Schema):
    """Whose week; this one unless said otherwise."""

    team_id = Reference(required=True)
    week = _Week()
    below = fields.Boolean(
        load_default=False, metadata={"description": "With the teams below it, as one."}
    )


_CausesOfSwing = Schema.from_dict({cause: MoneyAmount() for cause in CAUSES}, name="CausesOfSwing")
_MovesOfPerson = Schema.from_dict({kind: fields.Integer() for kind in KINDS}, name="MovesOfPerson")


class PipelineSwing(Schema):
    """Why the open pipeline is worth more or less than before, in one currency.

    ``opening + new + reopened + received + increased - decreased - won - lost - invalid -
    given_away = closing``, exactly.
    """

    currency = fields.String()
    opening = MoneyAmount()
    closing = MoneyAmount()
    causes = fields.Nested(_CausesOfSwing)


class AmountsOfPerson(Schema):
    """What somebody's deals did to the pipeline, in one currency."""

    currency = fields.String()
    causes = fields.Nested(_CausesOfSwing)


class PersonOfTeam(Schema):
    """Somebody's part in a week; without an id it is nobody's."""

    member_id = Reference(allow_none=True)
    name = fields.String(allow_none=True)
    moves = fields.Nested(_MovesOfPerson)
    amounts = fields.List(fields.Nested(AmountsOfPerson))
    tasks_done = fields.Integer()
    tasks_overdue = fields.Integer()


class TeamBoardView(Schema):
    """A team's week."""

    team_id = Reference()
    name = fields.String(allow_none=True)
    week = fields.String()
    first = fields.Date(data_key="from")
    last = fields.Date(data_key="to")
    pipelines = fields.List(fields.Nested(PipelineSwing))
    people = fields.List(fields.Nested(PersonOfTeam))


class DealMoveView(Schema):
    """A deal before a change and after it; before it was opened it had nothing."""

    id = Reference()
    opportunity_id = Reference()
    name = fields.String(attribute="opportunity.name")
    kinds = _Kinds(fields.String(validate=validate.OneOf(KINDS)))
    moved_at = Instant()
    from_team_id = Reference(allow_none=True)
    to_team_id = Reference(allow_none=True)
    from_owner_id = Reference(allow_none=True)
    to_owner_id = Reference(allow_none=True)
    from_pipeline = fields.String(allow_none=True)
    to_pipeline = fields.String()
    from_stage = fields.String(allow_none=True)
    to_stage = fields.String()
    from_amount = MoneyAmount(allow_none=True)
    to_amount = MoneyAmount()
    from_currency = fields.String(allow_none=True)
    to_currency = fields.String()
    from_expected_close_on = fields.Date(allow_none=True)
    to_expected_close_on = fields.Date(allow_none=True)
