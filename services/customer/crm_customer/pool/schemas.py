"""The pool as requests and answers have it."""

from __future__ import annotations

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Instant, Reference, Text
from crm_customer.ownership import REASONS
from crm_customer.profile import LEVELS

_COUNT = validate.Range(0, 1_000_000)
_MOST_DAYS = 3650


class PooledAccount(Schema):
    """A customer of nobody. How to reach it is seen by who claims it."""

    id = Reference()
    version = fields.Integer()
    name = fields.String()
    kind = fields.String()
    industry = fields.String(allow_none=True)
    region = fields.String(allow_none=True)
    level = fields.String(allow_none=True)
    source = fields.String(allow_none=True)
    team_id = Reference(allow_none=True)
    last_contacted_at = Instant(allow_none=True)
    created_at = Instant()


class WarnedAccount(Schema):
    """A customer that goes back to the pool unless somebody gets in touch."""

    id = Reference()
    version = fields.Integer()
    name = fields.String()
    level = fields.String(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    last_contacted_at = Instant(allow_none=True)
    return_due_at = Instant()


class Assignment(Schema):
    owner_id = Reference(required=True)


class Release(Schema):
    reason = Text(1000, required=True)


class OwnershipChangeView(Schema):
    """One change of an account's owner."""

    id = Reference()
    from_owner_id = Reference(allow_none=True)
    from_team_id = Reference(allow_none=True)
    to_owner_id = Reference(allow_none=True)
    to_team_id = Reference(allow_none=True)
    reason = fields.String(validate=validate.OneOf(REASONS))
    note = fields.String(allow_none=True)
    changed_by = fields.String()
    changed_at = Instant()


class PoolSettingsFields(Schema):
    """The limits to claiming; null is no limit."""

    most_claimed = fields.Integer(strict=True, allow_none=True, validate=_COUNT)
    most_claims_a_day = fields.Integer(strict=True, allow_none=True, validate=_COUNT)
    reclaim_after_days = fields.Integer(strict=True, validate=validate.Range(0, _MOST_DAYS))


class PoolSettingsView(PoolSettingsFields):
    version = fields.Integer(dump_only=True)
    updated_at = Instant(dump_only=True)


class PoolRuleFields(Schema):
    """When customers whom nobody follows up go back to the pool."""

    team_id = Reference(allow_none=True, load_default=None)
    level = fields.String(validate=validate.OneOf(LEVELS), allow_none=True, load_default=None)
    days = fields.Integer(strict=True, required=True, validate=validate.Range(1, _MOST_DAYS))
    warn_days = fields.Integer(strict=True, validate=validate.Range(0, _MOST_DAYS), load_default=0)
    active = fields.Boolean(load_default=True)

    @validates_schema
    def _warn_before(self, values: dict[str, int], **_kwargs: object) -> None:
        if values.get("warn_days", 0) >= values.get("days", _MOST_DAYS + 1):
            raise ValidationError("Less than the days.", "warn_days")


class PoolRuleView(PoolRuleFields):
    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
