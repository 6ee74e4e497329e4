"""Events -> inbox -> handlers, and the one place that decides what a failure means.

Faults that pass (database or broker away) are raised: the events will be delivered again.
An event that its handler cannot take is parked with the reason, and its neighbours go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from crm_chassis import inbox
from crm_chassis.broker import BrokerAway, Delivery
from crm_chassis.broker.topology import DELIVERY_LIMIT
from crm_chassis.context import Origin, acting
from crm_chassis.database import Database, utc_now
from crm_chassis.events import Event, MalformedEvent, Refused, decode, is_voiding, producer_of
from crm_chassis.telemetry import Telemetry
from crm_contracts.catalogue import Catalogue, UnknownEventType

log = structlog.get_logger(__name__)

Handler = Callable[[Session, Sequence[Event]], None]
"""Applies events of its types to the service's own database, in any order, given once each.

It may be given many at once. Raising :class:`~crm_chassis.events.Refused` parks an event.
"""
Subscriptions = Mapping[str, Handler]

TRANSIENT = (OperationalError, InterfaceError, PoolTimeout, BrokerAway)
"""Faults that pass: nothing is parked for them."""

_EVENTS = (1, 5, 10, 50, 100, 500, 1000, 2000, 5000)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.05


class Processor:
    """Handles a service's events.

    :param archive: keep event bodies in the inbox, less their personal data.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        catalogue: Catalogue,
        subscriptions: Subscriptions,
        telemetry: Telemetry,
        registry: CollectorRegistry,
        *,
        archive: bool,
    ) -> None:
        self._service = service
        self._database = database
        self._catalogue = catalogue
        self._subscriptions = subscriptions
        self._voiding = {handler for each, handler in subscriptions.items() if is_voiding(each)}
        self._telemetry = telemetry
        self._archive = archive
        self._handled = Counter(
            "crm_consumer_events", "Events taken from the queue", ["outcome"], registry=registry
        )
        self._failures = Counter(
            "crm_consumer_failures",
            "Attempts that failed, of batches and of events alone",
            ["of"],
            registry=registry,
        )
        self._batch_events = Histogram(
            "crm_consumer_batch_events", "Events of a batch", buckets=_EVENTS, registry=registry
        )
        self._batch_seconds = Histogram(
            "crm_consumer_batch_seconds", "Time to handle a batch", registry=registry
        )
        self._lag = Histogram(
            "crm_consumer_lag_seconds",
            "From the recording of a batch's oldest event to the commit of its effects",
            ["producer"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._newest = Gauge(
            "crm_consumer_newest_event_timestamp_seconds",
            "When the newest event handled was recorded",
            ["producer"],
            registry=registry,
        )

    def admit(self, deliveries: Sequence[Delivery]) -> list[Event]:
        """The events that can be handled, as this service may store them; the others are parked.

        :raises sqlalchemy.exc.OperationalError: the database is away; any of the deliveries may
            be given again.
        """
        return [event for delivery in deliveries if (event := self._admitted(delivery))]

    def _admitted(self, delivery: Delivery) -> Event | None:
        """The event of a delivery, as this service may store it, or None once it is parked."""
        try:
            event = decode(delivery.body)
        except MalformedEvent as error:
            self._park_malformed(delivery, str(error))
            return None
        try:
            self._require_contract(event)
        except Refused as error:
            self._park(self._kept(event), str(error), 1)
            return None
        return self._kept(event)

    def handle(self, events: Sequence[Event]) -> None:
        """Apply events in one transaction, or, where that fails, one by one; park what fails again.

        :raises sqlalchemy.exc.OperationalError: the database is away; any of the events may be
            given again.
        """
        if not events:
            return
        started = time.perf_counter()
        with self._telemetry.processing(events):
            try:
                applied = self._apply(events)
            except TRANSIENT:
                raise
            except Exception as error:
                self._failures.labels("batch").inc()
                log.warning("consumer.batch_failed", count=len(events), error=_reason(error))
                for event in events:
                    self._apply_or_park(event)
            else:
                self._handled.labels("applied").inc(applied)
                self._handled.labels("duplicate").inc(len(events) - applied)
        self._observe(events, time.perf_counter() - started)

    def _observe(self, events: Sequence[Event], seconds: float) -> None:
        """Tell how large and how fresh a batch was."""
        self._batch_events.observe(len(events))
        self._batch_seconds.observe(seconds)
        now = utc_now()
        times: dict[str, list[datetime]] = {}
        for event in events:
            times.setdefault(producer_of(event.type), []).append(event.time)
        for producer, recorded in times.items():
            self._lag.labels(producer).observe((now - min(recorded)).total_seconds())
            self._newest.labels(producer).set(max(recorded).timestamp())

    def redrive(self, parked_id: str, by: str) -> None:
        """Give a parked event to its handler once more, and settle it if that succeeds.

        :raises NotParked: no such event is parked.
        :raises Exception: whatever the handler raised; the event stays parked.
        """
        with self._database.transaction() as session, acting(Origin(actor=self._service)):
            parked = inbox.take_parked(session, parked_id)
            event = decode(parked.body)
            self._require_contract(event, bare=self._archive)
            inbox.unclaim(session, event.id)
            self._claim_and_apply(session, [event])
            inbox.settle(session, parked, "redriven", by, "redriven")

    def _kept(self, event: Event) -> Event:
        """The event as this service may store it: an archive holds no personal data."""
        if not self._archive:
            return event
        try:
            contract = self._catalogue.contract(event.type)
        except UnknownEventType:
            return replace(event, data={})  # which of it is personal, nobody can tell
        if not contract.personal:
            return event
        return replace(event, data=contract.without_personal(event.data))

    def _apply(self, events: Sequence[Event]) -> int:
        with self._database.transaction() as session, acting(Origin(actor=self._service)):
            return self._claim_and_apply(session, events)

    def _claim_and_apply(self, session: Session, events: Sequence[Event]) -> int:
        new = inbox.claim(session, events, archive=self._archive)
        groups = self._by_handler(new)
        for handler in sorted(groups, key=self._voiding.__contains__):  # of what is here by then
            handler(session, groups[handler])
        return len(new)

    def _by_handler(self, events: Sequence[Event]) -> dict[Handler, list[Event]]:
        """Events grouped by handler, so that one of many types sees its whole batch at once."""
        groups: dict[Handler, list[Event]] = {}
        for event in events:
            groups.setdefault(self._subscriptions[event.type], []).append(event)
        return groups

    def _require_contract(self, event: Event, *, bare: bool = False) -> None:
        if event.type not in self._subscriptions:
            raise Refused(f"no handler for {event.type}")
        try:
            contract = self._catalogue.contract(event.type)
        except UnknownEventType:
            raise Refused(f"no contract for {event.type}") from None
        violations = (
            contract.check_bare(event.data) if bare else contract.check(event.data, lenient=True)
        )
        if violations:
            raise Refused(f"breaks its contract: {'; '.join(violations)}")

    def _apply_or_park(self, event: Event) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                applied = self._apply([event])
            except TRANSIENT:
                raise
            except Exception as error:
                self._failures.labels("event").inc()
                if isinstance(error, Refused) or attempt == _ATTEMPTS:
                    self._park(event, _reason(error), attempt)
                    return
                time.sleep(_PAUSE_SECONDS * attempt)
            else:
                self._handled.labels("applied" if applied else "duplicate").inc()
                return

    @property
    def handled_types(self) -> Collection[str]:
        """The event types that have a handler here."""
        return self._subscriptions.keys()

    def handler_name(self, event_type: str) -> str | None:
        """What handles events of a type here, as a dotted path; None when nothing does."""
        handler = self._subscriptions.get(event_type)
        return f"{handler.__module__}.{handler.__qualname__}" if handler else None

    def _park(self, event: Event, reason: str, attempts: int) -> None:
        """Park an event and claim it, so that its duplicates are not parked again."""
        log.error("event.parked", event_id=event.id, type=event.type, reason=reason)
        with self._database.transaction() as session:
            if not inbox.claim(session, [event], archive=False):
                return
            inbox.park(
                session,
                event_id=event.id,
                event_type=event.type,
                handler=self.handler_name(event.type) or "none",
                reason=reason,
                attempts=attempts,
                traceparent=event.traceparent,
                body=event.encode(),
            )
        self._handled.labels("parked").inc()

    def park_dead(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Park what the broker gave up delivering, unless it was handled after all."""
        for delivery in deliveries:
            try:
                event = decode(delivery.body)
            except MalformedEvent as error:
                self._park_malformed(delivery, str(error))
            else:
                self._park(self._kept(event), reason, DELIVERY_LIMIT)

    def _park_malformed(self, delivery: Delivery, reason: str) -> None:
        log.error("event.parked", event_id=delivery.id, reason=reason)
        event_id = delivery.id or "none"
        with self._database.transaction() as session:
            if inbox.is_parked(session, event_id, delivery.body):
                return
            inbox.park(
                session,
                event_id=event_id,
                event_type=inbox.type_of(delivery.body),
                handler="none",
                reason=f"malformed: {reason}",
                attempts=1,
                traceparent=None,
                body=delivery.body,
            )
        self._handled.labels("parked").inc()


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
