"""The environment, read once at start; every missing or wrong variable is named in one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Self, cast
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from environs import Env, EnvValidationError
from marshmallow import validate

_REGIONS = ("", *phonenumbers.SUPPORTED_REGIONS)
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """The environment lacks variables or has wrong ones; the message names each of them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one process of one service is told from outside.

    The variable's name is the field's name in capitals, ``DATABASE_URL`` for ``database_url``.
    """

    service: str
    database_url: str
    """SQLAlchemy URL: ``postgresql+psycopg://...`` or ``sqlite:///file``."""
    broker_url: str
    """``amqp://user:password@host:port/vhost``, or ``memory://name`` within one process."""
    token_keys: str
    """Where the gateway's key set is read: an ``http(s)://`` address or a file's path."""

    time_zone: str = field(
        default="UTC",
        metadata={"check": validate.OneOf(available_timezones(), error="Not a time zone.")},
    )
    """Business days are days in this zone."""
    phone_region: str = field(
        default="",
        metadata={"check": validate.OneOf(_REGIONS, error="Not a region like CN.")},
    )
    """Telephone numbers without a country's code are this region's; taken as typed when empty."""
    log_level: str = field(default="INFO", metadata={"check": validate.OneOf(_LOG_LEVELS)})
    """What is logged: DEBUG, INFO (each request), WARNING, ERROR or CRITICAL and above."""
    otlp_endpoint: str = field(default="", metadata={"variable": "OTEL_EXPORTER_OTLP_ENDPOINT"})
    """OpenTelemetry collector for traces; none are made when empty."""
    bind: str = "0.0.0.0:8000"
    """Where the api answers, probes and metrics too."""
    probe_bind: str = "0.0.0.0:8001"
    """Where the worker answers probes and metrics."""
    web_threads: int = 8
    """Requests that one process answers at a time; its database pool has 8 connections more."""
    web_workers: int = 1
    """Processes of the api, each with its threads and its pool.

    Of several, ``/metrics`` tells the figures of one at random: rather start more containers.
    """
    drain_seconds: int = 0
    """How long an api that is told to end answers on, so that load balancers turn away from it."""
    max_body_bytes: int = 5_000_000
    """The largest request, but for files that are imported or attached."""
    relay_batch: int = 2000
    """Events that the relay sends before it waits for their confirms."""
    consumer_batch: int = 2000
    """Events that are handled in one transaction; three times as many are taken from the queue."""
    event_log_days: int = 400
    """Days an event stays in the event log, from where it can be replayed."""
    inbox_days: int = 90
    """Days an event's id is remembered by a consumer that does not archive events."""
    idempotency_hours: int = 48
    """Hours the answer to an Idempotency-Key is remembered."""
    job_days: int = 90
    """Days an import or replay is kept, with what was wrong with its rows, from its start."""
    upload_hours: int = 48
    """Hours an import waits for its file."""
    settled_event_days: int = 365
    """Days a parked event is kept after it was redriven or discarded."""
    administrative_act_days: int = 1095
    """Days it is kept who administered what."""
    attachments_url: str = ""
    """Where attachments are kept: a bucket, ``https://key:secret@s3.example.com/bucket/prefix``."""
    attachments_dir: str = ""
    """Where they are kept without a bucket: a folder that every process of the service sees.

    When empty it is beside the SQLite database; on PostgreSQL there is no such place.
    """
    attachment_bytes: int = 25_000_000
    """The largest attachment."""
    attachment_types: str = (
        "pdf docx xlsx pptx doc xls ppt txt md csv eml "
        "png jpg jpeg gif webp heic heif mp3 m4a wav ogg amr mp4 mov"
    )
    """What may be attached, by the usual endings of file names, between spaces."""
    clock_ahead_seconds: int = 0
    """How far the scheduler's clock is set ahead, to rehearse what happens days from now."""

    @property
    def embedded(self) -> bool:
        """True when the broker lives in this process."""
        return self.broker_url.startswith("memory:")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @classmethod
    def from_environment(cls, service: str) -> Self:
        """Read the process environment; a subclass adds variables by adding fields.

        :raises SettingsError: naming every variable that is missing or of the wrong type.
        """
        env = Env(eager=False)
        values = {each.name: _read(env, each) for each in fields(cls) if each.name != "service"}
        seal(env)
        return cls(service=service, **values)


def _read(env: Env, entry: Field[Any]) -> Any:
    variable = entry.metadata.get("variable", entry.name.upper())
    read: Callable[..., Any] = env.int if entry.type == "int" else env.str
    if entry.default is MISSING:
        blank = validate.Regexp(r".*\S", error="Blank.") if read == env.str else None
        return read(variable, validate=blank)
    return read(variable, entry.default, validate=entry.metadata.get("check"))


def seal(env: Env) -> None:
    """Raise one :class:`SettingsError` for everything the deferred reads of ``env`` found wrong."""
    try:
        env.seal()
    except EnvValidationError as error:
        messages = cast("Mapping[str, list[str]]", error.error_messages)
        lines = [f"{name}: {' '.join(why)}" for name, why in sorted(messages.items())]
        raise SettingsError("the environment is not complete\n  " + "\n  ".join(lines)) from None
