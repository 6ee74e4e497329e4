"""The CloudEvents 1.0 envelope in its structured JSON form: the one form an event ever has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

_TEXTS = (
    "id",
    "type",
    "source",
    "subject",
    "time",
    "actor",
    "correlationid",
    "causationid",
    "traceparent",
)
_TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_REQUIRED = ("specversion", "id", "type", "source", "subject", "time", "sequence", "data")


def is_voiding(event_type: str) -> bool:
    """True for the events that say which others are void; the chassis handles them."""
    return event_type.endswith(".events.voided.v1")


class MalformedEvent(ValueError):
    """The bytes are no CloudEvent of ours; the message says what is missing or wrong."""


class Refused(Exception):
    """Raised by a handler that will never accept an event: it is parked with this reason."""


def producer_of(event_type: str) -> str:
    """Who makes events of a type: ``sales`` for ``crm.sales.order.paid.v1``."""
    return event_type.split(".")[1]


def noun_of(event_type: str) -> str:
    """What they are about: ``order`` for ``crm.sales.order.paid.v1``."""
    return event_type.split(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to one aggregate.

    :ivar type: contract and routing key, ``crm.sales.opportunity.won.v1``.
    :ivar subject: id of the aggregate.
    :ivar sequence: version of the aggregate after the change; larger is newer.
    :ivar data: public state of the aggregate after the change; ``change`` has the change's facts.
    :ivar actor: who caused it: a principal's id, or the service's name.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    sequence: int
    data: dict[str, Any]
    actor: str
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None

    def encode(self) -> bytes:
        """Structured JSON. Attributes without a value are left out, as CloudEvents asks."""
        attributes = {
            "specversion": "1.0",
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"urn:{self.type.replace('.', ':')}",
            # CloudEvents' sequence extension is a string; zero-padded so that text order is order.
            "sequence": f"{self.sequence:020d}",
            "partitionkey": self.subject,
            "actor": self.actor,
            "correlationid": self.correlationid,
            "causationid": self.causationid,
            "traceparent": self.traceparent,
            "data": self.data,
        }
        return orjson.dumps(
            {name: value for name, value in attributes.items() if value is not None}
        )

    @property
    def partitionkey(self) -> str:
        return self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided:
    """An event that its producer does not know any more: it was restored to a moment before it.

    :ivar gone: the aggregate that it is about is not there any more either.
    """

    id: str
    type: str
    subject: str
    sequence: int
    gone: bool

    @property
    def noun(self) -> str:
        """What it is about."""
        return noun_of(self.type)


def decode(body: bytes | str) -> Event:
    """Read an event from its structured JSON form.

    :raises MalformedEvent: when the bytes are not JSON, or an attribute is missing or wrong.
    """
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise MalformedEvent("not a JSON object")
    if missing := [name for name in _REQUIRED if name not in raw]:
        raise MalformedEvent(f"without {', '.join(missing)}")
    if raw["specversion"] != "1.0":
        raise MalformedEvent(f"specversion {raw['specversion']!r} is not 1.0")
    if not isinstance(raw["data"], dict):
        raise MalformedEvent("data is not an object")
    if wrong := [name for name in _TEXTS if not isinstance(raw.get(name, ""), str)]:
        raise MalformedEvent(f"{', '.join(wrong)} not a string")
    try:
        return Event(
            id=str(UUID(raw["id"])),
            type=raw["type"],
            source=raw["source"],
            subject=raw["subject"],
            time=_instant(raw["time"]),
            sequence=int(raw["sequence"]),
            data=raw["data"],
            actor=raw.get("actor", ""),
            correlationid=str(raw.get("correlationid", raw["id"])),
            causationid=raw.get("causationid"),
            traceparent=_traceparent(raw.get("traceparent")),
        )
    except (TypeError, ValueError) as error:
        raise MalformedEvent(str(error)) from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"time {text!r} has no zone")
    return instant


def _traceparent(text: str | None) -> str | None:
    if text is not None and not _TRACEPARENT.fullmatch(text):
        raise ValueError("traceparent is not one of W3C's")
    return text
