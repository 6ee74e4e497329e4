"""``crm events``: which events there were, and where one of them is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from crm_client import event_traces
from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.cli.reads import json_option
from crm_client.client import Client, Document
from crm_client.event_traces import EventTrace
from crm_client.resources import base_path

COLUMNS = ("recorded_at", "id", "type", "subject", "sequence", "actor")

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SECOND = timedelta(seconds=1)


class Moment(click.ParamType[str]):
    """A time in RFC 3339, a day, or how long ago: ``15m``, ``2h``, ``3d``."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if ago := _AGO.fullmatch(value):
            back = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return (datetime.now(UTC) - back).isoformat()
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time, and not like 15m, 2h or 3d", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


@click.group()
def events() -> None:
    """Find events, and see where they are."""


@events.command("list")
@click.option("--service", required=True, help="Who made them: sales, customer, ...; gateway.")
@click.option("--subject", help="Key of the record they are about.")
@click.option("--type", "event_type", help="Such as crm.sales.lead.converted.v1.")
@click.option("--since", type=Moment(), help="A time, or how long ago: 15m, 2h, 3d.")
@click.option("--until", type=Moment(), help="The same.")
@click.option("--limit", type=click.IntRange(0), default=25, show_default=True, help="0: all.")
@json_option
@signed_in
def list_(
    client: Client,
    service: str,
    subject: str | None,
    event_type: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the events that a service made, newest first; say --subject or --since."""
    if not (subject or since):
        raise click.UsageError("Say --subject or --since.")
    query = {"subject": subject, "type": event_type, "since": since, "until": until}
    found = islice(client.pages(f"{base_path(service)}/events", query), limit or None)
    output.as_json_lines(found) if as_json else output.rows(list(found), COLUMNS)


@events.command()
@click.argument("event_id", type=click.UUID)
@json_option
@signed_in
def trace(client: Client, event_id: object, as_json: bool) -> None:
    """Tell where the event EVENT_ID is: made, published, consumed by whom, and what it led to."""
    found = event_traces.trace(client, str(event_id))
    if as_json:
        output.as_json(found.document())
    else:
        output.tree(_tree(found))
    if not any(known["made"] or known["received"] for known in found.answers.values()):
        raise click.ClickException(_unheard(found))


def _unheard(event: EventTrace) -> str:
    if event.silent:
        return f"Those who answered have not heard of it; {', '.join(event.silent)} did not say."
    return "No service has heard of this event."


def _tree(event: EventTrace) -> Tree:
    made = event.answers[event.producer]["made"] if event.producer else None
    tree = Tree(Text(f"{made['type'] if made else 'event'} {event.event_id}", "bold"))
    for line, style in _story(event, made):
        tree.add(Text(output.printable(line), style))
    for caused in event.caused:
        tree.add(_tree(caused))
    if event.more:
        tree.add(Text(f"and {len(event.more)} more events: crm events trace {event.more[0]} ..."))
    return tree


Line = tuple[str, str]
"""What is said, and its style."""

GOOD, WAITING, BAD, PLAIN = "green", "yellow", "red", ""


def _story(event: EventTrace, made: Document | None) -> Iterator[Line]:
    consumers = event.consumers
    if made is not None and event.producer:
        yield from _making(event.producer, made)
        yield _publishing(event.producer, event.answers[event.producer]["published"], made)
        if not consumers:
            yield "no service consumes events of this type", PLAIN
    for consumer in consumers:
        if consumer in event.answers:
            yield from _consuming(consumer, event, made)
    for service, why in event.silent.items():
        yield f"{service}: did not say: {why}", WAITING


def _making(producer: str, made: Document) -> Iterator[Line]:
    about = f"version {made['sequence']} of {made['subject']}"
    yield f"made by {producer} at {made['recorded_at']}, by {made['actor']}: {about}", GOOD
    if made["causation_id"]:
        yield f"caused by the event {made['causation_id']}", PLAIN
    if made["traceparent"]:
        yield f"in the trace {made['traceparent'].split('-')[1]}", PLAIN


def _publishing(producer: str, published: Document, made: Document) -> Line:
    if published["waits_in_outbox"]:
        waits = _lag(made["recorded_at"], datetime.now(UTC).isoformat())
        return f"still in the outbox of {producer}, for {waits}: the broker does not have it", BAD
    if published["confirmed_at"] is None:
        return "published; when is not known any more", GOOD
    return f"published {_lag(made['recorded_at'], published['confirmed_at'])} later", GOOD


def _consuming(consumer: str, event: EventTrace, made: Document | None) -> Iterator[Line]:
    known = event.answers[consumer]
    received = known["received"]
    if received is None:
        yield _not_consumed(consumer, event, known, made)
        return
    since = f"{_lag(made['recorded_at'], received['at'])} later" if made else received["at"]
    handler = f" by {received['handler']}" if received["handler"] else ""
    if received["outcome"] == "applied":
        yield f"{consumer}: applied {since}{handler}", GOOD
    for parked in received["parked"]:
        yield _parked(consumer, parked)
    for effect in received["effects"]:
        yield f"{consumer}: {_effect(effect)}", PLAIN


def _not_consumed(consumer: str, event: EventTrace, known: Document, made: Document | None) -> Line:
    since = known["remembers_received_since"]
    if made and datetime.fromisoformat(made["recorded_at"]) < datetime.fromisoformat(since):
        return f"{consumer}: not known any more, it remembers since {since}", PLAIN
    if event.producer and event.answers[event.producer]["published"]["waits_in_outbox"]:
        return f"{consumer}: not sent to it yet", WAITING
    return f"{consumer}: published but not yet consumed", BAD


def _parked(service: str, parked: Document) -> Line:
    what = f"{service}: parked at {parked['parked_at']} after {parked['attempts']} attempts"
    why = f"{what}: {parked['reason']}"
    if parked["state"] == "parked":
        return f"{why}; when mended: crm parked redrive {service} {parked['id']}", BAD
    settled = f"{parked['state']} at {parked['settled_at']} by {parked['settled_by']}"
    return f"{why}; {settled}", GOOD if parked["state"] == "redriven" else PLAIN


def _effect(effect: Document) -> str:
    row = f"{effect['table']} {effect['key']}"
    if effect["state"] == "stands" and effect["counted_in"]:
        return f"{row} stands, counted in {', '.join(effect['counted_in'])}"
    if effect["state"] == "superseded":
        return f"{row} was superseded by a newer event"
    return f"{row} {'stands' if effect['state'] == 'stands' else 'is gone'}"


def _lag(start: str, end: str) -> str:
    """The time between two moments, as a person reads it."""
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    if passed < _SECOND:
        return f"{max(0, round(passed / timedelta(milliseconds=1)))} ms"
    if passed < timedelta(minutes=2):
        return f"{passed / _SECOND:.1f} s"
    return str(timedelta(seconds=round(passed / _SECOND)))
