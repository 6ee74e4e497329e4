"""Where an event is, asked of every service that has to do with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from crm_client.client import Client, Document
from crm_client.errors import ProblemError
from crm_client.resources import SERVICES, base_path

MOST_EVENTS = 100
"""A trace ends here; who needs more asks for one of the events that it stopped at."""


@dataclass(slots=True)
class EventTrace:
    """What is known of one event.

    :ivar answers: service to what it knows.
    :ivar silent: service to why it did not say.
    :ivar caused: the events that services recorded in answer to this one.
    :ivar more: ids of those that were not followed.
    """

    event_id: str
    answers: dict[str, Document] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    caused: list[EventTrace] = field(default_factory=list)
    more: list[str] = field(default_factory=list)

    @property
    def producer(self) -> str | None:
        """The service that made it; None when none of those that answered did."""
        return next((name for name, known in self.answers.items() if known["made"]), None)

    @property
    def consumers(self) -> list[str]:
        """Who is to receive it, as its producer says; else whoever has received it."""
        if self.producer:
            return list(self.answers[self.producer]["published"]["consumers"])
        return [name for name, known in self.answers.items() if known["received"]]

    def document(self) -> Document:
        """All of it as JSON has it."""
        return {
            "event_id": self.event_id,
            "producer": self.producer,
            "answers": self.answers,
            "silent": self.silent,
            "caused": [each.document() for each in self.caused],
            "more": self.more,
        }


def trace(client: Client, event_id: str) -> EventTrace:
    """Follow an event, and those that it caused, through the services.

    Events that caused each other in a ring, or many hundreds, are not followed for ever: see
    ``MOST_EVENTS``.
    """
    root = EventTrace(event_id)
    _ask(client, root, SERVICES)
    waiting, seen = [root], {event_id}
    while waiting:
        here = waiting.pop(0)
        for caused_id, maker in _caused(here):
            if caused_id in seen:
                continue
            if len(seen) >= MOST_EVENTS:
                here.more.append(caused_id)
                continue
            seen.add(caused_id)
            below = EventTrace(caused_id)
            _ask(client, below, [maker])
            _ask(client, below, [name for name in below.consumers if name != maker])
            here.caused.append(below)
            waiting.append(below)
    return root


def _ask(client: Client, event: EventTrace, services: Iterable[str]) -> None:
    for service in services:
        try:
            event.answers[service] = client.get(f"{base_path(service)}/events/{event.event_id}")
        except ProblemError as error:
            event.silent[service] = error.detail or str(error)


def _caused(event: EventTrace) -> Iterator[tuple[str, str]]:
    """(id, service that made it), oldest first."""
    found = [
        (caused["recorded_at"], caused["id"], service)
        for service, known in event.answers.items()
        for caused in known["caused"]
    ]
    for _at, caused_id, service in sorted(found):
        yield caused_id, service
