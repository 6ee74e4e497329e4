"""Whether a customer may be written to or called: by channel, since when, and who said so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import Index, Select, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from crm_chassis import database
from crm_chassis.context import current_origin
from crm_chassis.database import Id, Key, new_id, utc_now
from crm_chassis.fields import Instant, Reference, Text, instant_text
from crm_chassis.paging import Listing, equals
from crm_customer.profile import Profile
from crm_customer.tables import Tables

CHANNELS = ("email", "sms", "phone", "post", "chat", "social")
STATES = ("granted", "refused", "unknown")

Consent = dict[str, dict[str, Any]]
"""Channel to its ``state``, the ``source`` of it, and ``at``, the moment since when it is so."""


class ConsentChange(Tables):
    """One line of the log that proves a customer's consent at any time.

    :ivar customer_id: the account or contact.
    :ivar at: since when it is so; :ivar created_at: when it was noted here.
    :ivar actor_id: who noted it.
    """

    __tablename__ = "consent_changes"
    __table_args__ = (Index("consent_changes_by_created_at", "customer_id", "created_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    customer_id: Mapped[Id]
    channel: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    source: Mapped[str | None] = mapped_column(String(100))
    at: Mapped[database.Instant]
    created_at: Mapped[database.Instant] = mapped_column(default=utc_now)
    actor_id: Mapped[str] = mapped_column(String(64))


class _Moment(Instant):
    """A moment that is kept as text, within a document."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return instant_text(super()._deserialize(value, attr, data, **kwargs))


class ConsentFields(Schema):
    """What is said of one channel."""

    state = fields.String(required=True, validate=validate.OneOf(STATES))
    source = Text(100, allow_none=True, metadata={"description": "How it became known."})
    at = _Moment()


def consent_field() -> fields.Dict:
    """The field of a request or an answer: channel to what is said of it."""
    channel = fields.String(validate=validate.OneOf(CHANNELS))
    return fields.Dict(channel, fields.Nested(ConsentFields))


def consent_states(consent: Consent) -> dict[str, str]:
    """Channel to state, as events tell it."""
    return {channel: said["state"] for channel, said in consent.items()}


def consented(before: Consent, given: Mapping[str, Mapping[str, Any]]) -> Consent:
    """``before`` with what is given; what repeats what was known leaves it as it was."""
    now = instant_text(utc_now())
    news = {
        channel: {"state": said["state"], "source": said.get("source"), "at": said.get("at", now)}
        for channel, said in given.items()
        if not said.items() <= before.get(channel, {}).items()
    }
    return before | news


def consent_changes(customer_id: str) -> Select[tuple[ConsentChange]]:
    """The log of one customer, whom the caller has found visible."""
    return select(ConsentChange).where(ConsentChange.customer_id == customer_id)


def log_consent(session: Session, customer: Profile, before: Consent) -> None:
    """Note which channels' consent is not as it was."""
    origin = current_origin()
    for channel, said in customer.consent.items():
        if said != before.get(channel):
            session.add(
                ConsentChange(
                    customer_id=customer.id,
                    channel=channel,
                    state=said["state"],
                    source=said["source"],
                    at=datetime.fromisoformat(said["at"]),
                    actor_id=origin.actor if origin else "",
                )
            )


class ConsentChangeView(Schema):
    """A line of the consent log."""

    id = Reference()
    channel = fields.String()
    state = fields.String(validate=validate.OneOf(STATES))
    source = fields.String(allow_none=True)
    at = Instant()
    created_at = Instant()
    actor_id = fields.String()


CONSENT_LOG = Listing(
    ConsentChange,
    sorts={"created_at": ConsentChange.created_at},
    default="-created_at",
    filters={"channel": equals(ConsentChange.channel)},
)
